"""Recipe, readers, plan, the two passes, ledger, manifest, and the commands around them."""

"""Steps for wikitext, and lists of the addresses that Wikipedia cites."""

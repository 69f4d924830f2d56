"""Second pass: a shard's documents, tokens, and what is noted of them."""

"""SentencePiece tokens of batches of text, and the shards that hold them."""

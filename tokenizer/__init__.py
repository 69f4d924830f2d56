"""Encoding of batches of text with SentencePiece models, and files of token shards."""

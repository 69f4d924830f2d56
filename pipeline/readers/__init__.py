"""Readers of the sources' own formats: from a file's bytes to batches of documents."""

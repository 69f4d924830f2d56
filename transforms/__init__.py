"""Functions from a batch of documents to a batch of documents, one theme a module."""

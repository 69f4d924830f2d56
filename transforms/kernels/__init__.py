"""Compiled loops over the bytes of many documents, which the steps share."""

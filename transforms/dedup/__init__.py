"""Deduplication: what is compared, and which of several copies stays."""

"""Queries on a finished run: documents, statistics, checks. The run is never changed."""

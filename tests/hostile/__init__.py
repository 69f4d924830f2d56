"""Hostile input: damaged and malicious files for every reader, and what must hold all the same."""

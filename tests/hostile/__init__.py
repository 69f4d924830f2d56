"""Tests of hostile input: damaged and malicious files for every reader, and promises to keep."""

"""Answers about a finished run, which is read and never changed."""

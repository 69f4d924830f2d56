"""Locks between processes, also where the file system has none."""

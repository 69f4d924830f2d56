"""Files on any file system: local ones, and those in buckets."""

"""A recipe for somebody's own files, by a look at them: ``corpus init``."""

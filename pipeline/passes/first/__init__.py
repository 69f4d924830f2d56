"""First passes: records joined, and what the deduplications decide."""

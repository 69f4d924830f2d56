"""The commands of indexes that deduplications have written."""

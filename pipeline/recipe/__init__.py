"""Recipes: their keys, how they are read from YAML, and how they are checked."""

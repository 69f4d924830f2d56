"""Comparison of runs, and of parts of runs, by small n-gram models over their own token ids."""

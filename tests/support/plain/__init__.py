"""Oracles: what a step or pass does, in plain Python, to compare with."""

"""The browser of a run's documents that ``corpus serve`` opens on this machine."""

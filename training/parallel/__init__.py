"""Several processes for one model: which of them hold what."""

"""Commands that begin runs: ``corpus init``, ``run`` and ``demo``."""

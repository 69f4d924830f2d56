"""Where pipelines run: Beam's runners, their worker processes, and how a stop is told."""

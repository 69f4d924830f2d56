"""Where ``corpus serve`` listens, unless it is told otherwise."""

DEFAULT_PORT = 8321
"""Port that the browser connects to."""

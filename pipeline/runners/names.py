"""Names of Beam's runners, which are the same in any case, as Beam itself takes them."""

from __future__ import annotations

DIRECT_RUNNERS = ("DirectRunner", "FnApiRunner", "BundleBasedDirectRunner")

RUNNERS = ("DirectRunner", "SparkRunner", "FlinkRunner", "DataflowRunner", "PortableRunner")
"""Runners that the message about a misspelt runner lists."""


def runner_name(given: str) -> str:
    """Return a runner's name in the case that it is written in; others are as they are given."""
    known = {name.lower(): name for name in (*DIRECT_RUNNERS, *RUNNERS)}
    return known.get(given.lower(), given)

"""The mixture of a recipe: the numbers by which a trainer draws, which no byte of a shard needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BUDGET_KEY = "token_budget"
SHARE_KEY = "proportion"


def without_mixture(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's mapping without its mixture: what its shards are built by."""
    built = {key: value for key, value in mapping.items() if key != BUDGET_KEY}
    built["sources"] = {
        name: {key: value for key, value in entry.items() if key != SHARE_KEY}
        for name, entry in mapping["sources"].items()
    }
    return built


def mixture_of(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return what :func:`without_mixture` leaves out of a recipe's mapping."""
    return {
        BUDGET_KEY: mapping[BUDGET_KEY],
        "sources": {
            name: {SHARE_KEY: entry[SHARE_KEY]} for name, entry in mapping["sources"].items()
        },
    }


def with_mixture(mapping: Mapping[str, Any], mixture: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's mapping with another mixture, which is of the same sources."""
    built = without_mixture(mapping)
    sources = {
        name: {**entry, **mixture["sources"][name]} for name, entry in built["sources"].items()
    }
    return {**built, **mixture, "sources": sources}

"""The mixture of a recipe: the numbers by which a trainer draws, which no byte of a shard needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BUDGET_KEY = "token_budget"
SHARE_KEY = "proportion"
DOMAINS_KEY = "domains"
BY_KEY = "by"
"""The key of ``domains`` that says how a source is divided. Its others are of the mixture."""


def without_mixture(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's mapping without its mixture: what its shards are built by."""
    built = {key: value for key, value in mapping.items() if key != BUDGET_KEY}
    built["sources"] = {name: _built(entry) for name, entry in mapping["sources"].items()}
    return built


def _built(entry: Mapping[str, Any]) -> dict[str, Any]:
    built = {key: value for key, value in entry.items() if key not in (SHARE_KEY, DOMAINS_KEY)}
    if entry.get(DOMAINS_KEY):
        built[DOMAINS_KEY] = {BY_KEY: entry[DOMAINS_KEY][BY_KEY]}
    return built


def mixture_of(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return what :func:`without_mixture` leaves out of a recipe's mapping."""
    return {
        BUDGET_KEY: mapping[BUDGET_KEY],
        "sources": {name: _mixed(entry) for name, entry in mapping["sources"].items()},
    }


def _mixed(entry: Mapping[str, Any]) -> dict[str, Any]:
    mixed: dict[str, Any] = {SHARE_KEY: entry[SHARE_KEY]}
    if entry.get(DOMAINS_KEY):
        weights = entry[DOMAINS_KEY].items()
        mixed[DOMAINS_KEY] = {
            key: value for key, value in weights if key != BY_KEY and value is not None
        }
    return mixed


def with_mixture(mapping: Mapping[str, Any], mixture: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's mapping with another mixture, which is of the same sources."""
    built = without_mixture(mapping)
    sources = {}
    for name, entry in built["sources"].items():
        mixed = mixture["sources"][name]
        sources[name] = {**entry, **mixed}
        if DOMAINS_KEY in entry:
            sources[name][DOMAINS_KEY] = {**entry[DOMAINS_KEY], **mixed[DOMAINS_KEY]}
    return {**built, **mixture, "sources": sources}

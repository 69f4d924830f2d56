"""Shares of a mixture: how many tokens a trainer draws of what, and in how many epochs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pipeline.output.layout import PARTS
from pipeline.recipe.recipe import Recipe

COUNTED = ("documents", "tokens", "characters")


def mixed_sources(recipe: Recipe, shards: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what the manifest says of each source, from the manifest's entries of the shards.

    A source's epochs are its share of the recipe's token budget over its unique tokens (LLaMA,
    table 1).
    """
    totals: dict[str, Counter[str]] = {source.name: Counter() for source in recipe.sources}
    for shard in shards:
        for part, summary in shard["parts"].items():
            for key in COUNTED:
                totals[shard["source"]][f"{part}_{key}"] += summary[key]
    sources = {}
    for source in recipe.sources:
        counts = totals[source.name]
        share = recipe.token_budget * source.proportion
        unique = counts["train_tokens"]
        sources[source.name] = {
            **{f"{part}_{key}": counts[f"{part}_{key}"] for part in PARTS for key in COUNTED},
            "proportion": source.proportion,
            "sampled_tokens": round(share),
            "epochs": share / unique if unique else None,
        }
    return sources

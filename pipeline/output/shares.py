"""Shares of a mixture: how many tokens a trainer draws of what, and in how many epochs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pipeline.output.domain_shares import domain_shares
from pipeline.output.layout import PARTS
from pipeline.recipe.recipe import Recipe, Source

COUNTED = ("documents", "tokens", "characters")


def mixed_sources(recipe: Recipe, shards: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what the manifest says of each source, from the manifest's entries of the shards.

    A source's epochs are its share of the recipe's token budget over its unique tokens (LLaMA,
    table 1). A source with domains has the same for each of them. Raises RecipeError where weights
    do not fit the domains that there are; shards of text are checked by :func:`check_weights`.
    """
    if recipe.shards.is_text:
        check_weights(recipe, shards)
    totals: dict[str, Counter[str]] = {source.name: Counter() for source in recipe.sources}
    for shard in shards:
        for part, summary in shard["parts"].items():
            for key in COUNTED:
                totals[shard["source"]][f"{part}_{key}"] += summary[key]
    sources: dict[str, Any] = {}
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
        if source.domains is not None:
            sources[source.name]["domains"] = _mixed_domains(source, share, shards)
    return sources


def check_weights(recipe: Recipe, shards: Sequence[dict[str, Any]]) -> None:
    """Raise RecipeError where weights do not fit the domains of the manifest's shards.

    This is for shards whose tokens are yet to be made: documents stand for them. A cap of epochs
    is left out, since it needs their number.
    """
    for source in recipe.sources:
        if source.domains is None:
            continue
        counts = _domain_counts(source, shards)
        documents = {name: counts[name]["train_documents"] for name in sorted(counts)}
        uncapped = dataclasses.replace(source.domains, max_epochs=None)
        domain_shares(uncapped, documents, 1.0, f"sources.{source.name}.domains")


def _mixed_domains(
    source: Source, sampled: float, shards: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return what the manifest says of each domain of a source, of which so much is sampled."""
    assert source.domains is not None, "only of sources with domains"
    counts = _domain_counts(source, shards)
    tokens = {name: counts[name]["train_tokens"] for name in sorted(counts)}
    where = f"sources.{source.name}.domains"
    shares = domain_shares(source.domains, tokens, sampled, where)
    return {
        name: {
            **{f"{p}_{key}": counts[name][f"{p}_{key}"] for p in PARTS
               for key in ("documents", "tokens")},
            "proportion": share,
            "sampled_tokens": round(sampled * share),
            "epochs": sampled * share / tokens[name] if tokens[name] else None,
        }
        for name, share in shares.items()
    }  # fmt: skip


def _domain_counts(source: Source, shards: Sequence[dict[str, Any]]) -> dict[str, Counter[str]]:
    """Add up the documents and tokens of each domain of a source, in each part."""
    counts: dict[str, Counter[str]] = {}
    for shard in shards:
        if shard["source"] == source.name:
            for part, summary in shard["parts"].items():
                for group in summary["domains"]:
                    of_domain = counts.setdefault(group["domain"], Counter())
                    for key in ("documents", "tokens"):
                        of_domain[f"{part}_{key}"] += group[key]
    return counts

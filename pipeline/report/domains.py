"""The domains of a divided source, as rows of the report: sizes, weights and epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TABLE_DOMAINS = 50
"""Most domains of a source in the tables of the report and the card."""
CHART_DOMAINS = 30
"""Most domains of a source that have bars of their own."""


def domain_rows(counts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each domain of a source, those with the most sampled tokens first.

    ``counts`` are what the manifest says of the source. ``unique_share`` is a domain's part of the
    source's training tokens. ``weight`` is its share of what is drawn over that part: 1 for a
    domain that is drawn in as many epochs as the whole source.
    """
    domains = counts.get("domains", {})
    n_tokens = sum(one["train_tokens"] for one in domains.values())
    rows = [{"domain": name, **_shares(one, n_tokens)} for name, one in domains.items()]
    return sorted(rows, key=lambda row: (-row["sampled_tokens"], row["domain"]))


def charted(rows: Sequence[Mapping[str, Any]], most: int = CHART_DOMAINS) -> list[dict[str, Any]]:
    """Return the largest domains, by what they have or by what is drawn, and a row of the others.

    The largest come first. The others are added up under the name ``N others``.
    """
    ordered = sorted(rows, key=_size, reverse=True)
    # One domain alone takes no more room than its sum would.
    n_shown = most if len(ordered) > most + 1 else len(ordered)
    shown = [dict(row) for row in ordered[:n_shown]]
    if others := ordered[n_shown:]:
        summed = {
            key: sum(row[key] for row in others)
            for key in ("proportion", "unique_share", "train_tokens", "sampled_tokens")
        }
        n = summed["train_tokens"]
        shown.append({"domain": f"{len(others):,} others", **summed,
                      "epochs": summed["sampled_tokens"] / n if n else None})  # fmt: skip
    return shown


def _size(row: Mapping[str, Any]) -> float:
    return max(float(row["proportion"]), float(row["unique_share"]))


def _shares(one: Mapping[str, Any], n_tokens: int) -> dict[str, Any]:
    unique = one["train_tokens"] / n_tokens if n_tokens else 0.0
    return {**one, "unique_share": unique, "weight": one["proportion"] / unique if unique else None}

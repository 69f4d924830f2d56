"""The parts of a run that get weights, their sizes, and the recipe that has their proportions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import yaml

from pipeline.errors import RunError
from pipeline.judging.candidates import domains_of, part_name
from pipeline.judging.expectation import Floats
from pipeline.recipe.mixture import BUDGET_KEY, DOMAINS_KEY, SHARE_KEY, with_mixture

DIGITS = 4
"""Digits behind the point of a source's proportion that is written."""

DOMAIN_DIGITS = 8
"""Digits behind the point where sources are divided, whose domains may be small."""


class RunPart(NamedTuple):
    """A domain of a source, or a source that is not divided."""

    source: str
    domain: str | None
    tokens: int
    share: float  # in the run's own mixture

    @property
    def name(self) -> str:
        """The name of the candidate that has its documents."""
        return part_name(self.source, self.domain)


def run_parts(manifest: Mapping[str, Any]) -> list[RunPart]:
    """Return the parts of a run, in the order of its sources and their domains."""
    parts = []
    for source, counts in manifest["sources"].items():
        share = counts[SHARE_KEY]
        domains = domains_of(manifest, source)
        parts += [
            RunPart(source, domain, one["train_tokens"], share * one[SHARE_KEY])
            for domain, one in domains.items()
        ]
        if not domains:
            parts.append(RunPart(source, None, counts["train_tokens"], share))
    return parts


def digits_of(parts: list[RunPart]) -> int:
    """Return the digits behind the point with which the proportions of parts are written."""
    return DIGITS if all(part.domain is None for part in parts) else DOMAIN_DIGITS


def rounded(shares: Floats, caps: Floats, digits: int) -> Floats:
    """Round shares that are to be read; the part with the most room takes what is missing."""
    result = np.round(shares, digits)
    result[np.argmax(caps - shares)] += 1 - result.sum()
    return np.round(result, digits)


def recipe_with(manifest: Mapping[str, Any], proportions: Mapping[str, float], note: str) -> bytes:
    """Return a run's recipe with other proportions of its parts, as ``corpus mix`` takes it.

    ``note`` is the comment in its first line. Raises RunError where a source would have none, which
    no recipe can say.
    """
    parts = run_parts(manifest)
    sources: dict[str, dict[str, Any]] = {}
    for source in manifest["sources"]:
        shares = {p.domain: proportions[p.name] for p in parts if p.source == source}
        total = round(sum(shares.values()), DOMAIN_DIGITS)
        if not total:
            raise RunError(
                f"{source}: it would have no share, and a recipe gives each source one: give a "
                "higher --smoothing"
            )
        sources[source] = {SHARE_KEY: total}
        if manifest["recipe"]["sources"][source].get(DOMAINS_KEY):
            is_divided = None not in shares  # else none of its documents were kept
            sources[source][DOMAINS_KEY] = (
                {"shares": _of_domains(shares, total)} if is_divided else {}
            )
    mixture = {BUDGET_KEY: manifest[BUDGET_KEY], "sources": sources}
    recipe = with_mixture(manifest["recipe"], mixture)
    text = yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True)
    return f"# {note}\n{text}".encode()


def _of_domains(shares: Mapping[Any, float], total: float) -> dict[str, float]:
    """Return shares of a source's domains that add up to 1; the largest takes what is missing."""
    result = {domain: round(share / total, DOMAIN_DIGITS) for domain, share in shares.items()}
    largest = max(result, key=lambda domain: result[domain])
    result[largest] = round(result[largest] + 1 - sum(result.values()), DOMAIN_DIGITS)
    return result

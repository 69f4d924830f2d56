"""Shares of a source's domains, from weights or shares, and under a cap of epochs."""

from __future__ import annotations

import fnmatch
import math
from collections import Counter
from collections.abc import Mapping, Sequence

from pipeline.errors import RecipeError
from pipeline.recipe.domains import Curve, DomainColumn, Domains

NAMED = 8
"""Most domains that a message names."""


def domain_shares(
    domains: Domains, tokens: Mapping[str, int], sampled: float, where: str
) -> dict[str, float]:
    """Return the share of each domain in the tokens that are sampled of its source.

    ``tokens`` are the training tokens of each domain, ``sampled`` those that are drawn of the
    source. They add up to 1, or are all 0 where the source has no tokens. Raises RecipeError, with
    the place ``where``, where weights and domains do not fit.
    """
    if not any(tokens.values()):
        return dict.fromkeys(tokens, 0.0)
    if domains.shares is not None:
        wanted = _matched(domains.shares, tokens, f"{where}.shares", None)
    else:
        columns = domains.columns
        weights = _matched(domains.weights or {}, tokens, f"{where}.weights", 1.0, columns)
        if domains.curve is not None:
            named = _matched(domains.weights or {}, tokens, f"{where}.weights", math.nan, columns)
            left = [name for name in tokens if math.isnan(named[name])]
            place = [column.name for column in domains.columns].index(domains.curve.column)
            weights |= curve_weights(domains.curve, place, tokens, left, f"{where}.weights.curve")
        wanted = {name: weights[name] * tokens[name] for name in tokens}
    without = [name for name, share in wanted.items() if share and not tokens[name]]
    if without:
        raise RecipeError(f"{where}.shares: {_listed(without)} has no training tokens")
    if not any(wanted.values()):
        raise RecipeError(f"{where}: every domain has the weight 0: nothing would be drawn")
    total = sum(wanted.values())
    shares = {name: share / total for name, share in wanted.items()}
    if domains.max_epochs is None:
        return shares
    caps = {name: domains.max_epochs * n / sampled for name, n in tokens.items()}
    drawn = [caps[name] for name, share in shares.items() if share]
    if sum(drawn) < 1:
        raise RecipeError(
            f"{where}.max_epochs: {domains.max_epochs:g} epochs of its domains are "
            f"{sum(drawn) * sampled:,.0f} tokens, but {sampled:,.0f} are to be drawn"
        )
    return _capped(shares, caps)


def curve_weights(
    curve: Curve, place: int, tokens: Mapping[str, int], names: Sequence[str], where: str
) -> dict[str, float]:
    """Return the weights that a curve gives the domains ``names``.

    The buckets are the numbers at ``place`` in the domains' names. The percentile of one is the
    middle of its tokens among those of all domains that have a bucket, from 0 to 1: that of the
    best lies just under 1. Raises RecipeError for a name without such a number.
    """
    of_bucket: Counter[int] = Counter()
    for name, n in tokens.items():
        value = name.split("/")[place]
        if value.isdecimal():
            of_bucket[int(value)] += n
        elif name in names:
            raise RecipeError(f"{where}: {name} has no number of a bucket; give it a weight")
    total = sum(of_bucket.values())
    weights, below = {}, 0
    for bucket in sorted(of_bucket):
        x = (below + of_bucket[bucket] / 2) / max(total, 1)
        try:
            weights[bucket] = curve.C * x**curve.p * math.exp(curve.lambda_ * x) if x else 0.0
        except OverflowError:
            raise RecipeError(f"{where}: it is too steep to be worked out") from None
        below += of_bucket[bucket]
    return {name: weights[int(name.split("/")[place])] for name in names}


def _capped(shares: Mapping[str, float], caps: Mapping[str, float]) -> dict[str, float]:
    """Return shares of which none is over its cap; the others take what is over, in proportion.

    The caps of what has a share add up to 1 at the least.
    """
    full: set[str] = set()
    while True:
        left = 1 - sum(caps[name] for name in full)
        free = sum(share for name, share in shares.items() if name not in full)
        scale = left / free if free else 0.0
        over = {n for n, s in shares.items() if n not in full and s and s * scale > caps[n]}
        if not over:
            return {n: caps[n] if n in full else s * scale for n, s in shares.items()}
        full |= over


def _matched(
    numbers: Mapping[str, float],
    domains: Mapping[str, int],
    where: str,
    default: float | None,
    columns: Sequence[DomainColumn] = (),
) -> dict[str, float]:
    """Return the number of each domain: of its name, or of the first pattern that matches it.

    Without a default there are no patterns, and every domain must have a number. Every key must be
    that of a domain, or of one that other documents would make by the cut-offs of ``columns``.
    """
    found: dict[str, float] = {}
    used: set[str] = set()
    missing: list[str] = []
    for domain in domains:
        key = domain if domain in numbers else None
        if default is not None:
            key = key or next((p for p in numbers if fnmatch.fnmatchcase(domain, p)), None)
        if key is not None:
            used.add(key)
            found[domain] = numbers[key]
        elif default is None:
            missing.append(domain)
        else:
            found[domain] = default
    if missing:
        raise RecipeError(f"{where}: no share of {_listed(missing)}; 0 leaves a domain out")
    names = [key for key in numbers if key not in used]
    if unknown := [key for key in names if not _may_be(key, domains, columns)]:
        raise RecipeError(f"{where}: no domain is {_listed(unknown)}; there are {_listed(domains)}")
    return found


def _may_be(key: str, domains: Mapping[str, int], columns: Sequence[DomainColumn]) -> bool:
    """Tell whether a key names a range of numbers that no document happens to be in."""
    parts = key.split("/")
    if len(parts) != len(columns):
        return False
    for place, (part, column) in enumerate(zip(parts, columns, strict=True)):
        if column.cutoffs:
            known = list(map(str, range(len(column.cutoffs) + 1)))
        else:
            known = [domain.split("/")[place] for domain in domains]
        if not any(fnmatch.fnmatchcase(value, part) for value in known):
            return False
    return any(column.cutoffs for column in columns)


def _listed(names: Sequence[str] | Mapping[str, int]) -> str:
    return ", ".join([*names][:NAMED]) + (", ..." if len(names) > NAMED else "")

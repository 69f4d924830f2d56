"""The domains of a source: its parts, told apart by columns of documents, and their weights."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from pipeline.errors import RecipeError, nearest
from pipeline.recipe.signatures import check_parameters

LABELS = ("language", "bucket")
SCORES = ("language_score", "perplexity")
METADATA = "metadata."
"""Beginning of a column's name that stands for a field of the metadata."""


CURVE_KEY = "curve"


class DomainColumn(NamedTuple):
    """A column by which documents are divided."""

    name: str  # one of LABELS or SCORES, or a field of the metadata, after METADATA
    cutoffs: tuple[float, ...]  # numbers are divided by these, ascending; () takes values as such


@dataclass(frozen=True)
class Curve:
    """The key `curve` of weights: C x^p e^(lambda x), x the percentile of a domain's bucket."""

    column: str  # one of `by`, whose values are the numbers of buckets
    C: float
    p: float
    lambda_: float


@dataclass(frozen=True)
class DomainKeys:
    """The key `domains` of a source, which divides it into parts with weights of their own."""

    by: list[Any]  # columns: `language`, `bucket`, `metadata.FIELD`, or `{COLUMN: [cut-offs]}`
    weights: Any = None  # of domains, relative to their sizes; 1 for those not named; or a file
    shares: Any = None  # of domains in the source's tokens, which add up to 1; or a file
    max_epochs: float | None = None  # of a domain; what is over is given to the others


@dataclass(frozen=True)
class Domains:
    """How a source is divided, and what of it is drawn. Without weights or shares: all alike."""

    columns: tuple[DomainColumn, ...]
    weights: Mapping[str, float] | None
    shares: Mapping[str, float] | None
    max_epochs: float | None
    curve: Curve | None = None  # weights of the domains that ``weights`` does not name


def domains_from(entry: Any, where: str) -> Domains:
    """Check the key ``domains`` of a source, at ``where`` in the recipe. Raises RecipeError."""
    keys = DomainKeys(**check_parameters(DomainKeys, entry, where))
    if not keys.by:
        raise RecipeError(f"{where}.by: expected at least one column")
    if keys.weights is not None and keys.shares is not None:
        raise RecipeError(f"{where}: expected 'weights' or 'shares', found both")
    if keys.max_epochs is not None and not 0 < keys.max_epochs < math.inf:
        raise RecipeError(f"{where}.max_epochs: expected a number above 0, found {keys.max_epochs}")
    shares = _numbers(keys.shares, f"{where}.shares")
    if shares is not None and abs(sum(shares.values()) - 1) > 1e-6:
        raise RecipeError(f"{where}.shares: they add up to {sum(shares.values()):g}, not to 1")
    columns = tuple(_column(one, f"{where}.by[{i}]") for i, one in enumerate(keys.by))
    weights, curve = keys.weights, None
    if isinstance(weights, Mapping) and isinstance(weights.get(CURVE_KEY), Mapping):
        curve = _curve(weights[CURVE_KEY], columns, f"{where}.weights.{CURVE_KEY}")
        weights = {key: value for key, value in weights.items() if key != CURVE_KEY} or None
    return Domains(
        columns=columns,
        weights=_numbers(weights, f"{where}.weights", may_be_0=curve is not None),
        shares=shares,
        max_epochs=keys.max_epochs,
        curve=curve,
    )


def _curve(entry: Any, columns: tuple[DomainColumn, ...], where: str) -> Curve:
    curve = Curve(**check_parameters(Curve, entry, where))
    names = [column.name for column in columns]
    if curve.column not in names:
        raise RecipeError(
            f"{where}.column: {curve.column!r} is none of the columns of 'by', {', '.join(names)}"
        )
    if curve.C <= 0:
        raise RecipeError(f"{where}.C: expected a number above 0, found {curve.C:g}")
    return curve


def _column(entry: Any, where: str) -> DomainColumn:
    cutoffs: Any = None
    name = entry
    if isinstance(entry, Mapping) and len(entry) == 1:
        ((name, cutoffs),) = entry.items()
    if not isinstance(name, str):
        raise RecipeError(f"{where}: expected a column or 'column: [cut-offs]', found {entry!r}")
    known = [*LABELS, *SCORES]
    if name not in known and not re.fullmatch(rf"{re.escape(METADATA)}.+", name):
        raise RecipeError(f"{where}: unknown column {name!r}{nearest(name, known)}; a field of the "
                          f"metadata is written {METADATA}FIELD")  # fmt: skip
    if cutoffs is None:
        if name in SCORES:
            raise RecipeError(f"{where}: {name} is a number; give its cut-offs, {{{name}: [...]}}")
        return DomainColumn(name, ())
    if name in LABELS:
        raise RecipeError(f"{where}: {name} is no number, and has no cut-offs")
    if not isinstance(cutoffs, list) or not cutoffs or not all(map(_is_number, cutoffs)):
        raise RecipeError(f"{where}.{name}: expected a list of numbers, found {cutoffs!r}")
    if any(low >= high for low, high in pairwise(cutoffs)):
        raise RecipeError(f"{where}.{name}: the cut-offs do not ascend")
    return DomainColumn(name, tuple(map(float, cutoffs)))


def _numbers(given: Any, where: str, *, may_be_0: bool = False) -> dict[str, float] | None:
    """Check a mapping of domains, or of patterns of their names, to numbers."""
    if given is None:
        return None
    if not isinstance(given, Mapping) or not given:
        raise RecipeError(f"{where}: expected a mapping of domains to numbers, found {given!r}")
    for name, number in given.items():
        if not isinstance(name, str):  # YAML takes no, the code of Norwegian, for false
            raise RecipeError(f"{where}: {name!r} is no text; write the name in quotes")
        if not _is_number(number) or number < 0:
            raise RecipeError(f"{where}.{name}: expected a number from 0 on, found {number!r}")
    if not may_be_0 and not any(given.values()):
        raise RecipeError(f"{where}: all are 0: nothing would be drawn")
    return {name: float(number) for name, number in given.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

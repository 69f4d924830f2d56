"""The rules for web pages with thresholds of each language, in one table.

How long words are, how often lines end in a full stop and which words are stop words differ from
language to language. FineWeb-2 (arXiv 2506.20920) takes the same rules for all of them, and other
numbers for each.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.documents import checked_by, documents, drop, with_column
from transforms.web.fineweb_rules import apply_fineweb_rules
from transforms.web.gopher_quality import filter_gopher_quality
from transforms.web.gopher_repetition import filter_gopher_repetition

RULES: Mapping[str, Callable[..., pa.RecordBatch]] = {
    "filter_gopher_repetition": filter_gopher_repetition,
    "filter_gopher_quality": filter_gopher_quality,
    "apply_fineweb_rules": apply_fineweb_rules,
}
"""The steps that a table may have thresholds of. They leave texts as they are."""

MIN_SCORE = "min_score"
"""Key of a language's row: the lowest ``language_score`` that stays."""

Thresholds = Mapping[str, Any]


def check_filter_by_language(
    *, common: Mapping[str, Thresholds], languages: Mapping[str, Thresholds]
) -> None:
    """Raise ValueError where a table has an unknown step, or parameters that a step cannot take."""
    for name in common:
        if name not in RULES:
            raise ValueError(f"common: {name!r} is none of {', '.join(RULES)}")
    if not languages:
        raise ValueError("languages: expected at least one")
    for language, row in languages.items():
        where = f"languages.{language}"
        for name in row:
            if name != MIN_SCORE and name not in common:
                known = ", ".join([MIN_SCORE, *common])
                raise ValueError(f"{where}: {name!r} is none of {known}")
        score = row.get(MIN_SCORE)
        if isinstance(score, bool) or not isinstance(score, (int, float)) or not 0 <= score <= 1:
            raise ValueError(f"{where}.{MIN_SCORE}: expected a number from 0 to 1, found {score!r}")
        for name, given in row.items():
            if name != MIN_SCORE and not isinstance(given, Mapping):
                raise ValueError(f"{where}.{name}: expected thresholds, found {given!r}")
        for name in common:
            _check_rules(name, _parameters(common, row, name), f"{where}.{name}")


def _check_rules(name: str, parameters: dict[str, Any], where: str) -> None:
    step = RULES[name]
    known = [
        p for p, one in inspect.signature(step).parameters.items() if one.kind == one.KEYWORD_ONLY
    ]
    if unknown := [parameter for parameter in parameters if parameter not in known]:
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; there are {', '.join(known)}")
    try:
        if check := getattr(step, "check", None):
            check(**parameters)
        step(documents([], []), **parameters)  # which has a threshold of a wrong type raise
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{where}: {' '.join(str(error).split())}") from None


def _parameters(common: Mapping[str, Thresholds], row: Thresholds, name: str) -> dict[str, Any]:
    """Return the parameters of one step for one language: what its row has goes over the others.

    Numbers that are keys come as text from the copy of the recipe that workers get.
    """
    given = {**common[name], **row.get(name, {})}
    return {
        key: {int(n): limit for n, limit in value.items()} if isinstance(value, Mapping) else value
        for key, value in given.items()
    }


@checked_by(check_filter_by_language)
def filter_by_language(
    batch: pa.RecordBatch,
    *,
    common: dict[str, dict[str, Any]],
    languages: dict[str, dict[str, Any]],
) -> pa.RecordBatch:
    """Drop documents by rules whose thresholds are those of their language.

    ``common`` names the steps, in their order, with the parameters that hold for all:
    ``filter_gopher_repetition``, ``filter_gopher_quality`` and ``apply_fineweb_rules``. A row of
    ``languages`` has ``min_score``, the lowest ``language_score`` that stays, and what differs from
    ``common``. Documents in a language without a row are dropped as ``other_language``, those
    under ``min_score`` as ``low_language_score``, and others for the reasons of the steps. An
    earlier step, as ``identify_language``, must have set the language.
    """
    is_other = pc.invert(pc.is_in(batch["language"], pa.array([*languages], pa.string())))
    batch = drop(batch, is_other.to_numpy(zero_copy_only=False), "other_language")
    scores = pc.fill_null(batch["language_score"], 0.0).to_numpy(zero_copy_only=False)
    for language, row in languages.items():
        mine = pc.equal(batch["language"], language).fill_null(False)
        mine = mine.to_numpy(zero_copy_only=False)
        batch = drop(batch, mine & (scores < row[MIN_SCORE]), "low_language_score")
        alive = mine & pc.is_null(batch["dropped_by"]).to_numpy(zero_copy_only=False)
        if alive.any():
            part = batch.filter(pa.array(alive))
            for name in common:
                part = RULES[name](part, **_parameters(common, row, name))
            reasons = np.array(batch["dropped_by"].to_pylist(), object)
            reasons[alive] = part["dropped_by"].to_pylist()
            batch = with_column(batch, "dropped_by", reasons.tolist())
    return batch

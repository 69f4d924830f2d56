"""Steps that put documents into buckets by any score, and make one score of several.

A score is a number that an earlier step gave a document: ``perplexity``, ``language_score``, or a
field of the metadata, such as what ``classify`` writes there.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.documents import FilePath, checked_by, with_column

COLUMNS = ("language_score", "perplexity")
"""Scores that have a column of their own; all others are fields of the metadata."""

BUCKET = "bucket"
"""Name under which a bucket goes to the column ``bucket``, and not to the metadata."""

CARD_KIND = "score_cutoffs"
"""What the card of ``corpus cutoffs`` says that it is."""


def scores_of(batch: pa.RecordBatch, name: str) -> npt.NDArray[np.float64]:
    """Return a score of every document, NaN where it has none.

    Raises ValueError where a field of the metadata of that name is no number.
    """
    if name in COLUMNS:
        column = pc.fill_null(batch[name], np.nan)
        scores: npt.NDArray[np.float64] = column.to_numpy(zero_copy_only=False)
        return scores
    values = [json.loads(text or "{}").get(name) for text in batch["metadata"].to_pylist()]
    for value in values:
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ValueError(f"the score {name} is {value!r}, which is no number")
    return np.array([np.nan if value is None else value for value in values], np.float64)


def with_field(batch: pa.RecordBatch, name: str, values: list[float | None]) -> pa.RecordBatch:
    """Write a number into every document's metadata; None leaves it as it is."""
    metadata = [
        old
        if value is None
        else json.dumps({**json.loads(old or "{}"), name: value}, ensure_ascii=False)
        for old, value in zip(batch["metadata"].to_pylist(), values, strict=True)
    ]
    return with_column(batch, "metadata", metadata)


def check_bucket_by_score(
    *,
    score: str,
    cutoffs: list[float] | None = None,
    card: FilePath | None = None,
    quantiles: int | None = None,
    **_: object,
) -> None:
    """Raise ValueError for cut-offs that do not ascend, and for a card of another score."""
    _cutoffs(score, cutoffs, card, quantiles)


@checked_by(check_bucket_by_score)
def bucket_by_score(
    batch: pa.RecordBatch,
    *,
    score: str,
    cutoffs: list[float] | None = None,
    card: FilePath | None = None,
    quantiles: int | None = None,
    as_: str = BUCKET,
) -> pa.RecordBatch:
    """Write the number of the bucket of a score: the cut-offs that are not above it.

    ``cutoffs`` are ascending numbers. Or ``card`` names the file that ``corpus cutoffs`` wrote,
    which holds as many as make ``quantiles`` buckets. The number is written into ``bucket``, as
    text with as many digits as the highest, or, with ``as``, as a number into that field of the
    metadata. A document without the score has no bucket. No document is dropped. Raises ValueError
    where the parameters are not as described.
    """
    limits = _cutoffs(score, cutoffs, card, quantiles)
    scores = scores_of(batch, score)
    buckets = np.searchsorted(limits, scores, side="right").tolist()
    numbers = [
        None if np.isnan(value) else bucket for value, bucket in zip(scores, buckets, strict=True)
    ]
    if as_ != BUCKET:
        return with_field(batch, as_, numbers)
    digits = len(str(len(limits)))
    names = [None if number is None else f"{number:0{digits}d}" for number in numbers]
    return with_column(batch, "bucket", names)


def _cutoffs(
    score: str, cutoffs: list[float] | None, card: str | None, quantiles: int | None
) -> list[float]:
    if (cutoffs is None) == (card is None):
        raise ValueError("expected either cutoffs or a card")
    limits = cutoffs if cutoffs is not None else _cutoffs_of_card(str(card), score)
    if not limits or any(low > high for low, high in pairwise(limits)):
        raise ValueError(f"cutoffs: expected ascending numbers, not {limits}")
    if quantiles is not None and len(limits) != quantiles - 1:
        where = card or "cutoffs"
        raise ValueError(f"{where}: {len(limits)} cut-offs make no {quantiles} buckets")
    return limits


@functools.cache
def _cutoffs_of_card(path: str, score: str) -> list[float]:
    """Read the cut-offs of a score from the card that ``corpus cutoffs`` wrote."""
    try:
        card = json.loads(Path(path).read_text("utf-8"))
        if card["kind"] == CARD_KIND and card["parameters"]["score"] == score:
            return [float(cutoff) for cutoff in card["scores"]["cutoffs"]]
    except (ValueError, KeyError, TypeError):
        pass
    raise ValueError(f"{path} is no card of cut-offs of the score {score!r}")


_COMBINED: dict[str, Callable[..., Any]] = {
    "max": np.nanmax,
    "min": np.nanmin,
    "mean": np.nanmean,
}


def check_combine_scores(*, of: list[str], **_: object) -> None:
    """Raise ValueError where there is nothing to combine."""
    if not of:
        raise ValueError("of: expected the names of scores")


@checked_by(check_combine_scores)
def combine_scores(
    batch: pa.RecordBatch, *, of: list[str], how: Literal["max", "min", "mean"], as_: str
) -> pa.RecordBatch:
    """Write one score made of several, the largest, smallest or mean, into the metadata.

    Scores that a document does not have do not count; one without any has no such score. With
    ``max`` over buckets, a document is where the classifier that likes it best puts it
    (Nemotron-CC, arXiv 2412.02595). Raises ValueError where ``of`` is empty.
    """
    check_combine_scores(of=of)
    scores = np.array([scores_of(batch, name) for name in of])
    has_any = ~np.isnan(scores).all(axis=0)
    combined = np.full(batch.num_rows, np.nan)
    combined[has_any] = _COMBINED[how](scores[:, has_any], axis=0)
    values = [None if np.isnan(value) else _plain(value) for value in combined.tolist()]
    return with_field(batch, as_, values)


def _plain(value: float) -> float:
    """Return a whole number as an integer, so that it reads like the bucket that it is."""
    return int(value) if value.is_integer() else value

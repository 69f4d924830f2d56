"""The decontamination step. It drops documents that share text with evaluation sets.

A document shares text with an evaluation set if one of its n-grams of words is also in an item of
the set. GPT-3 (arXiv 2005.14165, appendix C) and most corpora since have been cleaned in this way,
with n-grams of 13 words. ``transforms.decontamination.evaluation_sets`` defines items and words.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from transforms.decontamination.evaluation_sets import (
    EvaluationIndex,
    Item,
    folds,
    load_evaluation_sets,
    n_gram_hash,
    words_of,
)
from transforms.dedup.shingles import word_hashes
from transforms.documents import FilePath, checked_by, drop, text_buffers, with_column
from transforms.kernels.hashing import BASE
from transforms.kernels.key_sets import holds


class Match(NamedTuple):
    """An n-gram that a document shares with an item."""

    document: int  # row of the document
    item: Item
    words: str


def check_decontaminate(
    *,
    evaluation_sets: list[FilePath],
    fields: list[str],
    n_gram_words: int,
    min_item_words: int,
) -> None:
    """Raise ValueError for files that are not evaluation sets, and for impossible numbers."""
    if not evaluation_sets:
        raise ValueError("evaluation_sets: names no file; name some, or leave the step out")
    if not 1 <= min_item_words <= n_gram_words:
        raise ValueError(
            f"min_item_words: expected 1 to n_gram_words ({n_gram_words}), found {min_item_words}"
        )
    load_evaluation_sets(tuple(evaluation_sets), tuple(fields), n_gram_words, min_item_words)


@checked_by(check_decontaminate)
def decontaminate(
    batch: pa.RecordBatch,
    *,
    evaluation_sets: list[FilePath],
    fields: list[str],
    n_gram_words: int,
    min_item_words: int,
) -> pa.RecordBatch:
    """Drop documents that share ``n_gram_words`` consecutive words with an evaluation set.

    They are dropped as ``contaminated``. The file, line and words that they share are written to
    their metadata as ``contaminated_by``. An item of fewer words counts only as a whole, and must
    have at least ``min_item_words`` words. Shorter items are ignored, because they occur in too
    many documents by chance (GPT-3's minimum is 8 words). ``fields`` are the fields of JSON lines
    that hold items; an empty list takes every string. Raises ValueError as
    ``load_evaluation_sets`` does.
    """
    index = load_evaluation_sets(
        tuple(evaluation_sets), tuple(fields), n_gram_words, min_item_words
    )
    matches = find_matches(batch["text"], index)
    if not matches:
        return batch
    is_contaminated = np.zeros(batch.num_rows, np.bool_)
    metadata = batch["metadata"].to_pylist()
    for match in matches:
        is_contaminated[match.document] = True
        known = json.loads(metadata[match.document] or "{}")
        place: dict[str, Any] = {"file": match.item.file, "line": match.item.line}
        known["contaminated_by"] = {**place, "words": match.words}
        metadata[match.document] = json.dumps(known, ensure_ascii=False)
    batch = with_column(batch, "metadata", metadata)
    return drop(batch, is_contaminated, "contaminated")


def find_matches(texts: pa.StringArray, index: EvaluationIndex) -> list[Match]:
    """Return one match for every text that has matches, in the order of the texts.

    Longer n-grams come first. Of these the first in the text is taken, with the first item that
    holds it. N-grams with equal hashes are compared word by word, so a collision is no match.
    """
    words, offsets = word_hashes(*folds(), *text_buffers(texts))
    search = index.n_gram_words, index.hashes, index.filter, index.filter_shift
    levels, places, hashes = _first_hits(words, offsets, *search)
    matches = []
    for document in np.flatnonzero(levels < len(index.n_gram_words)).tolist():
        level, place, value = levels[document], places[document], hashes[document]
        first, last = offsets[document], offsets[document + 1]
        mine = words_of(texts[document].as_py())
        while level < len(index.n_gram_words):
            n_gram = mine[place - first : place - first + index.n_gram_words[level]]
            item = _owner(index, value, n_gram)
            if item is not None:
                matches.append(Match(document, item, " ".join(n_gram)))
                break
            level, place, value = _next_hit(words, first, last, *search, level, place + 1)
    return matches


def _owner(index: EvaluationIndex, value: np.uint64, n_gram: list[str]) -> Item | None:
    """Return the first item that holds an n-gram, whose hash is ``value``."""
    begin, end = (np.searchsorted(index.hashes, value, side) for side in ("left", "right"))
    for owner in index.owners[begin:end].tolist():
        words = words_of(index.items[owner].text)
        size = len(n_gram)
        if any(words[i : i + size] == n_gram for i in range(len(words) - size + 1)):
            return index.items[owner]
    return None


@njit(cache=True, nogil=True)
def _next_hit(  # type: ignore[no-untyped-def]
    words, first, last, n_gram_words, hashes, filter_bits, filter_shift, level, place
):
    """Find the next n-gram of ``words[first:last]`` whose hash is among ``hashes``.

    A level is an index of ``n_gram_words``, the lengths of n-grams in words. The search begins at
    the given level and place, goes through the places of the text, and then to the next level.
    Returns level, place and hash. After the last n-gram, the level is the number of levels.
    """
    while level < n_gram_words.size:
        length = n_gram_words[level]
        state = np.uint64(0)
        factor = np.uint64(1)  # weight of the n-gram's first word, which is subtracted
        if place + length <= last:
            for k in range(length - 1):
                state = state * BASE + words[place + k]
                factor *= BASE
        for i in range(place, last - length + 1):
            state = state * BASE + words[i + length - 1]
            value = n_gram_hash(state, length)
            bit = np.int64(value >> np.uint64(filter_shift))
            if filter_bits[bit >> 3] >> (bit & 7) & 1 and holds(hashes, value):
                return level, i, value
            state -= words[i] * factor
        level += 1
        place = first
    return level, place, np.uint64(0)


@njit(cache=True, nogil=True)
def _first_hits(words, offsets, n_gram_words, hashes, filter_bits, filter_shift):  # type: ignore[no-untyped-def]
    """Return the first n-gram that :func:`_next_hit` finds in every text."""
    n_texts = offsets.size - 1
    levels, places = np.empty(n_texts, np.int64), np.empty(n_texts, np.int64)
    values = np.empty(n_texts, np.uint64)
    for t in range(n_texts):
        levels[t], places[t], values[t] = _next_hit(
            words, offsets[t], offsets[t + 1],
            n_gram_words, hashes, filter_bits, filter_shift, 0, offsets[t],
        )  # fmt: skip
    return levels, places, values

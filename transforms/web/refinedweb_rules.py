"""RefinedWeb's rules for lines (arXiv 2306.01116, appendix G), as DCLM applies them.

``\\n`` separates lines, and ASCII white space separates words. Letters and digits are Unicode's.
Arrow's functions do the work over all lines of a batch at once.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.documents import drop, with_column

_COUNTER = (
    r"(?i)^\s*[0-9]+(?:[.,][0-9]+)*\s*[kmb]?\s*(?:likes?|shares?|comments?|retweets?|reposts?|quotes?|"
    r"bookmarks?|upvotes?|downvotes?|downloads?|views?|followers?)\s*$"
)
"""Pattern of a counter: a line that only says how often something was liked, shared and so on."""


def apply_refinedweb_rules(
    batch: pa.RecordBatch,
    *,
    max_uppercase_fraction: float,
    max_digit_fraction: float,
    drop_counters: bool,
    min_line_words: int,
    short_line_words: int,
    cut_anywhere: list[str],
    cut_beginnings: list[str],
    cut_endings: list[str],
    max_removed_word_fraction: float,
) -> pa.RecordBatch:
    """Take lines out of pages, and drop pages that lose too much.

    First the phrases ``cut_anywhere``, ``cut_beginnings`` and ``cut_endings`` are cut, in any case
    of letters, from lines of at most ``short_line_words`` words. A line that had only such phrases
    is removed. A line is also removed if more than ``max_uppercase_fraction`` of its characters are
    capitals, if more than ``max_digit_fraction`` are digits, if it has fewer than
    ``min_line_words`` words, or, with ``drop_counters``, if it is a counter (``3 likes``). Lines
    that had no words stay.

    A page that loses more than ``max_removed_word_fraction`` of its words in this way is dropped as
    ``refinedweb_removed_words``, and a page without words as ``refinedweb_no_words``. Dropped pages
    keep their text.
    """
    if not batch.num_rows:
        return batch
    lists = pc.split_pattern(batch["text"], "\n")
    lines, offsets = lists.flatten(), lists.offsets.to_numpy()
    words_before = _words(lines)
    lines = _cut(lines, words_before <= short_line_words, cut_anywhere, cut_beginnings, cut_endings)
    words = _words(lines)
    chars = np.maximum(pc.utf8_length(lines).to_numpy(), 1)
    is_removed = _count(lines, r"\p{Lu}") > max_uppercase_fraction * chars
    is_removed |= _count(lines, r"\p{Nd}") > max_digit_fraction * chars
    is_removed |= words < min_line_words
    if drop_counters:
        is_removed |= pc.match_substring_regex(lines, _COUNTER).to_numpy(zero_copy_only=False)
    is_removed &= words_before > 0
    kept = ~is_removed
    ends = np.concatenate([[0], np.cumsum(kept)])[offsets].astype(np.int32)
    texts = pc.binary_join(
        pa.ListArray.from_arrays(pa.array(ends), lines.filter(pa.array(kept))), "\n"
    )
    before, after = _sum_by_page(words_before, offsets), _sum_by_page(words * kept, offsets)
    loses_too_much = before - after > max_removed_word_fraction * before
    stays = pa.array(~(loses_too_much | (before == 0)))
    batch = with_column(batch, "text", pc.if_else(stays, texts, batch["text"]))
    batch = drop(batch, before == 0, "refinedweb_no_words")
    return drop(batch, loses_too_much, "refinedweb_removed_words")


def _count(lines: pa.StringArray, pattern: str) -> npt.NDArray[np.int64]:
    counts: npt.NDArray[np.int64] = pc.count_substring_regex(lines, pattern).to_numpy()
    return counts.astype(np.int64)


def _words(lines: pa.StringArray) -> npt.NDArray[np.int64]:
    return _count(lines, r"\S+")


def _sum_by_page(
    line_counts: npt.NDArray[np.int64], offsets: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """Add up the counts of each page's lines. Every page has at least one line."""
    sums: npt.NDArray[np.int64] = np.add.reduceat(line_counts, offsets[:-1])
    return sums


def _cut(
    lines: pa.StringArray,
    is_short: npt.NDArray[np.bool_],
    anywhere: list[str],
    beginnings: list[str],
    endings: list[str],
) -> pa.StringArray:
    """Cut the phrases out of the short lines."""
    patterns = [
        *(re.escape(phrase) for phrase in anywhere),
        *(rf"^\s*{re.escape(phrase)}" for phrase in beginnings),
        *(rf"{re.escape(phrase)}\s*$" for phrase in endings),
    ]
    for pattern in patterns:
        has_phrase = pc.match_substring_regex(lines, f"(?i){pattern}")
        mask = pa.array(has_phrase.to_numpy(zero_copy_only=False) & is_short)
        if mask.true_count:
            cut = pc.replace_substring_regex(lines.filter(mask), f"(?i){pattern}", "")
            lines = pc.replace_with_mask(lines, mask, cut)
    return lines

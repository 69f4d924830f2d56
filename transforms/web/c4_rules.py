"""C4's rules for web pages: which lines are natural language, and which pages have enough of it.

The rules of C4 (arXiv 1910.10683) run in the order of its published code (``c4_utils.py`` of
TensorFlow Datasets). Each line of a page goes through them, and the first rule that refuses the
page drops it. C4 also identifies the language and deduplicates lines over the corpus. These are
steps of their own here (``identify_language``, ``deduplicate_lines``).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from transforms.documents import (
    FilePath,
    checked_by,
    drop,
    text_buffers,
    texts_from_buffers,
    with_column,
)
from transforms.kernels.characters import (
    DIGIT,
    LINE_BREAK,
    SPACE,
    character_at,
    character_classes,
    count_words,
    ends_with_any,
    has_at,
)
from transforms.kernels.codepoints import stripped
from transforms.kernels.phrases import PhraseScanner, make_scanner, scan
from transforms.kernels.sentences import count_sentences
from transforms.web.text_lists import check_list, read_list

_LOREM_IPSUM, _JAVASCRIPT, _POLICY, _BAD_WORD, _CURLY_BRACKET = 1, 2, 4, 8, 16

_REASONS = (
    "c4_page_too_long",
    "c4_lorem_ipsum",
    "c4_curly_bracket",
    "c4_bad_word",
    "c4_no_line_left",
    "c4_few_sentences",
)
_PAGE_TOO_LONG, _HAS_LOREM_IPSUM, _HAS_CURLY_BRACKET, _HAS_BAD_WORD, _NO_LINE, _FEW_SENTENCES = (
    range(1, 7)
)

_UNLIMITED = 1 << 62
_CITATIONS = tuple(np.frombuffer(text, np.uint8) for text in (b"edit]", b"citation needed]"))


class _LineRules(NamedTuple):
    """The parameters of the rules, for the kernel. Endings are buffers of a string column."""

    max_word_chars: int
    strip_citations: bool
    end_marks: npt.NDArray[np.uint8]
    end_mark_offsets: npt.NDArray[np.int64]
    refused_ends: npt.NDArray[np.uint8]
    refused_end_offsets: npt.NDArray[np.int64]
    min_words: int
    drops_curly_brackets: bool
    min_sentences: int  # of the page


class _Line(NamedTuple):
    """A line of a page, without the white space at its edges."""

    start: int
    end: int
    next_start: int  # where the following line begins
    words: int
    longest_word: int  # in characters
    has_bracket: bool
    has_curly_bracket: bool


def check_c4_rules(*, bad_words: FilePath | None, **_: object) -> None:
    """Raise ValueError where ``bad_words`` is no list of words."""
    if bad_words is not None:
        check_list(bad_words)


@checked_by(check_c4_rules)
def apply_c4_rules(
    batch: pa.RecordBatch,
    *,
    max_page_chars: int | None,
    max_word_chars: int | None,
    strip_citations: bool,
    line_end_marks: list[str],
    refused_line_ends: list[str],
    min_line_words: int | None,
    drop_lorem_ipsum: bool,
    drop_javascript_lines: bool,
    drop_curly_brackets: bool,
    policy_phrases: list[str],
    bad_words: FilePath | None,
    min_sentences: int | None,
) -> pa.RecordBatch:
    """Take lines out of pages, and drop pages, by C4's rules.

    Null, false or an empty list switches a rule off. A page of more than ``max_page_chars``
    characters is dropped (``c4_page_too_long``). The lines of a page are those of
    ``str.splitlines``, stripped. Each line is checked in this order:

    - it has a word of more than ``max_word_chars`` characters: the line is removed;
    - citation marks (``[1]``, ``[]``, ``[edit]``, ``[citation needed]``) are taken out of it;
    - it ends in none of ``line_end_marks`` or in one of ``refused_line_ends``: the line is removed;
    - it has fewer than ``min_line_words`` words: the line is removed;
    - it has "lorem ipsum": the page is dropped (``c4_lorem_ipsum``);
    - it has "javascript": the line is removed;
    - it has an opening curly bracket: the page is dropped (``c4_curly_bracket``);
    - it has one of ``policy_phrases``: the line is removed;
    - it has a whole word, or phrase, of the list ``bad_words``: the page is dropped
      (``c4_bad_word``).

    A page without lines left is dropped (``c4_no_line_left``), and so is one whose lines have fewer
    than ``min_sentences`` sentences in all (``c4_few_sentences``). The remaining lines are joined
    by newlines, and the page is stripped. Words are divided by white space, phrases match in any
    case of letters, and sentences are those of
    :func:`transforms.kernels.sentences.count_sentences`. Raises ValueError where ``bad_words``
    is not a list, or is empty.
    """
    texts = batch["text"]
    rules = _LineRules(
        _UNLIMITED if max_word_chars is None else max_word_chars,
        strip_citations,
        *text_buffers(pa.array(line_end_marks, pa.string())),
        *text_buffers(pa.array(refused_line_ends, pa.string())),
        min_line_words or 0,
        drop_curly_brackets,
        min_sentences or 0,
    )
    scanner = _scanner(drop_lorem_ipsum, drop_javascript_lines, tuple(policy_phrases), bad_words)
    reasons = np.zeros(len(texts), np.uint8)
    if max_page_chars is not None:
        reasons[pc.utf8_length(texts).to_numpy() > max_page_chars] = _PAGE_TOO_LONG
    data, offsets = text_buffers(texts)
    out = np.empty(offsets[-1] - offsets[0], np.uint8)
    out_offsets = _apply(rules, scanner, character_classes(), data, offsets, reasons, out)
    batch = with_column(batch, "text", texts_from_buffers(out[: out_offsets[-1]], out_offsets))
    for number, reason in enumerate(_REASONS, 1):
        batch = drop(batch, reasons == number, reason)
    return batch


@cache
def _scanner(
    lorem_ipsum: bool, javascript: bool, policy_phrases: tuple[str, ...], bad_words: str | None
) -> PhraseScanner:
    """Make the scanner of all phrases, once a process. Raises ValueError for a bad word list."""
    parts = {
        _LOREM_IPSUM: ["lorem ipsum"] if lorem_ipsum else [],
        _JAVASCRIPT: ["javascript"] if javascript else [],
        _POLICY: policy_phrases,
    }
    words = read_list(bad_words).to_pylist() if bad_words else []
    return make_scanner(parts, (_BAD_WORD, words))


@njit(cache=True, nogil=True)
def _apply(rules, scanner, classes, data, offsets, reasons, out):  # type: ignore[no-untyped-def]
    """Write the remaining text of every page to ``out``; return the offsets of the pages there.

    The number of the reason for dropping a page is written to ``reasons``. Dropped pages, and pages
    that already have a reason, are written unchanged.
    """
    spaces = classes[:0x3001] & SPACE
    out_offsets = np.zeros(offsets.size, np.int64)
    at = 0
    for t in range(offsets.size - 1):
        page_start = at
        if reasons[t] == 0:
            reasons[t], at = _clean_page(
                rules, scanner, classes, spaces, data, offsets[t], offsets[t + 1], out, at
            )
        if reasons[t] != 0:
            length = offsets[t + 1] - offsets[t]
            out[page_start : page_start + length] = data[offsets[t] : offsets[t + 1]]
            at = page_start + length
        out_offsets[t + 1] = at
    return out_offsets


@njit(cache=True, nogil=True)
def _clean_page(rules, scanner, classes, spaces, data, start, end, out, at):  # type: ignore[no-untyped-def]
    """Write a page's remaining lines from ``out[at]`` on.

    Returns the number of the reason for dropping the page, 0 for none, and the end of the text in
    ``out``.
    """
    page_start = at
    lines = sentences = 0
    while start < end:
        line = _next_line(classes, data, start, end)
        start = line.next_start
        if line.longest_word > rules.max_word_chars:
            continue
        first = at + (lines > 0)  # after a newline
        last = first + line.end - line.start
        words = line.words
        if line.has_bracket and rules.strip_citations:
            last = _copy_without_citations(classes, data, line.start, line.end, out, first)
            words = count_words(classes, out, first, last)
        else:
            out[first:last] = data[line.start : line.end]
        if rules.end_mark_offsets.size > 1 and not ends_with_any(
            out, first, last, rules.end_marks, rules.end_mark_offsets
        ):
            continue
        if words < rules.min_words or ends_with_any(
            out, first, last, rules.refused_ends, rules.refused_end_offsets
        ):
            continue
        kinds = scan(scanner, classes, out, first, last)
        if kinds & _LOREM_IPSUM:
            return _HAS_LOREM_IPSUM, at
        if kinds & _JAVASCRIPT:
            continue
        if rules.drops_curly_brackets and line.has_curly_bracket:
            return _HAS_CURLY_BRACKET, at
        if kinds & _POLICY:
            continue
        if kinds & _BAD_WORD:
            return _HAS_BAD_WORD, at
        sentences += count_sentences(classes, out, first, last, rules.min_sentences - sentences)
        if lines > 0:
            out[at] = 10
        at = last
        lines += 1
    first, last = stripped(spaces, out, page_start, at)
    if first == last:
        return _NO_LINE, at
    if sentences < rules.min_sentences:
        return _FEW_SENTENCES, at
    for i in range(last - first):
        out[page_start + i] = out[first + i]
    return 0, page_start + last - first


@njit(cache=True, nogil=True)
def _next_line(classes, data, i, end):  # type: ignore[no-untyped-def]
    """Measure the line that begins at ``i``: edges without white space, words, brackets."""
    line_start = line_end = i
    words = word_chars = longest_word = 0
    has_bracket = has_curly_bracket = False
    while i < end:
        point, length = character_at(data, i)
        i += length
        kind = classes[point]
        if kind & SPACE:
            word_chars = 0
            if kind & LINE_BREAK:
                if point == 13 and i < end and data[i] == 10:
                    i += 1
                break
            continue
        if word_chars == 0:
            if words == 0:
                line_start = i - length
            words += 1
        line_end = i
        word_chars += 1
        longest_word = max(longest_word, word_chars)
        has_bracket |= point == 0x5B
        has_curly_bracket |= point == 0x7B
    if words == 0:
        line_start = line_end
    return _Line(line_start, line_end, i, words, longest_word, has_bracket, has_curly_bracket)


@njit(cache=True, nogil=True)
def _copy_without_citations(classes, data, i, end, out, at):  # type: ignore[no-untyped-def]
    """Copy ``data[i:end]`` to ``out[at]`` without citation marks; return the end of the copy."""
    while i < end:
        if data[i] == 0x5B:
            citation_end = _citation_end(classes, data, i + 1, end)
            if citation_end > 0:
                i = citation_end
                continue
        out[at] = data[i]
        at += 1
        i += 1
    return at


@njit(cache=True, nogil=True)
def _citation_end(classes, data, i, end):  # type: ignore[no-untyped-def]
    """Return the end of the citation mark whose opening bracket is before ``i``, or 0 for none."""
    for name in _CITATIONS:
        if i + name.size <= end and has_at(data, i, name, 0, name.size):
            return i + name.size
    while i < end and data[i] != 0x5D:
        point, length = character_at(data, i)
        if not classes[point] & DIGIT:
            return 0
        i += length
    return i + 1 if i < end else 0

"""Cleaning of LaTeX sources, as LLaMA (arXiv 2302.13971) does with arXiv's papers.

The text stays LaTeX. Comments go, the authors' macros are expanded where they are called, and what
is no prose of the paper is cut: what comes before the first section, and the bibliography.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from transforms.documents import checked_by, drop, with_column
from transforms.latex.cut import body_of_paper
from transforms.latex.macros import expanded
from transforms.latex.scan import Scan, Span

_CONTROL_WORD_END = re.compile(r"\\[A-Za-z@]+\*?\Z")
# Ends of a line behind which TeX skips spaces, or where a space makes no difference.
_NEWLINE_MAY_STAY = re.compile(r"(?:\\[A-Za-z@]+\*?|\\\\|&|\\(?:begin|end)\{[^{}\n]{0,60}\})\Z")
_LINE_END_CHARS = 80
_BLANKS = re.compile(r"[ \t]*")
_BLANK_LINE_REST = re.compile(r"[ \t]*(?:\n|\Z)")


def remove_latex_comments(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Remove comments, ``comment`` environments and ``\\iffalse`` branches from LaTeX sources.

    What is left reads for TeX as before: a line that holds only a comment goes whole, and at the
    end of a line a comment takes the newline along where TeX would see no space there. Escaped
    percent signs and those in verbatim text and addresses stay. Documents without anything else are
    dropped as ``empty``.
    """
    return _changed(batch, without_comments)


def check_expand_macros(*, max_expansions: int, max_growth: float) -> None:
    """Raise ValueError for limits that leave a text no room."""
    if max_expansions < 0:
        raise ValueError(f"max_expansions: expected 0 or more, found {max_expansions}")
    if max_growth < 1:
        raise ValueError(f"max_growth: expected at least 1, found {max_growth}")


@checked_by(check_expand_macros)
def expand_macros(
    batch: pa.RecordBatch, *, max_expansions: int, max_growth: float
) -> pa.RecordBatch:
    """Expand the macros and environments that LaTeX sources define, and remove the definitions.

    A call that takes more than ``max_expansions`` expansions, or makes the text longer than
    ``max_growth`` times the document's length, is left as it is; so are calls of macros that
    packages define, and of those that program TeX in ways beyond :mod:`transforms.latex.macros`.
    """
    check_expand_macros(max_expansions=max_expansions, max_growth=max_growth)
    return _changed(
        batch, lambda text: expanded(text, max_expansions=max_expansions, max_growth=max_growth)
    )


def cut_latex(
    batch: pa.RecordBatch, *, keep_title_and_abstract: bool, drop_appendix: bool
) -> pa.RecordBatch:
    """Cut what is before the first section of LaTeX papers, the bibliography and what is behind.

    See :func:`transforms.latex.cut.body_of_paper`.
    """
    return _changed(
        batch,
        lambda text: body_of_paper(
            text, keep_title_and_abstract=keep_title_and_abstract, drop_appendix=drop_appendix
        ),
    )


def _changed(batch: pa.RecordBatch, change: Callable[[str], str]) -> pa.RecordBatch:
    texts = [change(text) for text in batch["text"].to_pylist()]
    empty = np.array([not text or text.isspace() for text in texts], dtype=np.bool_)
    return drop(with_column(batch, "text", texts), empty, "empty")


def without_comments(text: str) -> str:
    """Return a LaTeX source without its comments; see :func:`remove_latex_comments`."""
    kept: list[str] = []
    at = 0  # of what is not decided yet
    joined = False  # the line at hand goes on that of a comment before it
    for span in Scan(text).spans:
        if span.kind == "verbatim":
            continue
        line_start = max(text.rfind("\n", at, span.start) + 1, at)
        before = text[line_start : span.start]
        begins_line = line_start > at or at == 0 or (text[at - 1] == "\n" and not joined)
        if span.kind != "comment":
            at = _cut_span(text, kept, at, span, whole_lines=begins_line and not before.strip())
            joined = False
            continue
        end = min(span.end + 1, len(text))
        if not before.strip(" \t") and (begins_line or (joined and line_start == at)):
            if not joined or begins_line:
                kept.append(text[at:line_start])
                at, joined = end, False
            else:
                at = _blanks_end(text, end)
            continue
        at, joined = _cut_inline(text, kept, text[at : span.start], end)
    kept.append(text[at:])
    return "".join(kept)


def _cut_span(text: str, kept: list[str], at: int, span: Span, *, whole_lines: bool) -> int:
    """Cut an environment or a branch, with the lines that would be left blank."""
    rest = _BLANK_LINE_REST.match(text, span.end)
    if whole_lines and rest:
        kept.append(text[at : span.start].rstrip(" \t"))
        return rest.end()
    kept.append(text[at : span.start])
    if span.kind == "false":
        return _blanks_end(text, span.end)
    return span.end


def _cut_inline(text: str, kept: list[str], before: str, end: int) -> tuple[int, bool]:
    """Cut a comment behind text; ``end`` is behind its newline. Tells where to go on and if joined.

    TeX reads no newline there, and skips the blanks at the beginning of the next line, but reads a
    blank line as the end of the paragraph all the same.
    """
    stripped = before.rstrip(" \t")
    if stripped != before:
        # A space behind a backslash is a command.
        escaped = (len(stripped) - len(stripped.rstrip("\\"))) % 2
        kept.append(stripped + " " * escaped + "\n")
        return end, False
    kept.append(before)
    next_line = _blanks_end(text, end)
    if next_line >= len(text):
        return end, False
    if text[next_line] == "\n" or _NEWLINE_MAY_STAY.search(before[-_LINE_END_CHARS:]):
        kept.append("\n")
        return end, False
    return next_line, True


def _blanks_end(text: str, at: int) -> int:
    blanks = _BLANKS.match(text, at)
    assert blanks is not None
    return blanks.end()

"""Cleaning of LaTeX sources, as LLaMA (arXiv 2302.13971) does with arXiv's papers.

The text stays LaTeX. Comments are removed, the authors' macros are expanded where they are called,
and everything before the first section and the bibliography are cut.
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

# Ends of a line after which TeX skips spaces, or where a space makes no difference.
_NEWLINE_MAY_STAY = re.compile(r"(?:\\[A-Za-z@]+\*?|\\\\|&|\\(?:begin|end)\{[^{}\n]{0,60}\})\Z")
_LINE_END_CHARS = 80
_BLANKS = re.compile(r"[ \t]*")
_BLANK_LINE_REST = re.compile(r"[ \t]*(?:\n|\Z)")


def remove_latex_comments(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Remove comments, ``comment`` environments and ``\\iffalse`` branches from LaTeX sources.

    TeX reads the rest as before. A line that holds only a comment is removed whole. A comment at
    the end of a line is removed with the newline where TeX would see no space there. Percent signs
    that are escaped or stand in verbatim text or urls stay. Documents without any other text are
    dropped as ``empty``.
    """
    return _changed(batch, without_comments)


def check_expand_macros(*, max_expansions: int, max_growth: float) -> None:
    """Raise ValueError for negative ``max_expansions``, and for ``max_growth`` below 1."""
    if max_expansions < 0:
        raise ValueError(f"max_expansions: expected 0 or more, found {max_expansions}")
    if max_growth < 1:
        raise ValueError(f"max_growth: expected at least 1, found {max_growth}")


@checked_by(check_expand_macros)
def expand_macros(
    batch: pa.RecordBatch, *, max_expansions: int, max_growth: float
) -> pa.RecordBatch:
    """Expand the macros and environments that LaTeX sources define, and remove the definitions.

    A call that takes more than ``max_expansions`` expansions, or that makes the text longer than
    ``max_growth`` times the document's length, is left as it is. Calls of macros that packages
    define stay, too, and calls of macros that program TeX in ways that
    :mod:`transforms.latex.macros` does not cover.
    """
    check_expand_macros(max_expansions=max_expansions, max_growth=max_growth)
    return _changed(
        batch, lambda text: expanded(text, max_expansions=max_expansions, max_growth=max_growth)
    )


def cut_latex(
    batch: pa.RecordBatch, *, keep_title_and_abstract: bool, drop_appendix: bool
) -> pa.RecordBatch:
    """Cut LaTeX papers to their body: from the first section on, without the bibliography.

    Title and abstract stay with ``keep_title_and_abstract``. With ``drop_appendix`` the body ends
    at the appendix. See :func:`transforms.latex.cut.body_of_paper`.
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
    at = 0  # all text before this position is done
    joined = False  # whether a removed comment joined the current line to the one before it
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
    """Cut an environment or a branch, with the lines that would be left blank.

    Appends the text before it to ``kept``, and returns the position to continue at.
    """
    rest = _BLANK_LINE_REST.match(text, span.end)
    if whole_lines and rest:
        kept.append(text[at : span.start].rstrip(" \t"))
        return rest.end()
    kept.append(text[at : span.start])
    if span.kind == "false":
        return _blanks_end(text, span.end)
    return span.end


def _cut_inline(text: str, kept: list[str], before: str, end: int) -> tuple[int, bool]:
    """Cut a comment that follows text on its line. ``end`` is the position after its newline.

    Returns the position to continue at, and whether the next line was joined to this one. TeX reads
    no newline after a comment, and skips blanks at the beginning of the next line. But it reads a
    blank next line as the end of the paragraph.
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

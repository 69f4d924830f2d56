"""Removal of licence and copyright notices from the comments at the beginning of files of code.

LLaMA (arXiv 2302.13971): "we removed boilerplate, such as headers, with regular expressions". Here
the comments before the first code are divided into paragraphs. Paragraphs that are notices are
removed. Other comments stay, and so do lines for programs (shebang, encoding, modes of editors).
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from transforms.code.languages import CommentStyle, comment_style
from transforms.documents import drop, with_column

MAX_HEADER_CHARS = 1 << 16
"""Longest part of a file that is searched for comments, in characters from its beginning."""

_HINT = re.compile(
    r"copy|licen[sc]e|\(c\)|©|spdx|rights|public|warrant|redistribut|permission|free|software",
    re.IGNORECASE,
)
"""Pattern that every notice matches. Comments without a match are not looked at further."""

_NOTICE_LINE = re.compile(
    r"""\bcopyright(?:ed)?\b\W{0,3}(?:\(c\)|©|&copy;|(?:19|20)\d\d)
    | ^\W*(?:portions\s+|modifications\s+|some\s+parts?\s+)?copyright\b
      (?!\s+(?:holders?|owners?|laws?|checks?|headers?|information|statements?)\b)
    | (?:\(c\)|©|&copy;)\s*(?:copyright|(?:19|20)\d\d)
    | ^\W*(?:\(c\)|©|&copy;)\s+\w
    | ^\W*@?(?:copyright|licen[sc]e)\s*: | ^@licen[sc]e\b
    | \ball\s+rights\s+reserved\b
    | \bspdx-(?:licen[sc]e-identifier|filecopyrighttext|filecontributor)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Pattern of a line that is a notice by itself."""

_NOTICE_TEXT = re.compile(
    r"""\b(?:
      (?:dual[-\ ])?licen[sc]ed\s+(?:under|to\s+(?:the|you)|as)\b
    | under\s+(?:the\s+|an?\s+)?(?:same\s+)?(?:terms|conditions)\b
    | under\s+(?:the\s+|an?\s+)?[-\w\ ,.&()"']{0,60}\blicen[sc]e\b
    | (?:terms|conditions)\s+of\s+(?:the|this|an?)\s+[^.]{0,80}licen[sc]e
    | governed\s+by\s+[^.]{0,60}licen[sc]e
    | in\s+compliance\s+with\s+the\s+licen[sc]e
    | you\s+may\s+(?:not\s+use\s+this\s+(?:file|work)|obtain\s+a\s+copy\s+of\s+the\s+licen[sc]e)
    | unless\s+required\s+by\s+applicable\s+law
    | limitations\s+under\s+the\s+licen[sc]e
    | permission\s+(?:is\s+hereby\s+granted|to\s+use,?\s+copy)
    | redistributions?\s+(?:and\s+use\s+)?(?:of|in)\s+(?:source|binary)
    | (?:provided|distributed|licensed)\s[^.]{0,60}\bas[-\ ]is\b
    | without\s+(?:any\s+|even\s+the\s+implied\s+)?warrant(?:y|ies)
    | in\s+no\s+event\s+(?:shall|will)
    | neither\s+the\s+names?
    | above\s+copyright\s+notice
    | origin\s+of\s+this\s+software | altered\s+source\s+versions
    | copyright\s+notices\s+in\s+the\s+software
    | views\s+and\s+conclusions\s+contained\s+in
    | (?:is|are)\s+free\s+software\b
    | gnu\s+(?:\w+\s+)?general\s+public\s+licen[sc]e
    | (?:the\s+)?(?:accompanying\s+|associated\s+)?(?:see|in|with|read)\s+(?:the\s+)?(?:\w+\s+)?
      \W{0,2}(?-i:LICEN[SC]E|COPYING)\b
    | (?:in|into|to)\s+the\s+public\s+domain
    | public\s+domain\s+software
    )
    | ^\W*(?:the\s+)?(?:mit|x11|isc|bsd|apache|boost\s+software|zlib|at&t\s+public)\s+licen[sc]e
    | apache\.org/licenses | opensource\.org/licenses | gnu\.org/licenses | mozilla\.org/MPL
    | creativecommons\.org/(?:licenses|publicdomain)""",
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
"""Pattern of the words of a licence. They may run over several lines."""

_CONDITION = re.compile(r"\W*(?:\d{1,2}|[a-zA-Z])[.)]\s")
"""Pattern of the begin of a licence's condition in a list of conditions."""

_FOR_PROGRAMS = re.compile(
    r"#!|.*(?:-\*-.*-\*-|\bcoding[:=]\s*[-\w.]+|\bvim?:\s*(?:set?\b|\w+=)|\bemacs\b.*:)"
    r"|<\?(?:php|xml|hh)\b|<!doctype\b|@charset\b|\s*['\"]use strict['\"];?\s*$|@echo off\s*$"
    r"|#\s*include\b|#\s*(?:pragma\s+once|ifndef\s+\w+|define\s+\w+)\s*$|package\s+[\w.]+;?\s*$|---\s*$",
    re.IGNORECASE,
)
_DECORATION = " \t\r\n\f\v\ufeff*#/;%!~|\\-=_+^"
_SENTENCE_END = re.compile(r"[.!][)\"'>]*$")


class _Line(NamedTuple):
    """A line of a comment, and the part of the text that is removed if it belongs to a notice.

    The part is the line with its newline, but without the marks around a block comment.
    """

    begin: int
    end: int
    content: str  # the line without marks of comments


class _Unit(NamedTuple):
    """A comment: a block of several lines, or consecutive comments of one line."""

    begin: int
    end: int
    lines: list[_Line]
    is_block: bool


def strip_licence_header(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Remove licence and copyright notices at the beginning of files of code.

    The metadata's ``path`` tells the language, and so the marks of comments. Documents without any
    other text are dropped as ``only_licence_header``.
    """
    paths = [json.loads(text or "{}").get("path") or "" for text in batch["metadata"].to_pylist()]
    texts = batch["text"].to_pylist()
    stripped = [without_licence_header(*pair) for pair in zip(texts, paths, strict=True)]
    if stripped == texts:
        return batch
    empty = np.fromiter((not text or text.isspace() for text in stripped), np.bool_)
    return drop(with_column(batch, "text", stripped), empty, "only_licence_header")


def without_licence_header(text: str, path: str) -> str:
    """Return ``text``, the content of the file ``path``, without the notices at its beginning."""
    kept = ""
    at = done = 0
    style = comment_style(path, text[:2])
    while at < min(len(text), MAX_HEADER_CHARS):
        end = _line_end(text, at)
        line = text[at:end]
        if not line.strip() or _is_for_programs(line, style):
            at = end
            continue
        unit = _unit(text, at, style)
        if unit is None:
            break
        at = unit.end
        if not _HINT.search(text, unit.begin, unit.end):
            continue
        for begin, removed_end in _removed(unit):
            kept += text[done:begin]
            done = removed_end
            if (begin, removed_end) == (unit.begin, unit.end) and _ends_blank(kept):
                done = at = _skip_blank_lines(text, at)
    return kept + text[done:]


def _line_end(text: str, at: int) -> int:
    return text.find("\n", at) + 1 or len(text)


def _ends_blank(text: str) -> bool:
    lines = text.splitlines()
    return not lines or not lines[-1].strip()


def _skip_blank_lines(text: str, at: int) -> int:
    while at < len(text):
        end = _line_end(text, at)
        if text[at:end].strip():
            break
        at = end
    return at


def _is_for_programs(line: str, style: CommentStyle) -> bool:
    """Tell whether a line is for programs: it stays, and a notice may follow it.

    A mode line that begins a block comment of several lines is none.
    """
    if not _FOR_PROGRAMS.match(line):
        return False
    for begin, end in style.block:
        if line.lstrip().startswith(begin) and end not in line[len(begin) :]:
            return False
    return True


def _unit(text: str, at: int, style: CommentStyle) -> _Unit | None:
    """Return the comment that begins in the line at ``at``, None where the line is code."""
    lines: list[_Line] = []
    begin = at
    while block := _block(text, at, style):
        if block.is_block:
            if lines:
                break
            return block
        content = block.lines[0].content if block.lines else ""
        lines.append(_Line(block.begin, block.end, content))
        at = block.end
        if text[at - 1] != "\n":
            break
    return _Unit(begin, at, lines, is_block=False) if lines else _line_comments(text, begin, style)


def _block(text: str, at: int, style: CommentStyle) -> _Unit | None:
    """Return the comment between a pair of marks that begins in the line at ``at``."""
    first = text[at : _line_end(text, at)]
    begin = at + len(first) - len(first.lstrip(" \t"))
    for mark, end_mark in style.block:
        inner = begin + len(mark)
        close = text.find(end_mark, inner, MAX_HEADER_CHARS) if text.startswith(mark, begin) else -1
        if close < 0:
            continue
        lines: list[_Line] = []
        while inner < close:
            line_end = _line_end(text, inner)
            stop = min(line_end, close)
            if not lines and stop == line_end:
                # The newline stays, so that the opening mark keeps its line.
                stop = inner + len(text[inner:line_end].rstrip("\r\n"))
            lines.append(_Line(inner, stop, text[inner:stop].strip(_DECORATION)))
            inner = line_end
        end = close + len(end_mark)
        line_end = _line_end(text, end)
        end = end if text[end:line_end].strip(" \t\r\n;") else line_end
        return _Unit(at, end, lines, is_block="\n" in text[begin:close])
    return None


def _line_comments(text: str, at: int, style: CommentStyle) -> _Unit | None:
    """Return the consecutive one-line comments that begin in the line at ``at``."""
    begin, lines = at, []
    while at < len(text):
        end = _line_end(text, at)
        line = text[at:end]
        mark = next((mark for mark in style.line if line.lstrip(" \t").startswith(mark)), None)
        if mark is None or _is_for_programs(line, style):
            break
        content = line.lstrip(" \t")[len(mark) :]
        lines.append(_Line(at, end, content.strip(_DECORATION)))
        at = end
    return _Unit(begin, at, lines, is_block=False) if lines else None


def _removed(unit: _Unit) -> list[tuple[int, int]]:
    """Return the parts of a comment that are notices, as character offsets of the text."""
    contents = [line.content for line in unit.lines]
    notice = _notice_lines(contents)
    if not any(notice):
        return []
    rest = (content for content, is_notice in zip(contents, notice, strict=True) if not is_notice)
    if not any(re.search(r"\w", content) for content in rest):
        return [(unit.begin, unit.end)]
    removed = []
    for first, last in _runs(contents, notice):
        for i in range(first, last):
            if contents[i] or not (unit.is_block and i in (0, len(contents) - 1)):
                removed.append((unit.lines[i].begin, unit.lines[i].end))
    return removed


def _runs(contents: list[str], notice: list[bool]) -> list[tuple[int, int]]:
    """Return the runs of lines to remove: notices, and empty lines that would be left double."""
    runs = []
    at = 0
    while at < len(contents):
        if not notice[at]:
            at += 1
            continue
        begin = end = at
        while at < len(contents) and (notice[at] or not contents[at]):
            end = at + 1 if notice[at] else end
            at += 1
        if at == len(contents):
            while begin > 0 and not contents[begin - 1]:
                begin -= 1
        elif begin == 0 or not contents[begin - 1]:
            end = at
        runs.append((begin, end))
    return runs


def _notice_lines(contents: list[str]) -> list[bool]:
    """Tell which lines of a comment belong to notices.

    Lines of copyright are decided one by one. In a paragraph with words of a licence, the lines
    from the first of these words to the end of the sentence with the last one belong to the notice.
    So do the numbered paragraphs that follow.
    """
    notice = [bool(_NOTICE_LINE.search(content)) for content in contents]
    for i in range(1, len(contents)):
        names_go_on = contents[i - 1].endswith((",", " and")) or contents[i].startswith("and ")
        notice[i] = notice[i] or (notice[i - 1] and names_go_on and bool(contents[i]))
    text_before = False  # whether the previous paragraph has words of a licence
    begin = 0
    while begin < len(contents):
        end = begin
        while end < len(contents) and contents[end]:
            end += 1
        text = "\n".join(contents[begin:end])
        matches = list(_NOTICE_TEXT.finditer(text))
        for i in _sentence_lines(contents, matches, begin, end):
            notice[i] = True
        is_condition = text_before and not matches and bool(_CONDITION.match(text))
        notice[begin:end] = [is_line or is_condition for is_line in notice[begin:end]]
        text_before = bool(matches) or is_condition or (text_before and begin == end)
        begin = end + 1
    return notice


def _sentence_lines(
    contents: list[str], matches: list[re.Match[str]], begin: int, end: int
) -> range:
    """Return the lines from a paragraph's first match to the end of the last match's sentence."""
    if not matches:
        return range(0)
    first, last = matches[0], matches[-1]
    last_line = begin + last.string[: last.end()].count("\n")
    while last_line < end - 1 and not _SENTENCE_END.search(contents[last_line]):
        last_line += 1
    return range(begin + first.string[: first.start()].count("\n"), last_line + 1)

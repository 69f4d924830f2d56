"""Licence and copyright notices in the comments that files of code begin with.

LLaMA (arXiv 2302.13971): "we removed boilerplate, such as headers, with regular expressions". Here
the comments ahead of the first code are cut into paragraphs, and the paragraphs that are notices
go; other comments stay, and so do lines that programs read (shebang, encoding, modes of editors).
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
"""How far comments at the beginning of a file are looked at."""

_HINT = re.compile(
    r"copy|licen[sc]e|\(c\)|©|spdx|rights|public|warrant|redistribut|permission|free|software",
    re.IGNORECASE,
)
"""Some word of every notice, to pass over most comments at once."""

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
"""A line of a notice by itself."""

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
"""Words of a licence: its sentence may go on over lines."""

_CONDITION = re.compile(r"\W*(?:\d{1,2}|[a-zA-Z])[.)]\s")
"""How a condition begins, in a list."""

_FOR_PROGRAMS = re.compile(
    r"#!|.*(?:-\*-.*-\*-|\bcoding[:=]\s*[-\w.]+|\bvim?:\s*(?:set?\b|\w+=)|\bemacs\b.*:)"
    r"|<\?(?:php|xml|hh)\b|<!doctype\b|@charset\b|\s*['\"]use strict['\"];?\s*$|@echo off\s*$"
    r"|#\s*include\b|#\s*(?:pragma\s+once|ifndef\s+\w+|define\s+\w+)\s*$|package\s+[\w.]+;?\s*$|---\s*$",
    re.IGNORECASE,
)
_DECORATION = " \t\r\n\f\v\ufeff*#/;%!~|\\-=_+^"
_SENTENCE_END = re.compile(r"[.!][)\"'>]*$")


class _Line(NamedTuple):
    begin: int  # of what goes with a notice: of a block's first line, what is behind its mark
    end: int  # of what goes: the line with its newline, or what is ahead of the block's last mark
    content: str  # without the marks of the comment


class _Unit(NamedTuple):
    """A comment: a block, or lines of comments one after the other."""

    begin: int
    end: int
    lines: list[_Line]
    is_block: bool


def strip_licence_header(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Remove the licence and copyright notices that files begin with.

    Comments are told by the language of the metadata's ``path``. Documents of which nothing is left
    are dropped as ``only_licence_header``.
    """
    paths = [json.loads(text or "{}").get("path") or "" for text in batch["metadata"].to_pylist()]
    texts = batch["text"].to_pylist()
    stripped = [without_licence_header(*pair) for pair in zip(texts, paths, strict=True)]
    if stripped == texts:
        return batch
    empty = np.fromiter((not text or text.isspace() for text in stripped), np.bool_)
    return drop(with_column(batch, "text", stripped), empty, "only_licence_header")


def without_licence_header(text: str, path: str) -> str:
    """Return ``text``, the content of the file ``path``, without the notices it begins with."""
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
                done = at = _behind_blank_lines(text, at)
    return kept + text[done:]


def _line_end(text: str, at: int) -> int:
    return text.find("\n", at) + 1 or len(text)


def _ends_blank(text: str) -> bool:
    lines = text.splitlines()
    return not lines or not lines[-1].strip()


def _behind_blank_lines(text: str, at: int) -> int:
    while at < len(text):
        end = _line_end(text, at)
        if text[at:end].strip():
            break
        at = end
    return at


def _is_for_programs(line: str, style: CommentStyle) -> bool:
    """Tell lines that stay and after which a notice may stand.

    A mode line inside a block comment that goes on is no such line.
    """
    if not _FOR_PROGRAMS.match(line):
        return False
    for begin, end in style.block:
        if line.lstrip().startswith(begin) and end not in line[len(begin) :]:
            return False
    return True


def _unit(text: str, at: int, style: CommentStyle) -> _Unit | None:
    """Return the comment that begins in the line at ``at``; None where it is code."""
    lines: list[_Line] = []
    begin = at
    while found := _block(text, at, style):
        if found.is_block:
            if lines:
                break
            return found
        content = found.lines[0].content if found.lines else ""
        lines.append(_Line(found.begin, found.end, content))
        at = found.end
        if text[at - 1] != "\n":
            break
    return _Unit(begin, at, lines, is_block=False) if lines else _line_comments(text, begin, style)


def _block(text: str, at: int, style: CommentStyle) -> _Unit | None:
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
                stop = inner + len(text[inner:line_end].rstrip("\r\n"))  # the mark keeps its line
            lines.append(_Line(inner, stop, text[inner:stop].strip(_DECORATION)))
            inner = line_end
        end = close + len(end_mark)
        line_end = _line_end(text, end)
        end = end if text[end:line_end].strip(" \t\r\n;") else line_end
        return _Unit(at, end, lines, is_block="\n" in text[begin:close])
    return None


def _line_comments(text: str, at: int, style: CommentStyle) -> _Unit | None:
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
    """Return the parts of a comment that are notices, as offsets of the text."""
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
    """Return the runs of lines that go: notices, and empty lines that would stand double."""
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

    Lines of copyright go one by one. In a paragraph with words of a licence, the lines from the
    first of them to the end of the last one's sentence go; so do numbered paragraphs behind it.
    """
    notice = [bool(_NOTICE_LINE.search(content)) for content in contents]
    for i in range(1, len(contents)):
        names_go_on = contents[i - 1].endswith((",", " and")) or contents[i].startswith("and ")
        notice[i] = notice[i] or (notice[i - 1] and names_go_on and bool(contents[i]))
    text_before = False  # in the paragraph before
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
    """Return the lines from the first match in a paragraph to the last one's end of sentence."""
    if not matches:
        return range(0)
    first, last = matches[0], matches[-1]
    last_line = begin + last.string[: last.end()].count("\n")
    while last_line < end - 1 and not _SENTENCE_END.search(contents[last_line]):
        last_line += 1
    return range(begin + first.string[: first.start()].count("\n"), last_line + 1)

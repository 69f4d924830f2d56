"""Project Gutenberg's boilerplate around its books: finding, reading and removing it.

The frame of a book is the header before its text and the footer after it. Frames have changed since
1990. Headers ended with the "Small Print" until 2003; since 2001 they end with "*** START OF THE
PROJECT GUTENBERG EBOOK ...". Footers begin with "End of the Project Gutenberg Etext of ..." or
"*** END OF ...". The licence stands in the header or in the footer. Inside the frame stand the
credits of the people who produced the file, and transcribers' notes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from transforms.documents import drop, with_column

MAX_FRAME_CHARS = 40_000
"""Longest header or footer, in characters. A longer stretch counts as text of the book.

The longest licence has about 20,000 characters.
"""

_MAX_MARKER_LINES = 5  # lines that the title in a marker may run over
_MAX_CREDIT_CHARS = 2_500
_MAX_HEADER_PARAGRAPHS = 60  # of a header without a line that ends it
_MAX_CREDITS = 12  # credit paragraphs removed at each end of a book
_MAX_NOTES_CHARS = 20_000  # longest list of a transcriber's changes after the text

_KEYWORDS = ("utenberg", "UTENBERG", "MALL PRINT", "COPYRIGHTED", "ieses Etextes")
_START = re.compile(r"[ \t]*\*{2,}[ ]?START OF (?:TH\w+ )?(?:PROJECT|COPYRIGHTED)\b", re.IGNORECASE)
_SMALL_PRINT_END = re.compile(
    r"[ \t]*\*+[ ]?(?:END[ *]*)(?:THE )?.?SMALL PRINT|[ \t]*\*+[ ]?SMALL PRINT! (?:Ver|for)",
    re.IGNORECASE,
)
_END = re.compile(
    r"[ \t]*\*{2,}[ ]?END OF (?:TH\w+ )?(?:PROJECT|COPYRIGHTED)\b"
    r"|[ \t]*[\W_]{0,12}END OF (?:TH\w+ )?(?:PROJECT GUTENBERG|COPYRIGHTED)"
    r"|[ \t]*[\W_]{0,12}(?:Ende dieses?|Fin d[eu]|Fine d[ei]l?|Einde van dit)"
    r" (?:Proje[ck]t Gutenberg|Etextes)",
    re.IGNORECASE,
)
_NOTES = (
    r"(?:transcriber|transcriptor|redactor|producer|proofreader)(?:'s|’s|s'|s’|s)? (?:end)?notes?"
)
_PRODUCED = (
    r"(?:created|typed|prepared|produced|scanned|transcribed|converted|digiti[sz]ed|keyed|entered"
    r"|proofed|proofread|provided|contributed|submitted|formatted|generated|made available"
    r"|ocr(?:'?e?)d)"
)
_MEDIUM = (
    r"(?:plain )?(?:electronic (?:text|edition|version)|e-?text|e-?book|html|pdf|transcription"
    r"|(?:text|html|pdf|audio|electronic) (?:file|version|edition|conversion)"
    r"|(?:page )?(?:images|scans))"
)
_CREDIT = re.compile(
    r"[\s*_\[(]*(?:"
    + "|".join(
        [
            rf"(?:text (?:and|&) )?(?:(?:this |the )?(?:{_MEDIUM})s?,? (?:(?:and|&) )?){{1,3}}"
            r"(?:(?:was|were|is|are|has been|have been) )?"
            r"(?:first |originally |kindly |generously ){0,2}"
            rf"(?:{_PRODUCED}(?: (?:and|&) {_PRODUCED})? )?(?:for [^\n]{{0,60}} )?by\b",
            r"(?:previous editions? )?produced (?:and \w+ )?(?:by|from)\b",
            r"e-?text (?:was )?(?:prepared|produced|scanned|typed)\b",
            r"(?:this |the )?(?:project gutenberg(?:'s|’s)? )?(?:e-?text|e-?book|edition|file|book)"
            rf" (?:was|is) (?:first |originally )?(?:{_PRODUCED}|posted|updated)\b",
            r"(?:(?:prepared|scanned|typed|transcribed|proofed|proofread|digiti[sz]ed|keyed|ocr'?e?d)"
            r",? (?:and |& )?){1,4}(?:\w+ )?by\b",
            r"(?:transcribed|scanned|digiti[sz]ed|prepared) from\b",
            r"(?:page )?(?:images|scans)\b[^\n]{0,60}(?:made available|provided|courtesy)",
            r".{0,60}online distributed proofread",
            r"(?:the )?project gutenberg(?:'s|’s)? (?:e-?text|e-?book|edition)\b",
            r"(?:most recently|last) updated\b",
            r"credits:",
            r"note: (?:project gutenberg|images of the original)\b",
            rf"{_NOTES}\b",
        ]
    )
    + ")",
    re.IGNORECASE,
)
# Thanks are a credit if they are for the making of the file: a book has its own.
_THANKS = re.compile(
    r"[\s*_\[(]*(?:(?:with )?(?:special |many |our |my |sincere )*thanks\b"
    r"|(?:we|i) (?:would like to )?thank\b"
    r"|the (?:producers?|transcribers?|editors?) (?:of this|thanks?|wish))",
    re.IGNORECASE,
)
_PRODUCTION = re.compile(
    r"\b(?:proof-?(?:read|ing|ed)|scan(?:s|ned|ning)?\b|e-?texts?\b|e-?books?\b|ocr\b|gutenberg"
    r"|html\b|digiti[sz]|transcri(?:b|pt)|electronic (?:text|edition|version)|typing\b)",
    re.IGNORECASE,
)
# Paragraphs of a header, which count where it has no line that ends it.
_HEADER = re.compile(
    r"[\s*_\[(#\"]*(?:"
    r"(?:title|author|editor|translator|illustrator|release date|posting date|edition|language"
    r"|character set encoding|date (?:first|last)[^:\n]{0,20})(?:\(s\))?:"
    r"|(?:first posted|yes, we are|this file|copyright laws are|please (?:read|take a look|do not)"
    r"|this header|we encourage|welcome to the world|e-?(?:texts|books) (?:readable|were)"
    r"|these e-?(?:texts|books)|information (?:on|about)|we need your donations"
    r"|(?:\d+ )?in our series|it must legally|project gutenberg|do not (?:change|remove))\b)",
    re.IGNORECASE,
)
# What stands ahead of the small print where that is behind the text.
_FOOTER = re.compile(
    r"^[ \t*]*(?:START[ *]*THE SMALL PRINT|The Legal Small Print"
    r"|Information about Project Gutenberg"
    r"|Project Gutenberg e-?(?:texts|books) are (?:often|usually) created"
    r"|We are now trying to release|This file should be named|Corrected EDITIONS of our)",
    re.IGNORECASE | re.MULTILINE,
)
_NOTE_HEADING = re.compile(
    rf"^(?:[^\w\n]|_)*{_NOTES}(?: and (?:errata|corrections))?[\W_]*$", re.IGNORECASE | re.MULTILINE
)
_BRACKETED_NOTE = re.compile(rf"\[{_NOTES}\b[^\[\]]{{0,2000}}\]\n?", re.IGNORECASE)
_EMBEDDED_LICENCE = re.compile(r"<<THIS ELECTRONIC VERSION OF [^<>]{0,2000}>>\n?")
_PARAGRAPH_BREAK = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")

_NUMBER = re.compile(r"\[?\b(?:E-?text|E-?book)[ ]?(?:#|No\. ?)[ ]?(\d{1,6})\b", re.IGNORECASE)
_FIELD = re.compile(
    r"^(Title|Author|Language)(?:\(s\))?:[ \t]*(\S[^\n]*(?:\n[ \t]{2,}\S[^\n]*){0,3})", re.MULTILINE
)
_NAME_LINE = re.compile(
    r"^[ \t*]*(?:This is )?(?:The )?Project Gutenberg(?:'s|’s| (?:E-?text|E-?book)(?:,| of| -)?)"
    r" +(?:The Project Gutenberg E\w+ of )?([^\n*]+(?:\n[^\n*\[#]+)??)[*\s]*$",
    re.IGNORECASE | re.MULTILINE,
)


class _Marker(NamedTuple):
    """A line that begins or ends a frame, as character offsets of the text."""

    start: int
    end: int
    kind: str  # "start", "small print", "end"


def strip_gutenberg(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Remove Project Gutenberg's headers, footers, licences, credits and transcribers' notes.

    Line ends become ``\\n`` in every text. A text without Gutenberg's markers is not changed
    otherwise. A document that holds nothing but boilerplate is dropped as ``empty``.
    """
    texts = [without_frame(text) for text in batch["text"].to_pylist()]
    blank = np.array([not text or text.isspace() for text in texts], bool)
    return drop(with_column(batch, "text", pa.array(texts, pa.string())), blank, "empty")


def without_frame(text: str) -> str:
    """Return a Project Gutenberg text without its frame, and any other text as it is.

    A file of several books loses the frame of each. Line ends become ``\\n`` in every text.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    markers = list(_markers(text))
    if not markers:
        return text
    kept = [_without_edges(text[start:end]) for start, end in _framed(text, markers)]
    book = "\n\n\n".join(piece for piece in kept if piece)
    return _EMBEDDED_LICENCE.sub("", _BRACKETED_NOTE.sub("", book)).strip("\n")


def header_fields(text: str) -> dict[str, object]:
    """Read ``title``, ``author``, ``language`` and ``gutenberg_number`` from a Gutenberg header.

    Fields that the header lacks are left out. A text without such a header has no fields.
    """
    head = text[:MAX_FRAME_CHARS].replace("\r\n", "\n").replace("\r", "\n")
    if "Project Gutenberg" not in head:
        return {}
    start = next((marker.end for marker in _markers(head) if marker.kind != "end"), len(head))
    head = head[:start]
    fields: dict[str, object] = {}
    for name, value in _FIELD.findall(head):
        fields.setdefault(name.lower(), " ".join(value.split()))
    if "title" not in fields and (line := _NAME_LINE.search(head)):
        title, _, author = " ".join(line.group(1).split()).partition(", by ")
        fields["title"] = title
        if author and "author" not in fields:
            fields["author"] = author
    if number := _NUMBER.search(head):
        fields["gutenberg_number"] = int(number.group(1))
    return fields


def _markers(text: str) -> Iterator[_Marker]:
    """Yield the lines that begin or end a frame, in the order of the text."""
    lines = set()
    for keyword in _KEYWORDS:
        at = text.find(keyword)
        while at >= 0:
            lines.add(text.rfind("\n", 0, at) + 1)
            at = text.find(keyword, _line_end(text, at))
    for begin in sorted(lines):
        end = _line_end(text, begin)
        if _SMALL_PRINT_END.match(text, begin, end):
            yield _Marker(begin, end, "small print")
        elif _START.match(text, begin, end):
            yield _Marker(begin, _starred_end(text, begin), "start")
        elif _END.match(text, begin, end):
            yield _Marker(begin, _starred_end(text, begin), "end")


def _line_end(text: str, begin: int) -> int:
    end = text.find("\n", begin)
    return len(text) if end < 0 else end


def _starred_end(text: str, begin: int) -> int:
    """Return where a marker ends: at its closing asterisks, which may be some lines further on."""
    first = end = _line_end(text, begin)
    if not text.startswith("*", begin):
        return first
    for _ in range(_MAX_MARKER_LINES):
        line = text[begin:end].rstrip()
        if line.endswith("**"):
            return end
        if end == len(text) or text.startswith("\n", end + 1):
            break
        end = _line_end(text, end + 1)
    return first


def _framed(text: str, markers: list[_Marker]) -> Iterator[tuple[int, int]]:
    """Yield the begin and end of every piece of text that lies between frames."""
    begin = 0
    is_open = True
    has_started = False
    for index, marker in enumerate(markers):
        if is_open and marker.kind == "small print":
            following = markers[index + 1].start if index + 1 < len(markers) else len(text)
            footer = _FOOTER.search(text, begin, marker.start)
            is_footer = has_started or (footer and _has_header(text[begin : footer.start()]))
            if is_footer and not _without_edges(text[marker.end : following]).strip():
                # The small print ends headers until 2001, and footers later.
                yield begin, footer.start() if footer else marker.start
                is_open, begin = False, marker.end
                continue
        # A stretch longer than any frame is text, whatever the markers around it say.
        if (is_open and marker.kind == "end") or marker.start - begin > MAX_FRAME_CHARS:
            yield begin, marker.start
        is_open = marker.kind == "start" or (is_open and marker.kind == "small print")
        has_started = marker.kind == "start"
        begin = marker.end
    if is_open or len(text) - begin > MAX_FRAME_CHARS:
        yield begin, len(text)


def _has_header(piece: str) -> bool:
    """Tell whether text stands behind a header that has fields, such as ``Title:``."""
    head = piece[:MAX_FRAME_CHARS]
    return "Project Gutenberg" in head and _FIELD.search(head) is not None


def _without_edges(piece: str) -> str:
    """Remove credits and notes of the producers from both ends of a book."""
    in_header = "Project Gutenberg" in piece[: _first_paragraph(piece.lstrip("\n"))]
    for _ in range(_MAX_HEADER_PARAGRAPHS if in_header else _MAX_CREDITS):
        piece = piece.strip("\n")
        first = _first_paragraph(piece)
        if not (_is_credit(piece, 0, first) or (in_header and _HEADER.match(piece, 0, first))):
            break
        piece = piece[first:]
    for notes in _NOTE_HEADING.finditer(piece, max(len(piece) - _MAX_NOTES_CHARS, 0)):
        if len(piece) - notes.start() < len(piece) // 5:
            piece = piece[: notes.start()].rstrip(" \t\n-+|*=")
            break
    for _ in range(_MAX_CREDITS):
        piece = piece.rstrip()
        tail = piece[-_MAX_CREDIT_CHARS:]
        breaks = list(_PARAGRAPH_BREAK.finditer(tail))
        begin = len(piece) - len(tail) + breaks[-1].end() if breaks else len(piece)
        if not _is_credit(piece, begin, len(piece)):
            break
        piece = piece[:begin]
    return piece.strip("\n")


def _first_paragraph(piece: str) -> int:
    """Return where the first paragraph ends. A note's heading includes the paragraph below it."""
    first_break = _PARAGRAPH_BREAK.search(piece)
    end = first_break.start() if first_break else len(piece)
    if piece.startswith("[") and piece.find("]", 0, _MAX_CREDIT_CHARS) > end:
        return _line_end(piece, piece.find("]"))
    if first_break and _NOTE_HEADING.fullmatch(piece, 0, end):
        second_break = _PARAGRAPH_BREAK.search(piece, first_break.end())
        end = second_break.start() if second_break else len(piece)
    return end


def _is_credit(piece: str, begin: int, end: int) -> bool:
    if not 0 < end - begin <= _MAX_CREDIT_CHARS:
        return False
    if _CREDIT.match(piece, begin, end):
        return True
    thanks = _THANKS.match(piece, begin, end)
    return thanks is not None and _PRODUCTION.search(piece, begin, end) is not None

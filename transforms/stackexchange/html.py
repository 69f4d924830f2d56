"""Conversion of posts' HTML to plain text. Structure that carries meaning is kept as Markdown.

Stack Exchange makes a post's HTML from Markdown, with a short list of tags. Tags are removed, as in
LLaMA (arXiv 2302.13971), and replaced in this way:

- paragraphs, headings, tables, quotes and lists are set apart by an empty line;
- a code block stands between lines of three backticks, or of more if the code itself has three.
  The code stays byte for byte as the author wrote it, and is never indented. Inline code stands
  between backticks;
- the cells of a table's row stand on one line, with `` | `` between them also where one is empty;
- list items begin with ``- `` or their number, and the lines of a quote with ``> ``;
- white space is collapsed as in HTML, but not in formulas of several lines (``$$``, ``\\begin``).
  All of MathJax stays as it is;
- the text of a link stays, and an image leaves nothing. ``10<sup>5</sup>`` becomes ``10^5``.

Every input gives a text, in time linear in its length.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import NamedTuple

from transforms.kernels.superscripts import script

MAX_NESTING = 64
"""Deepest nesting of lists, items and quotes, and of inline tags. Deeper ones are unmarked."""

MAX_INDENTS_PER_CHAR = 4
"""Most characters of indents before the lines of lists and quotes, for each character of HTML.
Later lines get no indents."""

MAX_COLUMNS = 8
"""Most columns of a table that one cell may fill."""

# An attribute's value may hold ">". A "<" outside of a value shows that the text before is no tag.
_TAG = re.compile(
    r"""<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^<>"']|"[^"]*"|'[^']*')*)>|<!--|<[!?/][^<>]*>"""
)
_START = re.compile(r"""\bstart\s*=\s*["']?(\d{1,9})""", re.IGNORECASE)
_COLUMNS = re.compile(r"""\bcolspan\s*=\s*["']?(\d{1,4})""", re.IGNORECASE)
_TABLE_PARTS = frozenset(("table", "thead", "tbody"))
_LONG_NUMBER = re.compile(r"&#[0-9]{20,};?")  # no character; Python refuses very long numbers
_SPACES = re.compile(r"[ \t\n\r\f]+")
_FORMULA = re.compile(
    r"(\$\$[^$]*\$\$|\\begin\{(\w+\*?)\}(?:(?!\\begin\{).)*?\\end\{\2\})", re.DOTALL
)
_BACKTICKS = re.compile(r"`+")
_BLANK = " \t\n\r\f"
_BLANK_OR_BAR = _BLANK + "|"


class _Container:
    """An open list, list item or quote."""

    __slots__ = ("indent", "kind", "marker", "number")

    def __init__(self, kind: str, marker: str, indent: str, number: int | None = None) -> None:
        self.kind = kind
        self.marker = marker  # text before its first line; empty once that line is written
        self.indent = indent  # text before its other lines
        self.number = number  # number of the next item of an ordered list


class _Inline(NamedTuple):
    """An open tag of inline code, superscript or subscript."""

    tag: str
    pieces: int  # number of pieces of the line before the tag


def html_to_text(html: str) -> str:
    """Return the text of a post's HTML, as the module's description says."""
    if "\r" in html:
        html = html.replace("\r\n", "\n").replace("\r", "\n")
    writer = _Writer(MAX_INDENTS_PER_CHAR * len(html))
    position = 0
    while match := _TAG.search(html, position):
        begin = match.start()
        if begin > position:
            writer.text(html[position:begin])
        position = match.end()
        tag = match[2]
        if tag:
            writer.tag(tag.lower(), bool(match[1]), match[3])
        elif match.group() == "<!--":
            end = html.find("-->", position)
            position = end + 3 if end >= 0 else len(html)
    writer.text(html[position:])
    return writer.finish()


class _Writer:
    """A writer of plain text. It takes the texts and tags of the HTML in their order."""

    def __init__(self, max_indents: int) -> None:
        self._indents_left = max_indents  # characters of indents that may still be written
        self._out: list[str] = []
        self._gap = 0  # newlines due before the next block
        self._lines: list[str] = []  # finished lines of the open paragraph
        self._line: list[str] = []  # pieces of its last line
        self._cells = 0  # columns that the last cell of the open row of a table fills
        self._in_cell = False
        self._inline: list[_Inline] = []
        self._containers: list[_Container] = []
        self._code: list[str] | None = None  # pieces of the open code block
        self._skip_to: str | None = None  # tag whose end ends a part without text

    def text(self, html: str) -> None:
        if self._skip_to:
            return
        text = unescape(_LONG_NUMBER.sub("\ufffd", html)) if "&" in html else html
        if self._code is None:
            self._line.append(text)
        else:
            self._code.append(text)

    def tag(self, tag: str, closes: bool, attributes: str) -> None:
        if self._skip_to:
            if closes and tag == self._skip_to:
                self._skip_to = None
        elif self._code is not None:
            if tag == "pre" and closes:
                self._end_code()
            elif tag == "br":
                self._code.append("\n")
        elif handler := _HANDLERS.get(tag):
            handler(self, tag, closes, attributes)

    def finish(self) -> str:
        if self._code is not None:
            self._end_code()
        self._end_block(0)
        return "".join(self._out)

    def _end_line(self) -> None:
        self._inline.clear()
        if self._line:
            text = _collapsed("".join(self._line))
            self._line.clear()
            if self._cells and not text.strip(_BLANK_OR_BAR):
                text = ""
            if text or self._lines:
                self._lines.append(text)

    def _end_block(self, gap: int) -> None:
        """Write the open paragraph. At least ``gap`` newlines are due after it."""
        self._end_line()
        if self._lines:
            text = "\n".join(self._lines).rstrip()
            self._lines.clear()
            if text:
                self._write(text)
        self._gap = max(self._gap, gap)

    def _write(self, text: str) -> None:
        if self._containers:
            first = "".join([outer.marker or outer.indent for outer in self._containers])
            rest = "".join([outer.indent for outer in self._containers])
            self._indents_left -= len(rest) * text.count("\n")
            if self._indents_left < 0:
                rest = ""
            for container in self._containers:
                container.marker = ""
            text = first + text.replace("\n", "\n" + rest)
        self._put(text)

    def _put(self, block: str) -> None:
        if self._out:
            self._out.append("\n" * self._gap)
        self._out.append(block)
        self._gap = 0

    def _end_code(self) -> None:
        assert self._code is not None
        code = "".join(self._code).removeprefix("\n").removesuffix("\n")
        self._code = None
        if not code.strip():
            return
        if any(container.marker for container in self._containers):
            self._write("")
            self._out[-1] = self._out[-1].rstrip()
            self._gap = 1
        fence = _fence(code, 3)
        self._put(f"{fence}\n{code}\n{fence}")
        self._gap = 2

    def block(self, tag: str, closes: bool, attributes: str) -> None:
        if self._in_cell and tag not in _TABLE_PARTS:
            self._line.append(" ")
            return
        self._end_block(2)
        self._cells, self._in_cell = 0, False

    def row(self, tag: str, closes: bool, attributes: str) -> None:
        if self._in_cell and tag != "tr":
            self._line.append(" ")
            return
        self._end_block(1)
        self._cells, self._in_cell = 0, False

    def cell(self, tag: str, closes: bool, attributes: str) -> None:
        self._in_cell = not closes
        if closes:
            return
        self._inline.clear()
        self._line.append(" | " * self._cells)
        span = _COLUMNS.search(attributes)
        self._cells = min(int(span[1]), MAX_COLUMNS) if span else 1

    def line_break(self, tag: str, closes: bool, attributes: str) -> None:
        if self._in_cell:
            self._line.append(" ")
            return
        if not self._line and self._lines:
            self._line.append("")
        self._end_line()

    def pre(self, tag: str, closes: bool, attributes: str) -> None:
        self._end_block(2)
        if not closes:
            self._code = []

    def skip(self, tag: str, closes: bool, attributes: str) -> None:
        if not closes:
            self._skip_to = tag

    def quote(self, tag: str, closes: bool, attributes: str) -> None:
        self._end_block(2)
        if closes:
            self._close(("blockquote",))
        else:
            self._open("blockquote", "> ", "> ")

    def list(self, tag: str, closes: bool, attributes: str) -> None:
        nested = any(container.kind == "li" for container in self._containers)
        if closes:
            self._end_block(0)
            self._close(("ul", "ol"))
            nested = any(container.kind == "li" for container in self._containers)
            self._gap = max(self._gap, 1 if nested else 2)
            return
        self._end_block(1 if nested else 2)
        start = _START.search(attributes)
        first = (int(start[1]) if start else 1) if tag == "ol" else None
        self._open(tag, "", "", first)

    def item(self, tag: str, closes: bool, attributes: str) -> None:
        self._end_block(1)
        while self._containers and self._containers[-1].kind == "li":
            self._containers.pop()
        if closes:
            return
        marker = "- "
        if self._containers and (number := self._containers[-1].number) is not None:
            marker = f"{number}. "
            self._containers[-1].number = number + 1
        self._open("li", marker, " " * len(marker))

    def inline(self, tag: str, closes: bool, attributes: str) -> None:
        if not closes:
            if len(self._inline) < MAX_NESTING:
                self._inline.append(_Inline(tag, len(self._line)))
            return
        if not self._inline or self._inline[-1].tag != tag:
            return
        before = self._inline.pop().pieces
        content = "".join(self._line[before:])
        del self._line[before:]
        if tag == "code":
            content = _inline_code(content)
        else:
            content = script(tag, content, next(filter(None, reversed(self._line)), ""))
        self._line.append(content)

    def _open(self, kind: str, marker: str, indent: str, number: int | None = None) -> None:
        if len(self._containers) < MAX_NESTING:
            self._containers.append(_Container(kind, marker, indent, number))

    def _close(self, kinds: tuple[str, ...]) -> None:
        """Close the innermost container of one of the ``kinds``, and the containers inside it."""
        for depth in range(len(self._containers) - 1, -1, -1):
            if self._containers[depth].kind in kinds:
                del self._containers[depth:]
                return


def _collapsed(text: str) -> str:
    if "$$" not in text and "\\begin{" not in text:
        text = _SPACES.sub(" ", text)
    else:
        pieces = _FORMULA.split(text)  # text, formula, name of its environment, text, ...
        pieces[0::3] = [_SPACES.sub(" ", piece) for piece in pieces[0::3]]
        del pieces[2::3]
        text = "".join(pieces)
    return text.strip(_BLANK)


def _fence(code: str, least: int) -> str:
    longest = max(map(len, _BACKTICKS.findall(code)), default=0) if "`" in code else 0
    return "`" * max(least, longest + 1)


def _inline_code(code: str) -> str:
    if not code.strip():
        return code
    fence = _fence(code, 1)
    space = " " if code.startswith("`") or code.endswith("`") else ""
    return f"{fence}{space}{code}{space}{fence}"


_BLOCKS = ("p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "table", "thead", "tbody", "dl")

_HANDLERS: dict[str, Callable[[_Writer, str, bool, str], None]] = {
    **dict.fromkeys([*_BLOCKS, "details", "summary"], _Writer.block),
    **dict.fromkeys(["tr", "dt", "dd"], _Writer.row),
    **dict.fromkeys(["td", "th"], _Writer.cell),
    **dict.fromkeys(["ul", "ol"], _Writer.list),
    **dict.fromkeys(["code", "sup", "sub"], _Writer.inline),
    **dict.fromkeys(["script", "style"], _Writer.skip),
    "blockquote": _Writer.quote,
    "br": _Writer.line_break,
    "li": _Writer.item,
    "pre": _Writer.pre,
}

"""Conversion of an article's lines: headings, lists, text. Links, templates and tags are resolved
before."""

from __future__ import annotations

BREAK = "\x03"
"""Character that stands for a line break inside of a line of wikitext."""

MAX_LIST_DEPTH = 16
"""Deepest list. Deeper items are shown at this depth."""

_LIST_MARKS = "*#:;"


def read_lines(text: str) -> str:
    """Turn lines of wikitext into lines of text.

    Paragraphs and headings are set apart by an empty line. Items of lists become ``- item`` and
    ``1. item``, indented by their depth. Definitions and indented lines keep their text only. A
    heading is a line of its own, without its marks. It is removed if neither text nor a heading
    with text is below it. Rows of tables without an end, and rules, are removed.
    """
    lines: list[str] = []
    headings: list[tuple[int, str]] = []  # headings that no text has followed yet
    items = _Items()
    in_table = False
    for line in text.split("\n"):
        first = line[:1]
        table_line = first == "|" or line.startswith("{|") or (in_table and first == "!")
        if table_line:
            in_table = not line.startswith("|}")
            continue
        if first == "=" and (heading := _heading(line)):
            level, title = heading
            while headings and headings[-1][0] >= level:
                headings.pop()
            headings.append((level, title))
            items.end()
            in_table = False
            continue
        if first == "=" and not line.strip("= "):
            continue
        shown = items.item(line) if first and first in _LIST_MARKS else line.strip()
        if first == "-" and shown.startswith("----"):
            shown = shown.lstrip("-").strip()
        if not first or first not in _LIST_MARKS:
            items.end()
        shown = shown.strip(BREAK) if BREAK in shown else shown
        if not shown or shown.isspace():
            if lines and lines[-1] and not first:
                lines.append("")
            continue
        for _, title in headings:
            if lines and lines[-1]:
                lines.append("")
            lines.append(title)
        headings.clear()
        if BREAK in shown:
            lines.extend(filter(None, (part.strip() for part in shown.split(BREAK))))
        else:
            lines.append(shown)
    return "\n".join(lines)


def _heading(line: str) -> tuple[int, str] | None:
    line = line.replace(BREAK, " ").strip()
    inner = line.lstrip("=")
    title = inner.rstrip("=")
    level = min(len(line) - len(inner), len(inner) - len(title), 6)
    title = title.strip()
    return (level, title) if level > 0 and title else None


class _Items:
    """The open lists, and the numbers of their items. Lines come one by one."""

    def __init__(self) -> None:
        self._marks = ""
        self._numbers: list[int] = []

    def end(self) -> None:
        """Close all lists, because a line comes that is in no list."""
        self._marks = ""
        self._numbers.clear()

    def item(self, line: str) -> str:
        """Return the text of a line that begins with list marks."""
        content = line.lstrip(_LIST_MARKS)
        marks = line[: min(len(line) - len(content), MAX_LIST_DEPTH)]
        content = content.replace(BREAK, " ").strip()
        if not content:
            return ""
        kept = 0
        while kept < min(len(marks), len(self._marks)) and marks[kept] == self._marks[kept]:
            kept += 1
        del self._numbers[kept:]
        self._numbers += [0] * (len(marks) - len(self._numbers))
        self._marks = marks
        self._numbers[-1] += 1
        indent = "  " * sum(mark in "*#" for mark in marks[:-1])
        if marks[-1] == "*":
            return f"{indent}- {content}"
        if marks[-1] == "#":
            return f"{indent}{self._numbers[-1]}. {content}"
        if marks[-1] == ";":
            content = content.replace(" : ", ": ", 1)
        return f"{indent}{content}"

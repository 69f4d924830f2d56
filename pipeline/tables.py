"""Printing for the commands: tables, and text without control characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """Make a table.

    A column of numbers is aligned right. Numbers get thousands separators, and None is a dash.
    """
    result = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    numeric = [
        all(isinstance(row[i], (int, float)) or row[i] is None for row in rows)
        for i in range(len(columns))
    ]
    for name, right in zip(columns, numeric, strict=True):
        result.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in rows:
        result.add_row(*(v if isinstance(v, Text) else cell(v) for v in row))
    return result


_CONTROLS = {  # control characters, and what is printed in place of each
    **{code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"},
    127: 0x2421,
    **dict.fromkeys(range(128, 160), 65533),
}


def printable(text: str) -> str:
    """Replace the control characters of a text, all but tab and newline.

    A terminal would execute them: a page's text may contain escape sequences.
    """
    return text.translate(_CONTROLS)


def cell(value: Any) -> str:
    """Format one value for a cell of a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return printable(str(value))


def shows_colours() -> bool:
    """Tell whether standard output is a terminal that shows colours.

    ``TERM=dumb`` is none, and nobody who sets ``NO_COLOR`` is to see any.
    """
    console = Console()
    return console.is_terminal and console.color_system is not None and not console.no_color


def show(*parts: Table | Text | str) -> None:
    """Print tables and lines of text.

    Where the output is not a terminal, tables may be 140 characters wide, so no number is cut.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=140)
    for part in parts:
        if isinstance(part, Table):
            console.print(part)
        else:
            console.print(printable(part) if isinstance(part, str) else part, soft_wrap=True)

"""What charts of the report are made of, as plain values that ``templates/charts.html`` draws.

Places and sizes are shares of the chart's width or height, from 0 to 1. Colours are classes of the
style sheet, so that a chart follows the colours of the page.
"""

from __future__ import annotations

from typing import NamedTuple

Legend = list[tuple[str, str]]
"""Names and their colours."""


class Part(NamedTuple):
    """A stretch of a bar that lies."""

    share: float
    colour: str
    title: str  # shown where one points at it


class Bar(NamedTuple):
    """A bar of parts, one behind the other, and the text beside it."""

    parts: list[Part]
    text: str


class Row(NamedTuple):
    """Bars that have one name."""

    label: str
    title: str  # the whole name
    bars: list[Bar]


class Bars(NamedTuple):
    """A chart of lying bars."""

    rows: list[Row]
    legend: Legend
    kind: str = "bars"


class Rectangle(NamedTuple):
    """A part of a column that stands."""

    left: float
    width: float
    bottom: float
    height: float
    colour: str
    title: str


class Axis(NamedTuple):
    """A horizontal axis: what it measures, and the places that have a number."""

    title: str
    ticks: list[tuple[float, str]]


class Columns(NamedTuple):
    """A histogram of standing columns."""

    rectangles: list[Rectangle]
    limits: list[float]  # places of dotted lines
    most: int  # what the full height stands for
    axis: Axis
    legend: Legend
    kind: str = "columns"


class Cell(NamedTuple):
    """A field of a row of a heat map."""

    left: float
    width: float
    strength: float
    title: str


class Heat(NamedTuple):
    """A heat map: the stronger the colour, the more there is."""

    rows: list[tuple[str, list[Cell]]]
    most: float  # the share that the strongest colour stands for
    axis: Axis
    kind: str = "heat"


Chart = Bars | Columns | Heat

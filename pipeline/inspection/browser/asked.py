"""What a list of documents is asked for: the parameters of its address, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from pipeline.inspection.document_rows import Filter, Range
from pipeline.output.layout import DROPPED, PARTS

KEPT = "kept"
"""Value of ``part`` for all documents that were kept."""

NUMBERS = {
    "chars": "characters",
    "token_count": "tokens",
    "language_score": "language score",
    "perplexity": "perplexity",
}
"""Columns of numbers, which have ranges and orders, and how people call them."""

FIELDS = ("source", "part", "language", "bucket", "reason", "contains", "text", "any_case", "sort",
          *(f"{end}_{column}" for column in NUMBERS for end in ("min", "max")))  # fmt: skip
"""Parameters that choose documents and their order."""

MAX_CHARS = 500
"""Longest value of a parameter."""


class Asked(NamedTuple):
    """Which documents are asked for, and in what order."""

    given: tuple[tuple[str, str], ...]  # the parameters that are not empty
    source: str | None
    part: str
    wanted: Filter
    text: str | None  # that a document's text holds
    any_case: bool
    sort: str | None  # a column of NUMBERS; None: the order of the files
    descending: bool

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that the documents are in."""
        return PARTS if self.part == KEPT else (self.part,)

    def value(self, name: str) -> str:
        """Return a parameter as it was given."""
        return dict(self.given).get(name, "")

    def address(self, page: str, /, **more: object) -> str:
        """Return the address of a page for the same documents."""
        return f"{page}?{urlencode({**dict(self.given), **more})}"


def parse(arguments: Mapping[str, str]) -> Asked:
    """Check the parameters of an address; raises ValueError, in a line, for what is a mistake."""
    given = {name: arguments.get(name, "").strip() for name in FIELDS}
    given = {name: value for name, value in given.items() if value}
    for name, value in given.items():
        if len(value) > MAX_CHARS:
            raise ValueError(f"{name} is longer than {MAX_CHARS} characters")
    if "reason" in given:
        given["part"] = DROPPED
    part = given.get("part", KEPT)
    if part not in (KEPT, DROPPED, *PARTS):
        raise ValueError(f"there is no part {part!r}")
    if "text" in given and part == DROPPED:
        raise ValueError("texts of dropped documents are not kept; search among the others")
    if "text" in given:
        given.pop("sort", None)  # hits are in the order of the files, where a search can stop
    order = given.get("sort", "")
    sort = order.removeprefix("-") or None
    if sort is not None and sort not in NUMBERS:
        raise ValueError(f"documents cannot be sorted by {sort!r}")
    wanted = Filter(
        language=given.get("language"),
        bucket=given.get("bucket"),
        reason=given.get("reason"),
        contains=given.get("contains"),
        ranges=_ranges(given),
    )
    return Asked(
        tuple(given.items()), given.get("source"), part, wanted, given.get("text"),
        "any_case" in given, sort, order.startswith("-"),
    )  # fmt: skip


def _ranges(given: Mapping[str, str]) -> tuple[Range, ...]:
    found = (Range(name, _number(given, f"min_{name}"), _number(given, f"max_{name}"))
             for name in NUMBERS)  # fmt: skip
    return tuple(one for one in found if one.low is not None or one.high is not None)


def _number(given: Mapping[str, str], name: str) -> float | None:
    if name not in given:
        return None
    try:
        value = float(given[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name}: {given[name]!r} is no number")
    return value

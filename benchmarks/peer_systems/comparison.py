"""What a comparison of two systems comes to: times, and what each kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks.peer_systems.inputs import Input
from benchmarks.peer_systems.sides import Timed

KEPT = "kept"

LEAST_WORK = 0.1
"""Share of a command's time beyond its start from which on the speed of that is told."""


@dataclass
class Row:
    """A line of the table: this project and a peer at the same work."""

    what: str
    cores: int
    given: Input
    here: Timed
    peer: Timed

    def ratio(self) -> float:
        """Return how many times as long the peer takes, starts and all."""
        return self.peer.median() / self.here.median()

    def ratio_without_starts(self) -> float | None:
        """Return the same of what each takes beyond its start, None where that is hardly any."""
        if self.here.start is None or self.peer.start is None:
            return None
        here = self.here.median() - self.here.start
        if here <= LEAST_WORK * self.here.median():
            return None
        return (self.peer.median() - self.peer.start) / here

    def figures(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        return {
            "what": self.what,
            "cores": self.cores,
            "documents": self.given.documents,
            "bytes": self.given.n_bytes,
            "stored_bytes": self.given.stored_bytes,
            "here": self.here.figures(),
            "peer": self.peer.figures(),
            "ratio": self.ratio(),
            "ratio_without_starts": self.ratio_without_starts(),
        }


@dataclass
class Agreement:
    """Which documents two systems kept, and what decided first about those that one alone kept."""

    what: str
    both: int = 0
    only_here: Counter[str] = field(default_factory=Counter)  # by what dropped them there
    only_there: Counter[str] = field(default_factory=Counter)  # by what dropped them here

    def figures(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        return {
            "what": self.what,
            "both": self.both,
            "only_here": dict(self.only_here),
            "only_there": dict(self.only_there),
        }


class NearPair(NamedTuple):
    """Two documents that are near-duplicates, or that a peer takes for such."""

    first: str
    second: str
    overlap: float  # share of their 5-grams that both have
    gone_here: bool  # at least one of them
    gone_there: bool
    in_a_bucket: bool  # of the peer's


@dataclass
class Comparison:
    """Lines of the table, with what was kept and remarks in words."""

    title: str
    rows: list[Row] = field(default_factory=list)
    agreements: list[Agreement] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    pairs: list[NearPair] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        return {
            "title": self.title,
            "rows": [row.figures() for row in self.rows],
            "agreements": [one.figures() for one in self.agreements],
            "remarks": self.remarks,
            **({"pairs": [pair._asdict() for pair in self.pairs]} if self.pairs else {}),
        }


def agreement(what: str, here: dict[str, str], there: dict[str, str]) -> Agreement:
    """Compare two systems' outcomes by document: ``kept``, or the name of what dropped it.

    A document that one of them does not name gave it no text.
    """
    made = Agreement(what)
    for name in here.keys() | there.keys():
        ours, theirs = here.get(name, "no text"), there.get(name, "no text")
        if ours == theirs == KEPT:
            made.both += 1
        elif ours == KEPT:
            made.only_here[theirs] += 1
        elif theirs == KEPT:
            made.only_there[ours] += 1
    return made

"""Charts of the report. Names that come from the data are escaped where the page is rendered."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.report.distributions import (
    KEPT,
    LENGTH_EDGES,
    OF_LANGUAGE,
    OTHERWISE,
    PERPLEXITY_EDGES,
    SCORE_EDGES,
    Histogram,
)
from pipeline.report.marks import (
    Axis,
    Bar,
    Bars,
    Cell,
    Columns,
    Heat,
    Legend,
    Part,
    Rectangle,
    Row,
)

STEP_COLOURS = ("s0", "s1", "s2", "s3", "s4", "s5", "s6")
"""Colours of the steps that took most; the others share :data:`OTHER_COLOUR`."""
OTHER_COLOUR = "other"
BUCKET_COLOURS = {"head": "head", "middle": "middle", "tail": "tail"}
LABEL_CHARS = 18
"""Longest name of a domain beside its bars; a longer one is whole where one points at it."""
FAINTEST = 0.08
"""Strength of the colour of a field of a heat map that holds next to nothing."""
MAX_TICKS = 7
"""Most numbers on an axis; more would run into each other on a narrow page."""


def overview(sources: Sequence[Mapping[str, Any]]) -> Bars:
    """Bars of what became of the characters that were read, of all sources and of each."""
    total: Counter[str] = Counter()
    for source in sources:
        total.update(source["gone"])
    colours = dict(zip((step for step, _ in total.most_common()), STEP_COLOURS, strict=False))
    kept = sum(source["characters"] for source in sources)
    rows = [_went("all sources", kept, total, colours)] if len(sources) > 1 else []
    rows += [_went(one["name"], one["characters"], one["gone"], colours) for one in sources]
    legend = [("kept", "kept"), *colours.items()]
    if len(total) > len(colours):
        legend.append(("other steps", OTHER_COLOUR))
    return Bars(rows, legend)


def _went(name: str, kept: int, gone: Mapping[str, int], colours: Mapping[str, str]) -> Row:
    whole = kept + sum(gone.values())
    others = sum(n for step, n in gone.items() if step not in colours)
    found = [("kept", kept, "kept")]
    found += [(step, gone[step], colour) for step, colour in colours.items() if step in gone]
    found += [("other steps", others, OTHER_COLOUR)] if others else []
    parts = [
        Part(n / whole, colour, f"{what}: {n:,} characters, {n / whole:.1%}")
        for what, n, colour in found
        if n
    ]
    text = f"{kept / whole:.1%} of {_short(whole)}" if whole else "nothing"
    return Row(name, name, [Bar(parts, text)])


def _short(n: int) -> str:
    """Write a large number in few letters."""
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if n >= size:
            return f"{n / size:.3g} {letter}"
    return str(n)


def mixture(rows: Sequence[Mapping[str, Any]]) -> Bars:
    """Bars of the paper's sources: proportions of this run beside those of the paper."""
    series = [
        ("this run, sampled", "proportion", "kept"),
        ("this run, unique tokens", "unique_share", "s4"),
        ("LLaMA, table 1", "llama_proportion", "s3"),
    ]
    widest = max((row[key] or 0 for row in rows for _, key, _ in series), default=0) or 1
    return Bars(
        [
            Row(row["title"], row["title"],
                [_single((row[key] or 0) / widest, colour, f"{row['title']}, {name}",
                         "-" if row[key] is None else f"{row[key]:.1%}")
                 for name, key, colour in series])
            for row in rows
        ],
        [(name, colour) for name, _, colour in series],
    )  # fmt: skip


def domains(rows: Sequence[Mapping[str, Any]]) -> Bars:
    """Bars of a source's domains: what is drawn of each beside what there is, and its epochs."""
    widest = max((max(row["proportion"], row["unique_share"]) for row in rows), default=0) or 1
    made = []
    for row in rows:
        name, epochs = row["domain"], row["epochs"]
        drawn = f"{row['proportion']:.1%}, " + ("-" if epochs is None else f"{epochs:.3g} epochs")
        there = f"{row['unique_share']:.1%}"
        bars = [
            _single(row["proportion"] / widest, "kept", f"{name}, sampled", drawn),
            _single(row["unique_share"] / widest, "s4", f"{name}, unique tokens", there),
        ]
        made.append(Row(_shortened(name), name, bars))
    return Bars(made, [("sampled", "kept"), ("unique tokens", "s4")])


def _single(share: float, colour: str, name: str, text: str) -> Bar:
    """Return a bar of one part, whose title is its name and the text beside it."""
    return Bar([Part(share, colour, f"{name}: {text}")], text)


def _shortened(name: str) -> str:
    """Leave out the middle of a long name, so that there is room for bars on a narrow page."""
    half = LABEL_CHARS // 2
    return name if len(name) <= LABEL_CHARS else f"{name[:half]}…{name[-half:]}"


def funnel(left: Sequence[Mapping[str, Any]]) -> Bars:
    """Bars of the number of documents left after each step."""
    most = max((row["documents"] for row in left), default=0) or 1
    return Bars(
        [
            Row(row["step"], row["step"],
                [_single(row["documents"] / most, "kept", f"left after {row['step']}",
                         f"{row['documents']:,}")])
            for row in left
        ],
        [],
    )  # fmt: skip


def lines_by_domain(domains: Sequence[Mapping[str, Any]]) -> Bars:
    """Bars of the lines of each domain: those left and those removed."""
    most = max((row["lines"] for row in domains), default=0) or 1
    made = []
    for row in domains:
        name, lines, gone = row["domain"], row["lines"], row["removed_lines"]
        parts = [
            Part((lines - gone) / most, "kept", f"{name}: {lines - gone:,} lines left"),
            Part(gone / most, "dropped", f"{name}: {gone:,} lines removed"),
        ]
        made.append(Row(_shortened(name), name, [Bar(parts, f"{gone:,} of {lines:,}")]))
    return Bars(made, [("lines left", "kept"), ("lines removed", "dropped")])


def times(sources: Sequence[Mapping[str, Any]]) -> Bars:
    """Bars of processor time; all steps of a recipe are one part, and first uses another."""
    colours = {"first use": OTHER_COLOUR, "read": "s4", "steps of the recipe": "kept",
               "tokenise": "s1", "write": "s5", "record": "s2"}  # fmt: skip
    seconds = {source["name"]: _seconds(source["steps"], colours) for source in sources}
    most = max((sum(mine.values()) for mine in seconds.values()), default=0) or 1
    return Bars(
        [
            Row(name, name,
                [Bar([Part(mine[part] / most, colour, f"{name}, {part}: {mine[part]:.2f} s")
                      for part, colour in colours.items() if mine[part]],
                     f"{sum(mine.values()):,.3g} s")])
            for name, mine in seconds.items()
        ],
        [*colours.items()],
    )  # fmt: skip


def _seconds(steps: Iterable[Mapping[str, Any]], parts: Iterable[str]) -> Counter[str]:
    """Add up the processor seconds of steps by the parts of a bar."""
    added: Counter[str] = Counter()
    for row in steps:
        first = row.get("first_processor_seconds", 0.0)
        added["first use"] += first
        part = row["step"] if row["step"] in parts else "steps of the recipe"
        added[part] += row["processor_seconds"] - first
    return added


def lengths(by_source: Mapping[str, Histogram]) -> Heat:
    """A heat map of document lengths, a row a source."""
    shown = {name: histogram for name, histogram in by_source.items() if histogram.total}
    low, high = _held(shown.values(), LENGTH_EDGES)
    edges = LENGTH_EDGES[low : high + 1]
    places = _places(np.log10(edges))
    shares = {name: h.counts[low:high] / h.total for name, h in shown.items()}
    most = max((float(mine.max()) for mine in shares.values()), default=1.0)
    rows = []
    for name, mine in shares.items():
        cells = [
            Cell(places[i], places[i + 1] - places[i], FAINTEST + (1 - FAINTEST) * share / most,
                 f"{name}, {edges[i]:,.0f} to {edges[i + 1]:,.0f} characters: {share:.1%}")
            for i, share in enumerate(mine.tolist())
            if share
        ]  # fmt: skip
        rows.append((name, cells))
    return Heat(rows, most, _logarithmic("characters", edges))


def perplexities(
    by_bucket: Mapping[str, Histogram], cutoffs: Mapping[str, Sequence[float]]
) -> Columns:
    """A histogram of documents by perplexity and bucket, with the cut-offs between buckets."""
    low, high = _held(by_bucket.values(), PERPLEXITY_EDGES)
    edges = PERPLEXITY_EDGES[low : high + 1]
    others = sorted(set(by_bucket) - set(BUCKET_COLOURS))
    order = [bucket for bucket in [*BUCKET_COLOURS, *others] if bucket in by_bucket]
    colours = {bucket: BUCKET_COLOURS.get(bucket, OTHER_COLOUR) for bucket in order}
    limits = [math.log10(one) for limits in cutoffs.values() for one in limits if one > 0]
    return _columns(
        {bucket: by_bucket[bucket].counts[low:high] for bucket in order}, colours,
        np.log10(edges), edges, limits, _logarithmic("perplexity", edges),
    )  # fmt: skip


def scores(by_outcome: Mapping[str, Histogram], cutoff: float | None) -> Columns:
    """A histogram of documents by their language score, and what became of them."""
    colours = {KEPT: "kept", OF_LANGUAGE: "dropped", OTHERWISE: OTHER_COLOUR}
    return _columns(
        {outcome: by_outcome[outcome].counts for outcome in colours}, colours, SCORE_EDGES,
        SCORE_EDGES, [] if cutoff is None else [cutoff],
        Axis("language score", [(tenths / 10, f"{tenths / 10:g}") for tenths in range(0, 11, 2)]),
    )  # fmt: skip


def _columns(
    counts: Mapping[str, npt.NDArray[np.int64]],
    colours: Mapping[str, str],
    ends: npt.NDArray[np.float64],
    edges: npt.NDArray[np.float64],
    limits: Iterable[float],
    axis: Axis,
) -> Columns:
    """Stack counts between ``ends`` on the axis; ``edges`` are what these stand for."""
    places = _places(ends)
    most = int(sum(counts.values(), np.zeros(len(ends) - 1, np.int64)).max(initial=0))
    below = [0] * (len(ends) - 1)
    rectangles = []
    for name, mine in counts.items():
        for i, n in enumerate(mine.tolist()):
            if n:
                title = f"{name}, {edges[i]:.3g} to {edges[i + 1]:.3g}: {n:,}"
                rectangles.append(
                    Rectangle(places[i], places[i + 1] - places[i], below[i] / most, n / most,
                              colours[name], title)
                )  # fmt: skip
                below[i] += n
    span = ends[-1] - ends[0]
    within = [float((limit - ends[0]) / span) for limit in limits if ends[0] <= limit <= ends[-1]]
    legend: Legend = [(name, colours[name]) for name, mine in counts.items() if mine.any()]
    return Columns(rectangles, within, most, axis, legend)


def _places(ends: npt.NDArray[np.float64]) -> list[float]:
    """Return where the ends of bins lie in the width of a chart."""
    places: list[float] = ((ends - ends[0]) / (ends[-1] - ends[0])).tolist()
    return places


def _held(histograms: Iterable[Histogram], edges: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Return the range of bins, first and one past the last, with any counts; all if none has."""
    held = np.flatnonzero(sum((h.counts for h in histograms), np.zeros(len(edges) - 1)))
    return (int(held[0]), int(held[-1]) + 1) if len(held) else (0, len(edges) - 1)


def _logarithmic(title: str, edges: npt.NDArray[np.float64]) -> Axis:
    """Return a logarithmic axis from the first to the last edge, with round numbers on it."""
    low, high = math.log10(edges[0]), math.log10(edges[-1])
    for leading in ((1, 2, 5), (1, 3), (1,)):
        marks = [m * 10**e for e in range(9) for m in leading]
        inside = [mark for mark in marks if low <= math.log10(mark) <= high]
        if len(inside) <= MAX_TICKS:
            break
    texts = [f"{mark:,}" if mark < 10**6 else f"{mark // 10**6:,} M" for mark in inside]
    places = [(math.log10(mark) - low) / (high - low) for mark in inside]
    return Axis(title, list(zip(places, texts, strict=True)))

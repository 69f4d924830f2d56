"""Charts of the report, as Plotly figures. The page sets the colours of text and lines."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from pipeline.report.distributions import LENGTH_EDGES, PERPLEXITY_EDGES, Histogram

PALETTE = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#999999"]
BUCKET_COLOURS = {"head": "#228833", "middle": "#ccbb44", "tail": "#ee6677"}
KEPT, DROPPED = "#4477aa", "#ee6677"
ROW_PIXELS = 26
"""Height of one row of bars, in pixels."""
LABEL_CHARS = 18
"""Longest name of a domain beside its bars; a longer one is whole where one points at them."""


def _figure(traces: Sequence[go.Bar | go.Heatmap], height: int, **layout: Any) -> go.Figure:
    figure = go.Figure(traces)
    figure.update_layout(
        template="none",
        colorway=PALETTE,
        height=height,
        margin={"l": 8, "r": 12, "t": 8, "b": 8},
        legend={
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.0,
            "x": 0,
            "xanchor": "left",
            "traceorder": "normal",
        },
        dragmode=False,
        bargap=0.25,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hoverlabel={"namelength": -1},
    )
    figure.update_xaxes(automargin=True, fixedrange=True)
    figure.update_yaxes(automargin=True, fixedrange=True)
    figure.update_layout(**layout)
    return figure


def _rows(n: int, more: int = 70) -> int:
    return ROW_PIXELS * n + more


def mixture(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Bars of the paper's sources: proportions of this run beside those of the paper."""
    titles = [row["title"] for row in rows]
    series = [
        ("this run, sampled", "proportion", PALETTE[0]),
        ("this run, unique tokens", "unique_share", PALETTE[4]),
        ("LLaMA, table 1", "llama_proportion", PALETTE[6]),
    ]
    return _figure(
        [
            go.Bar(name=name, y=titles, x=[row[key] for row in rows], orientation="h",
                   marker_color=colour, hovertemplate="%{y}: %{x:.1%}")
            for name, key, colour in series
        ],
        _rows(2 * len(rows)),
        barmode="group",
        xaxis_tickformat=".0%",
        yaxis_autorange="reversed",
    )  # fmt: skip


def domains(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Bars of a source's domains: what is drawn of each beside what there is, and its epochs."""
    names = [label(row["domain"]) for row in rows]
    epochs = ["-" if row["epochs"] is None else f"{row['epochs']:.3g} epochs" for row in rows]
    return _figure(
        [
            go.Bar(name="sampled", y=names, x=[row["proportion"] for row in rows], orientation="h",
                   marker_color=PALETTE[0], text=epochs, textposition="auto", textangle=0,
                   cliponaxis=False, customdata=epochs,
                   hovertemplate="%{y}: %{x:.1%}, %{customdata}"),
            go.Bar(name="unique tokens", y=names, x=[row["unique_share"] for row in rows],
                   orientation="h", marker_color=PALETTE[4], hovertemplate="%{y}: %{x:.1%}"),
        ],
        _rows(2 * len(rows)),
        barmode="group",
        xaxis={"tickformat": ".0%", "nticks": 5, "tickangle": 0},
        yaxis={"autorange": "reversed", "type": "category", "tickvals": names,
               "ticktext": [label(_shortened(row["domain"])) for row in rows]},
    )  # fmt: skip


def _shortened(name: str) -> str:
    """Leave out the middle of a long name, so that there is room for bars on a narrow page."""
    half = LABEL_CHARS // 2
    return name if len(name) <= LABEL_CHARS else f"{name[:half]}…{name[-half:]}"


def funnel(left: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Bars of the number of documents left after each step."""
    documents = [row["documents"] for row in left]
    bars = go.Bar(
        y=[label(row["step"]) for row in left],
        x=documents,
        orientation="h",
        marker_color=KEPT,
        text=[f"{n:,}" for n in documents],
        textposition="auto",
        hovertemplate="%{y}: %{x:,} documents left<extra></extra>",
    )
    return _figure([bars], _rows(len(left), 40), xaxis_tickformat=",", yaxis_autorange="reversed")


def lengths(by_source: Mapping[str, Histogram]) -> go.Figure:
    """A heat map of document lengths: one row a source, darker where more documents are."""
    shown = {name: histogram for name, histogram in by_source.items() if histogram.total}
    edges = LENGTH_EDGES
    low, high = _held(shown.values(), edges)
    shares = [(h.counts[low:high] / h.total).tolist() for h in shown.values()]
    heat = go.Heatmap(
        x=np.log10(edges[low : high + 1]).tolist(),
        y=[label(name) for name in shown],
        z=[[share or None for share in row] for row in shares],
        customdata=[_ranges(edges[low : high + 1])] * len(shown),
        hovertemplate="%{y}, %{customdata[0]:,} to %{customdata[1]:,} characters: %{z:.1%}"
        "<extra></extra>",
        colorscale=[[0, "#cfe0f1"], [1, "#1d4a7a"]],
        colorbar={"tickformat": ".0%", "thickness": 12, "outlinewidth": 0},
        hoverongaps=False,
        xgap=1,
        ygap=3,
    )
    return _figure(
        [heat], _rows(len(shown), 90), xaxis=_logarithmic("characters", shown.values(), edges),
        yaxis_autorange="reversed",
    )  # fmt: skip


def perplexities(
    by_bucket: Mapping[str, Histogram], cutoffs: Mapping[str, Sequence[float]]
) -> go.Figure:
    """Stacked bars of documents by perplexity and bucket, with the cut-offs between buckets."""
    others = sorted(set(by_bucket) - set(BUCKET_COLOURS))
    order = [bucket for bucket in [*BUCKET_COLOURS, *others] if bucket in by_bucket]
    figure = _figure(
        [_columns(by_bucket[bucket], np.log10(by_bucket[bucket].edges), bucket,
                  BUCKET_COLOURS.get(bucket, PALETTE[-1]))
         for bucket in order],
        330, barmode="stack", bargap=0, yaxis_title="documents",
        xaxis=_logarithmic("perplexity", by_bucket.values(), PERPLEXITY_EDGES),
    )  # fmt: skip
    for limit in [limit for limits in cutoffs.values() for limit in limits if limit > 0]:
        figure.add_vline(math.log10(limit), line_dash="dot", line_width=1.5)
    return figure


def scores(by_outcome: Mapping[str, Histogram], cutoff: float | None) -> go.Figure:
    """Stacked bars of documents, kept and dropped, by their language score."""
    figure = _figure(
        [_columns(by_outcome[outcome], by_outcome[outcome].edges, outcome, colour)
         for outcome, colour in (("kept", KEPT), ("dropped", DROPPED))],
        300, barmode="stack", bargap=0, xaxis={"title": "language score", "range": [0, 1]},
        yaxis={"title": "documents", "type": "linear"},
    )  # fmt: skip
    if cutoff is not None:
        figure.add_vline(cutoff, line_dash="dot", line_width=1.5)
    return figure


def lines_by_domain(domains: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Stacked bars of the lines of each domain: those left and those removed."""
    names = [label(row["domain"]) for row in domains]
    removed = [row["removed_lines"] for row in domains]
    stayed = [row["lines"] - row["removed_lines"] for row in domains]
    return _figure(
        [go.Bar(name="lines left", y=names, x=stayed, orientation="h", marker_color=KEPT),
         go.Bar(name="lines removed", y=names, x=removed, orientation="h", marker_color=DROPPED)],
        _rows(len(names)),
        barmode="stack",
        yaxis_autorange="reversed",
    )  # fmt: skip


def times(sources: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Stacked bars of processor time, a bar a source; all steps of its recipe are one part."""
    parts = ("read", "steps of the recipe", "tokenise", "write", "record")
    names = [label(source["name"]) for source in sources]
    seconds: dict[str, list[float]] = {part: [0.0] * len(sources) for part in parts}
    for number, source in enumerate(sources):
        for row in source["steps"]:
            part = row["step"] if row["step"] in parts else "steps of the recipe"
            seconds[part][number] += row["processor_seconds"]
    return _figure(
        [go.Bar(name=part, y=names, x=mine, orientation="h", hovertemplate="%{y}: %{x:.2f} s")
         for part, mine in seconds.items()],
        _rows(len(names), 110), barmode="stack", xaxis_title="seconds of processor time",
        yaxis_autorange="reversed",
    )  # fmt: skip


def _columns(
    histogram: Histogram, edges: npt.NDArray[np.float64], name: str, colour: str
) -> go.Bar:
    """Draw a histogram as bars that stand between ``edges`` on the axis."""
    return go.Bar(
        name=label(name), x=edges[:-1].tolist(), y=histogram.counts.tolist(), offset=0,
        width=np.diff(edges).tolist(), marker={"color": colour, "line": {"width": 0}},
        customdata=_ranges(histogram.edges),
        hovertemplate="%{customdata[0]} to %{customdata[1]}: %{y:,}",
    )  # fmt: skip


def _ranges(edges: npt.NDArray[np.float64]) -> list[list[float]]:
    return [[float(f"{low:.3g}"), float(f"{high:.3g}")] for low, high in pairwise(edges)]


def _held(histograms: Iterable[Histogram], edges: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Return the range of bins, first and one past the last, with any counts; all if none has."""
    held = np.flatnonzero(sum((h.counts for h in histograms), np.zeros(len(edges) - 1)))
    return (int(held[0]), int(held[-1]) + 1) if len(held) else (0, len(edges) - 1)


def _logarithmic(
    title: str, histograms: Iterable[Histogram], edges: npt.NDArray[np.float64]
) -> dict[str, Any]:
    """Return the description of a logarithmic axis over just the bins with counts."""
    low, high = np.log10(edges)[[*_held(histograms, edges)]].tolist()
    marks = [m * 10**e for e in range(9) for m in ((1, 2, 5) if high - low < 2.5 else (1,))]
    return {
        "title": title,
        "range": [low, high],
        "tickvals": [math.log10(mark) for mark in marks],
        "ticktext": [f"{mark:,}" if mark < 10**6 else f"{mark // 10**6:,} M" for mark in marks],
    }


def label(name: str) -> str:
    """Escape a name that comes from the data, so that Plotly finds no markup in it."""
    return html.escape(name, quote=False)

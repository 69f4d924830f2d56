"""A comparison as one HTML page with plots, which loads nothing from the network."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

ROW_PIXELS = 34
"""Height of one candidate in a plot, in pixels."""

COLOUR = "#4477aa"

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#777777", "#000000")
"""Colours of candidates whose lines are in one plot (Paul Tol's bright scheme, and black)."""

LOSS_PIXELS = 480
"""Height of the plot of losses, in pixels."""

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left}
.note{background:#f3f0e0;padding:.6rem 1rem}"""


def render(judgement: Mapping[str, Any], sentences: Sequence[str]) -> str:
    """Render the page; ``sentences`` is what is said of the order, a paragraph each."""
    results = judgement["results"]
    title = "Bits per byte of held-out texts"
    plots = [
        f"<h2>{html.escape(name)}</h2>{_plot(result, with_script=number == 0)}"
        for number, (name, result) in enumerate(results.items())
    ]
    columns = ["name", "documents", "passages", "bytes", "removed_passages", "intervals_over"]
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style></head>
<body><h1>{title}</h1>
<p class="note">{html.escape(judgement["meaning"])}</p>
<p>{judgement["draws"]} draws of {judgement["tokens"]:,} tokens of each candidate;
{judgement["level"]:.0%} intervals. Fewer bits are better.</p>
{"".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)}
{"".join(plots)}
{_loss_section(judgement.get("curves"))}
<h2>Held-out texts</h2>
<p>A passage that has {judgement["n_gram_words"]} words in a row of a candidate was removed.</p>
{_table(columns, judgement["held_out"])}
</body></html>
"""


def _plot(result: Mapping[str, Any], *, with_script: bool) -> str:
    """Return a plot of the candidates' figures with their intervals, best first."""
    names = result["order"]
    figures = [result["figures"][name] for name in names]
    values = [figure["bits_per_byte"] for figure in figures]
    figure = go.Figure(
        go.Scatter(
            x=values,
            y=[html.escape(name, quote=False) for name in names],
            mode="markers",
            marker={"color": COLOUR, "size": 9},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [f["high"] - v for f, v in zip(figures, values, strict=True)],
                "arrayminus": [v - f["low"] for f, v in zip(figures, values, strict=True)],
            },
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )
    )
    figure.update_layout(height=ROW_PIXELS * len(names) + 90, xaxis_title="bits per byte")
    figure.update_yaxes(autorange="reversed")
    return _html(figure, with_script=with_script)


def _html(figure: go.Figure, *, with_script: bool) -> str:
    """Return a plot in the page's style, which cannot be zoomed."""
    figure.update_layout(template="simple_white", margin={"l": 8, "r": 12, "t": 8, "b": 8})
    figure.update_xaxes(automargin=True, fixedrange=True)
    figure.update_yaxes(automargin=True, fixedrange=True)
    return str(figure.to_html(full_html=False, include_plotlyjs=with_script))


def _loss_section(curves: Mapping[str, Sequence[Sequence[float]]] | None) -> str:
    """Return the plot of the losses of trained models; nothing where none were trained."""
    if not curves:
        return ""
    figure = go.Figure()
    for number, (name, of_draws) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        for draw, losses in enumerate(of_draws, 1):
            figure.add_scatter(
                x=list(range(1, len(losses) + 1)),
                y=list(losses),
                mode="lines",
                line={"color": colour, "width": 1},
                name=html.escape(name, quote=False),
                legendgroup=str(number),
                showlegend=draw == 1,
                hovertemplate=f"draw {draw}, step %{{x}}: %{{y:.3f}}",
            )
    figure.update_layout(
        height=LOSS_PIXELS,
        xaxis_title="step",
        yaxis_title="loss on its own draw, nats a token",
        legend={"orientation": "h", "y": -0.2},
    )
    return f"<h2>Losses of the trainings</h2>{_html(figure, with_script=False)}"


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    head = "".join(f"<th>{html.escape(name.replace('_', ' '))}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(row[name]))}</td>" for name in columns) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

"""The report of a run: one self-contained HTML page that loads nothing from the network.

The template escapes the text of documents. The page's Content-Security-Policy names its scripts by
their digests besides, so that no other script runs.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from pipeline.inspection.templates import load_templates
from pipeline.report import charts
from pipeline.report.domains import TABLE_DOMAINS, charted
from pipeline.report.llama_mixture import LLAMA_BYTES_A_TOKEN

TEMPLATES = Path(__file__).parent / "templates"


def render(report: dict[str, Any]) -> str:
    """Render the page; ``report`` is what :func:`pipeline.report.data.collect` returns."""
    templates = load_templates(TEMPLATES, is_html=True)
    templates.filters.update(percent=percent, megabytes=megabytes, anchor=anchor)
    scripts = [get_plotlyjs(), (TEMPLATES / "report.js").read_text()]
    return templates.get_template("report.html").render(
        report=report,
        **_rows(report),
        charts=_charts(report),
        table_domains=TABLE_DOMAINS,
        llama_bytes_a_token=LLAMA_BYTES_A_TOKEN,
        style=Markup((TEMPLATES / "report.css").read_text()),
        scripts=[Markup(script) for script in scripts],
        digests=[_digest(script) for script in scripts],
    )


def _rows(report: dict[str, Any]) -> dict[str, Any]:
    """Return the rows of the tables that cover all sources."""
    sources = report["sources"]
    return {
        "mixture_rows": [{**source, **source["mixture"]} for source in sources],
        "domain_rows": [
            {"source": source["name"], **row}
            for source in sources
            for row in source["mixture_domains"][:TABLE_DOMAINS]
        ],
        "step_rows": [
            {
                "source": source["name"],
                **step,
                "text_mb": step["text_bytes"] / 1e6,
                "mb_per_second": step["text_bytes"] / 1e6 / step["processor_seconds"]
                if step["text_bytes"] and step["processor_seconds"]
                else None,
            }
            for source in sources
            for step in source["steps"]
        ],
        "letter_rows": [{**source, **source["letters"]} for source in sources],
        "memory_rows": [
            {"name": source["name"], "peak_mb": round(source["worker_peak_bytes"] / 1e6)}
            for source in sources
        ],
        "fingerprint_rows": [
            {"name": name, "sha256": digest} for name, digest in report["fingerprints"]
        ],
        "version_rows": [
            {"name": name, "version": version} for name, version in report["versions"].items()
        ],
    }


def _charts(report: dict[str, Any]) -> dict[str, Any]:
    """Return the charts by the names that the template uses."""
    sources = report["sources"]
    made = {
        "mixture": charts.mixture(report["llama"]),
        "times": charts.times(sources),
        "lengths": charts.lengths({s["name"]: s["distributions"].lengths["kept"] for s in sources}),
    }
    for source in sources:
        name, spread = source["name"], source["distributions"]
        made[f"funnel-{name}"] = charts.funnel(source["left"])
        if source["mixture_domains"]:
            made[f"domains-{name}"] = charts.domains(charted(source["mixture_domains"]))
        if spread.perplexities:
            made[f"perplexity-{name}"] = charts.perplexities(spread.perplexities, source["cutoffs"])
        if spread.scores["kept"].total or spread.scores["dropped"].total:
            made[f"scores-{name}"] = charts.scores(spread.scores, source["min_score"])
        for listed in source["line_domains"]:
            made[f"lines-{name}-{listed['step']}"] = charts.lines_by_domain(listed["domains"])
    return {name: _plain(figure) for name, figure in made.items()}


def _plain(figure: go.Figure) -> dict[str, Any]:
    """Return a figure as plain values, without its Plotly template, which the page sets."""
    values = json.loads(figure.to_json(validate=False, engine="json"))
    del values["layout"]["template"]
    return {"data": values["data"], "layout": values["layout"]}


def _digest(script: str) -> str:
    """Return the digest of a script as a Content-Security-Policy writes it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def percent(value: float | None) -> str:
    """Format a share, given as a number from 0 to 1, as a percentage."""
    return "-" if value is None else f"{value:.1%}" if value >= 0.001 else f"{value:.3%}"


def megabytes(value: float) -> str:
    """Format a number of bytes in megabytes."""
    return f"{value / 1e6:,.1f} MB"


def anchor(name: str) -> str:
    """Return the HTML id of a source's section, which links name."""
    return f"source-{name}"

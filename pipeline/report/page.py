"""The report of a run: one self-contained HTML page that loads nothing from the network.

The template escapes the text of documents. The page's Content-Security-Policy names its script by
its digest besides, so that no other script runs.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from pipeline.inspection.browser.address import DEFAULT_PORT
from pipeline.inspection.templates import load_templates
from pipeline.output.layout import DROPPED, shard_title
from pipeline.report import charts
from pipeline.report.domains import TABLE_DOMAINS, charted
from pipeline.report.llama_mixture import LLAMA_BYTES_A_TOKEN
from pipeline.report.marks import Chart

TEMPLATES = Path(__file__).parent / "templates"


def render(report: dict[str, Any]) -> str:
    """Render the page; ``report`` is what :func:`pipeline.report.data.collect` returns."""
    templates = load_templates(TEMPLATES, is_html=True)
    templates.filters.update(
        percent=percent,
        megabytes=megabytes,
        anchor=anchor,
        served=served,
        moment=moment,
        recipe_name=recipe_name,
        duration=duration,
    )
    script = (TEMPLATES / "report.js").read_text()
    return templates.get_template("report.html").render(
        report=report,
        **_rows(report),
        charts=_charts(report),
        table_domains=TABLE_DOMAINS,
        llama_bytes_a_token=LLAMA_BYTES_A_TOKEN,
        style=Markup((TEMPLATES / "report.css").read_text()),
        script=Markup(script),
        digest=_digest(script),
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
                "first_processor_seconds": step.get("first_processor_seconds"),
                "mb_per_second": _speed(step),
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


def _speed(step: Mapping[str, Any]) -> float | None:
    """Return the MB of text a second of processor time of a step, without its first use."""
    seconds = step["processor_seconds"] - step.get("first_processor_seconds", 0.0)
    return step["text_bytes"] / 1e6 / seconds if step["text_bytes"] and seconds > 0 else None


def _charts(report: dict[str, Any]) -> dict[str, Chart]:
    """Return the charts by the names that the template uses."""
    sources = report["sources"]
    made: dict[str, Chart] = {
        "overview": charts.overview(sources),
        "times": charts.times(sources),
        "lengths": charts.lengths({s["name"]: s["distributions"].lengths["kept"] for s in sources}),
    }
    if report["llama"]:
        made["mixture"] = charts.mixture(report["llama"])
    for source in sources:
        name, spread = source["name"], source["distributions"]
        made[f"funnel-{name}"] = charts.funnel(source["left"])
        if source["mixture_domains"]:
            made[f"domains-{name}"] = charts.domains(charted(source["mixture_domains"]))
        if spread.perplexities:
            made[f"perplexity-{name}"] = charts.perplexities(spread.perplexities, source["cutoffs"])
        if any(histogram.total for histogram in spread.scores.values()):
            made[f"scores-{name}"] = charts.scores(spread.scores, source["min_score"])
        for listed in source["line_domains"]:
            made[f"lines-{name}-{listed['step']}"] = charts.lines_by_domain(listed["domains"])
    return made


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


def served(sample: Mapping[str, Any], source: str) -> str:
    """Return the address of a sampled document where ``corpus serve`` shows the run."""
    part = sample["reason"] if sample["step"] == "write" else DROPPED
    asked = {"shard": shard_title(source, part, sample["shard"]), "id": sample["id"]}
    return f"http://127.0.0.1:{DEFAULT_PORT}/document?{urlencode(asked)}"


def moment(text: str) -> str:
    """Format a time in the form of ISO 8601 for people."""
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}"


def duration(seconds: float) -> str:
    """Format a duration in seconds, minutes or hours."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:,.1f} h"


def recipe_name(command: str) -> str | None:
    """Return the file name of the recipe that a command names, if it names one."""
    words = shlex.split(command.replace("--recipe=", "--recipe "))
    following = dict(pairwise(words))
    return PurePath(following["--recipe"]).name if "--recipe" in following else None

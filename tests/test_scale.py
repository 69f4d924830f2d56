"""The numbers on growth and cost in the docs, compared with what the benchmark measures."""

from __future__ import annotations

import json
import re

import pytest

from benchmarks.scale import HEAD, Figures, measure, print_row
from benchmarks.scale_on_paper import print_paper, print_warc, with_changes
from tests.support.runs import ROOT

FIGURES, OF_WARC, ON_SPARK = (
    json.loads((ROOT / "benchmarks" / name).read_text())
    for name in ("scale.json", "scale_warc.json", "scale_spark.json")
)
COUNTED = ("files", "text_bytes", "pages", "line_shuffle_bytes", "decision_shuffle_bytes", "lines",
           "lines_removed", "tokens")  # fmt: skip
"""The figures that depend on the input alone, and not on the machine."""


def printed(capsys, *changes: str) -> str:
    print_paper(FIGURES, with_changes(list(changes)))
    return capsys.readouterr().out


def test_the_tables_of_the_document_are_the_benchmarks(capsys):
    text = (ROOT / "docs" / "scale.md").read_text()
    assert printed(capsys) in text
    print_warc(OF_WARC, with_changes([]))
    assert capsys.readouterr().out in text
    for figures in (FIGURES, OF_WARC, ON_SPARK):
        sizes = [Figures(**one) for one in figures["sizes"]]
        for one, before in zip(sizes, [None, *sizes], strict=False):
            print_row(one, before)
        assert f"{HEAD}\n{capsys.readouterr().out}" in text


def test_the_costs_in_the_document_of_dataflow_are_the_benchmarks(capsys):
    text = (ROOT / "docs" / "dataflow.md").read_text().partition("## What a dump costs")[2]
    rows = [line for line in text.split("\n") if line.startswith("| ") and "---" not in line][1:]
    table = printed(capsys, "dumps=1")
    assert len(rows) > 5
    for row in rows:
        name, how, one = (cell.strip() for cell in row.strip("|").split("|"))
        assert f"| {name} | {how} | {one} |" in table


@pytest.mark.slow
def test_what_is_counted_is_as_the_figures_have_it_and_grows_with_the_pages(
    shared_data, shared_models
):
    """Twice the pages take twice of everything, and no more memory."""
    one, two = (measure(shared_data, shared_models, size, "DirectRunner") for size in (1, 2))
    stated = next(figures for figures in FIGURES["sizes"] if figures["size"] == 1)
    assert {name: getattr(one, name) for name in COUNTED} == {k: stated[k] for k in COUNTED}
    for name in COUNTED:
        assert getattr(two, name) == pytest.approx(2 * getattr(one, name), rel=0.1), name
    assert two.lines_removed == 2 * one.lines_removed and two.lines == 2 * one.lines
    assert two.worker_peak_mb < 1.3 * one.worker_peak_mb


def test_an_assumption_changes_what_follows_from_it(capsys):
    def dataflow_dollars(text: str) -> float:
        found = re.search(r"\*\*Dataflow\*\* \| sum \| ([\d,]+) \$", text)
        assert found
        return float(found[1].replace(",", ""))

    cheap = dataflow_dollars(printed(capsys, "vcpu_hour=0.01"))
    assert cheap < dataflow_dollars(printed(capsys))

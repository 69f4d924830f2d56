"""The numbers on growth and cost in the docs, compared with the benchmark's figures."""

from __future__ import annotations

import json
import re
from itertools import pairwise

from benchmarks.scale_on_paper import print_paper, with_changes
from tests.support.runs import ROOT

FIGURES = json.loads((ROOT / "benchmarks" / "scale.json").read_text())


def printed(capsys, *changes: str) -> str:
    print_paper(FIGURES, with_changes(list(changes)))
    return capsys.readouterr().out


def test_the_table_of_the_document_is_the_benchmarks(capsys):
    assert printed(capsys) in (ROOT / "docs" / "scale.md").read_text()


def test_the_costs_in_the_document_of_dataflow_are_the_benchmarks(capsys):
    text = (ROOT / "docs" / "dataflow.md").read_text().partition("## What a dump costs")[2]
    rows = [line for line in text.split("\n") if line.startswith("| ") and "---" not in line][1:]
    table = printed(capsys, "dumps=1")
    assert len(rows) > 5
    for row in rows:
        name, how, one = (cell.strip() for cell in row.strip("|").split("|"))
        assert f"| {name} | {how} | {one} |" in table


def test_memory_and_time_a_byte_stay_flat_and_the_share_of_duplicates_as_it_is():
    _, *sizes = FIGURES["sizes"]
    assert [one["size"] for one in sizes] == [1, 4, 16]
    shares = {one["lines_removed"] / one["lines"] for one in sizes}
    assert max(shares) - min(shares) < 1e-9
    peaks = [one["worker_peak_mb"] for one in sizes]
    assert max(peaks) / min(peaks) < 1.3
    seconds_per_byte = [
        (more["core_seconds"] - less["core_seconds"]) / (more["text_bytes"] - less["text_bytes"])
        for less, more in pairwise(sizes)
    ]
    assert max(seconds_per_byte) / min(seconds_per_byte) < 1.1


def test_an_assumption_changes_what_follows_from_it(capsys):
    def dataflow_dollars(text: str) -> float:
        found = re.search(r"\*\*Dataflow\*\* \| sum \| ([\d,]+) \$", text)
        assert found
        return float(found[1].replace(",", ""))

    cheap = dataflow_dollars(printed(capsys, "vcpu_hour=0.01"))
    assert cheap < dataflow_dollars(printed(capsys))

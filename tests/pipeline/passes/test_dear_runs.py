"""Runs over sources that are dear to read: the same output, whether documents are kept or not."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest

from pipeline.inspection.dropped_texts import texts_when_dropped
from pipeline.inspection.explain import explain
from pipeline.inspection.verify import verify
from pipeline.output.layout import KEPT_FOLDER
from pipeline.passes import process
from pipeline.passes.first import near_duplicates
from pipeline.passes.shards.step_times import SECONDS
from tests.support.runs import ROOT, digests, run_demo

pytestmark = pytest.mark.slow

SOURCES = ("commoncrawl_warc", "wikipedia", "books", "arxiv")


class Ran(NamedTuple):
    """A run that is whole, and how often it opened each of its input files."""

    output: Path
    data: Path
    reads: Counter[str]


def ran(folder: Path, choice: str) -> Ran:
    """Run the demo's dear sources over a copy of their data, and count what is read."""
    data, output = folder / "data", folder / "out"
    shutil.copytree(ROOT / "samples" / "data", data)
    reads: Counter[str] = Counter()
    read = process._read

    def counted(stream, split, *more):
        reads[split.name] += 1
        return read(stream, split, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "_read", counted)
        options = ("--sources", ",".join(SOURCES), "--set", f"data={data}", "--no_report")
        assert run_demo(output, *options, "--set", f"reading.keep_documents={choice}") == 0
    return Ran(output, data, reads)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Ran]:
    """Runs of the same sources, by the choice of what is kept."""
    return {
        choice: ran(tmp_path_factory.mktemp(choice), choice)
        for choice in ("auto", "always", "never")
    }


def of_results(one: Ran) -> dict[str, str]:
    """Return the digests of what a run made, which has no paths and times in it."""
    made = ("shards/", "decisions/", "ledger/", "ledger.parquet")
    return {name: digest for name, digest in digests(one.output).items() if name.startswith(made)}


def observed(one: Ran) -> list[dict[str, object]]:
    """Return what was observed, without what differs from run to run."""
    found = []
    for path in sorted(one.output.glob("observed/*/*.json")):
        made = json.loads(path.read_text())
        del made["worker_peak_bytes"]
        for step in made["steps"]:
            for name in SECONDS:
                del step[name]
        found.append(made)
    return found


def test_what_comes_out_does_not_depend_on_what_is_kept(runs):
    expected = of_results(runs["never"])
    assert len(expected) > 4 * len(SOURCES)
    for choice in ("auto", "always"):
        assert of_results(runs[choice]) == expected
        assert observed(runs[choice]) == observed(runs["never"])
        assert verify(str(runs[choice].output)) == []


def test_nothing_of_the_choice_is_noted(runs):
    for one in runs.values():
        for name in ("run.json", "manifest.json"):
            assert "keep_documents" not in (one.output / name).read_text()


def test_every_file_is_read_once_where_documents_are_kept(runs):
    for choice in ("auto", "always"):
        assert set(runs[choice].reads.values()) == {1}
    most = dict.fromkeys(SOURCES, 0)
    for name, n in runs["never"].reads.items():
        source = name.split("/")[0]
        most[source] = max(most[source], n)
    assert most == {"commoncrawl_warc": 2, "wikipedia": 2, "books": 3, "arxiv": 1}


def test_kept_documents_go_with_the_run_unless_they_are_to_stay(runs):
    for choice in ("auto", "never"):
        assert not (runs[choice].output / "work").exists()
    left = {path.name for path in (runs["always"].output / "work").iterdir()}
    assert left == {Path(KEPT_FOLDER).name}
    kept = list((runs["always"].output / KEPT_FOLDER).glob("*/*.arrow"))
    assert len(kept) == sum(1 for _ in (runs["always"].output / "plan.jsonl").open())


def test_times_of_the_reader_are_those_of_its_only_reading(runs):
    def seconds(one: Ran, source: str, step: str) -> float:
        steps = json.loads((one.output / "observed" / source / "00000.json").read_text())["steps"]
        return sum(row["processor_seconds"] for row in steps if row["step"] == step)

    for source, step in [("commoncrawl_warc", "read"), ("wikipedia", "clean_wikitext")]:
        anew = seconds(runs["never"], source, step)
        assert seconds(runs["auto"], source, step) > anew / 3


def test_a_look_at_documents_needs_no_input_where_they_stayed(runs):
    always, never = runs["always"], runs["never"]

    def texts(one: Ran, row: dict[str, str]) -> dict[str, str]:
        source = row["id"].split("/")[0]
        return texts_when_dropped(str(one.output), source, 0, {row["id"]: row["step"]})

    rows = [
        pq.read_table(never.output / f"shards/{source}/dropped-00000.parquet").to_pylist()[-1]
        for source in ("commoncrawl_warc", "wikipedia")
    ]
    expected = [(explain(str(never.output), row["id"]), texts(never, row)) for row in rows]
    away = always.data.with_name("away")
    always.data.rename(away)
    try:
        for row, (explained, text) in zip(rows, expected, strict=True):
            found = explain(str(always.output), row["id"])
            assert {**found, "path": ""} == {**explained, "path": ""}
            assert texts(always, row) == text
    finally:
        away.rename(always.data)


def test_a_run_that_is_stopped_in_its_first_pass_reads_nothing_again(runs, tmp_path):
    data = runs["auto"].data
    options = ("--sources", "books", "--set", f"data={data}", "--no_report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_duplicates.MeetInBands, "process", lambda *_: 1 / 0)
        assert run_demo(tmp_path, *options) == 1
    names = {path.name for path in (data / "books").iterdir() if path.suffix != ".md"}
    assert len(list((tmp_path / KEPT_FOLDER / "books").iterdir())) == len(names) > 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "_read", lambda *_: pytest.fail("the input was read"))
        assert run_demo(tmp_path, *options) == 0
    books = {name: d for name, d in of_results(runs["auto"]).items() if "/books/" in name}
    assert of_results(Ran(tmp_path, data, Counter())).items() >= books.items()


def test_a_stopped_run_goes_on_with_another_choice(runs, tmp_path):
    """The build alone is missing, and is made with the documents that another run has kept."""
    output = tmp_path / "out"
    shutil.copytree(runs["always"].output, output)
    for name in ("manifest.json", "ledger.parquet"):
        (output / name).unlink()
    shutil.rmtree(output / "ledger")
    data = runs["always"].data
    options = ("--sources", ",".join(SOURCES), "--set", f"data={data}", "--no_report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "_read", lambda *_: pytest.fail("the input was read"))
        assert run_demo(output, *options, "--set", "reading.keep_documents=never") == 0
    assert not (output / "work").exists()
    assert of_results(Ran(output, data, Counter())) == of_results(runs["never"])

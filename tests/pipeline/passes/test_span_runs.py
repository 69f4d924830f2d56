"""Runs that take out repeated spans: workers, windows, indexes, and what is told of documents."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.compute as pc
import pytest

from pipeline.inspection.dropped_texts import texts_when_dropped
from pipeline.inspection.explain import explain
from pipeline.output.ledger import read_ledger
from tests.support.runs import digests, run_demo
from tests.test_other_sources import kept
from tests.transforms.dedup.test_repeated_spans import gone, passage, rest

COPIED = passage(1, 400)
PAGES = [
    [COPIED, f"{passage(2, 300)}\n{COPIED}\n{passage(3, 200)}", passage(4, 100)],
    [f"{passage(5, 90)}\n{COPIED}", f"{passage(6, 300)}\n{COPIED[100:]}", COPIED],
]
LINES = [
    [json.dumps({"text": page, "url": "https://a.org"}) + "\n" for page in some] for some in PAGES
]
NAMES = [
    [f"c4/{i}.json#{len(''.join(some[:j]))}" for j in range(len(some))]
    for i, some in enumerate(LINES)
]
SHARE = 0.7
DROPPED = [NAMES[1][0], NAMES[1][2]]


def run(output: Path, files: str, *options: str, workers: int = 1, **parameters: object) -> int:
    """Run the step over some of the files."""
    given = {"keep": "first", "min_bytes": 64, "max_removed_share": SHARE, **parameters}
    settings = {
        "sources.c4.input": json.dumps([f"{output.parent}/{files}.json"]),
        "sources.c4.steps": json.dumps([{"deduplicate_spans": given}]),
    }
    options += tuple(part for n, v in settings.items() for part in ("--set", f"{n}={v}"))
    return run_demo(output, "--sources", "c4", *options, workers=workers)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder of two files of documents, and the runs over them."""
    made = tmp_path_factory.mktemp("spans")
    for i, lines in enumerate(LINES):
        (made / f"{i}.json").write_text("".join(lines))
    assert run(made / "joint", "*", index=True) == 0
    return made


def texts(output: Path) -> dict[str, str]:
    """Return the texts that were kept."""
    return {name: explain(str(output), name)["text"] for name in kept(output, "c4")}


def expected() -> dict[str, str]:
    """Return what plain Python keeps of the pages of both files, the first ones first."""
    names = [name for some in NAMES for name in some]
    pages = [page for some in PAGES for page in some]
    made = zip(names, pages, gone(pages), strict=True)
    return {name: rest(page, mask) for name, page, mask in made if mask.mean() <= SHARE}


def test_what_is_kept_is_what_plain_python_keeps(folder):
    made = texts(folder / "joint")
    assert made == expected()
    assert sorted(set(NAMES[1]) - set(made)) == DROPPED
    assert len(made[NAMES[0][1]]) < 600


@pytest.mark.slow
def test_two_workers_write_the_same_bytes(folder):
    assert run(folder / "two", "*", workers=2, index=True) == 0
    assert digests(folder / "two") == digests(folder / "joint")


def test_windows_bound_what_is_compared(folder):
    assert run(folder / "windows", "*", window_files=1) == 0
    made = texts(folder / "windows")
    assert made[NAMES[1][0]] == PAGES[1][0]
    assert made[NAMES[0][1]] == expected()[NAMES[0][1]]


def test_runs_against_an_index_keep_what_a_joint_run_keeps(folder, capsys):
    assert run(folder / "older", "0", index=True) == 0
    card = folder / "older" / "indexes" / "c4" / "step0" / "card.json"
    assert json.loads(card.read_text())["unit"] == "DeduplicateSpans"
    assert run(folder / "newer", "1", against=[str(card)]) == 0
    assert texts(folder / "older") | texts(folder / "newer") == expected()
    told = explain(str(folder / "newer"), NAMES[1][1])
    (decision,) = (one for one in told["decisions"] if one["step"] == "deduplicate_spans")
    assert {one["index"] for one in decision["removed_lines"]} == {str(card)}
    capsys.readouterr()
    assert run(folder / "refused", "1", against=[str(card)], min_bytes=65) != 0
    assert "not with {'min_bytes': 65}" in capsys.readouterr().err


def test_documents_tell_what_was_taken_out(folder):
    output = str(folder / "joint")
    dropped = read_ledger(output).filter(pc.field("reason") == "repeated_spans").to_pylist()
    assert [(row["step"], row["documents"]) for row in dropped] == [("deduplicate_spans", 2)]
    told = explain(output, NAMES[0][1])
    (decision,) = (one for one in told["decisions"] if one["step"] == "deduplicate_spans")
    listed = decision["removed_lines"]
    assert {one["reason"] for one in listed} == {"repeated_span"}
    for one in listed:
        assert one["copy"]["id"] == NAMES[0][0] and one["copy"]["stays"]
        assert one["text"] in PAGES[0][0].split("\n")[one["copy"]["line"]]
    assert decision["characters_before"] > decision["characters_after"] == len(told["text"])
    told = explain(output, DROPPED[0])
    assert (told["dropped_by"], told["dropped_at"]) == ("repeated_spans", "deduplicate_spans")
    names = dict.fromkeys(DROPPED, "deduplicate_spans")
    dropped = texts_when_dropped(output, "c4", 0, names)
    assert dropped == dict(zip(DROPPED, [PAGES[1][0], PAGES[1][2]], strict=True))

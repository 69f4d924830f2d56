"""What a command tells while it runs: to programs, to the log of the run, to people."""

from __future__ import annotations

import json

import pytest

from tests.support.runs import run_demo

pytestmark = pytest.mark.slow

ONE = ["--sources", "c4", "--workers", "1", "--no_report"]


def told(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_events_are_lines_of_json_alone_and_stand_in_the_log_of_the_run(tmp_path, capsys):
    output = tmp_path / "out"
    assert run_demo(output, *ONE, "--json", "--verbose") == 0
    printed = capsys.readouterr()
    events = told(printed.out)
    assert [event["event"] for event in events] == [
        "run", "pass", "pass_done", "pass", "pass_done", "done", "corpus",
    ]  # fmt: skip
    first, second = (event for event in events if event["event"] == "pass_done")
    assert first["documents"] == 380 and second["name"] == "build"
    assert events[-1]["sources"]["c4"]["train_documents"] > 300
    assert "Mixture of" in printed.err and "build: " not in printed.out
    assert "pass_done: name=build seconds=" in printed.err
    assert told((output / "observed" / "events.jsonl").read_text()) == events[:-1]

    assert run_demo(output, *ONE, "--json") == 0
    (event,) = told(capsys.readouterr().out)
    assert event["event"] == "corpus" and event["was_complete"]
    assert told((output / "observed" / "events.jsonl").read_text()) == events[:-1]


def test_what_stops_a_run_is_an_event(tmp_path, capsys, monkeypatch):
    (tmp_path / "step_that_stops.py").write_text("def stop(batch):\n    raise KeyError('why')\n")
    monkeypatch.syspath_prepend(tmp_path)
    output = tmp_path / "out"
    stops = ["--set", "sources.c4.steps=[step_that_stops.stop: {}]", "--json"]
    assert run_demo(output, *ONE, *stops) == 1
    last = told(capsys.readouterr().out)[-1]
    assert last["event"] == "stopped" and "step_that_stops.stop of source c4" in last["error"]
    assert told((output / "observed" / "events.jsonl").read_text())[-1] == last


def test_a_dry_run_tells_estimates_and_trials(tmp_path, capsys):
    assert run_demo(tmp_path / "out", *ONE[:2], "--dry_run", "--json") == 0
    estimate, trial = told(capsys.readouterr().out)
    assert (estimate["event"], estimate["source"], estimate["shards"]) == ("estimate", "c4", 1)
    assert (trial["event"], trial["read"], trial["kept"]) == ("trial", 100, 100)

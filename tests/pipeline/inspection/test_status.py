"""How far a run is, in each of its states. A killed run is in tests/test_beam_runner.py."""

from __future__ import annotations

import json
import shutil

import pytest

from pipeline.commands.main import main
from pipeline.output.output_folder import locked


@pytest.fixture
def run(demo_run, tmp_path):
    """What of a finished run tells how far it is."""
    for name in ("run.json", "plan.jsonl", "manifest.json"):
        shutil.copy(demo_run / name, tmp_path / name)
    shutil.copytree(demo_run / "ledger", tmp_path / "ledger")
    return tmp_path


def state(capsys, output) -> tuple[int, dict]:
    ended = main(["status", str(output), "--json"])
    return ended, json.loads(capsys.readouterr().out)


def test_a_run_is_finished_stopped_or_at_work(run, capsys):
    ended, found = state(capsys, run)
    assert (ended, found["state"]) == (0, "finished")
    assert all(one["bytes_done"] == one["bytes"] > 0 for one in found["sources"].values())
    (run / "manifest.json").unlink()
    next(run.glob("ledger/c4/*.json")).unlink()
    (run / "error.txt").write_text("Traceback\nOSError: no space left on device\n")
    (run / "work").mkdir()
    (run / "work" / "command.txt").write_text("corpus run --output 'my out'\n")
    ended, found = state(capsys, run)
    assert (ended, found["state"]) == (1, "stopped")
    c4 = found["sources"]["c4"]
    assert c4["shards_done"] == c4["shards"] - 1 and c4["bytes_done"] < c4["bytes"]
    assert main(["status", str(run)]) == 1
    printed = capsys.readouterr().out
    assert "what stopped it: OSError: no space left on device" in printed
    assert "to go on from here: corpus run --output 'my out'" in printed
    with locked(str(run)):
        ended, found = state(capsys, run)
        assert (ended, found["state"], found["go_on"]) == (1, "running", None)


def test_a_folder_without_a_run_is_told_in_a_line(tmp_path, capsys):
    assert main(["status", str(tmp_path)]) == 2
    assert "there is no run in it" in capsys.readouterr().err

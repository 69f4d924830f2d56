"""Times of a run, noted by the commands that bring it to its end."""

from __future__ import annotations

import json

import pytest

from pipeline.output.layout import RUN_TIMES_NAME
from pipeline.output.run_times import run_times, timed


def test_commands_that_end_well_are_added_up(tmp_path):
    output = str(tmp_path)
    assert run_times(output) is None
    for _ in range(2):
        with timed(output):
            pass
    found = run_times(output)
    rows = json.loads((tmp_path / RUN_TIMES_NAME).read_text())["commands"]
    assert found.commands == len(rows) == 2
    assert found.seconds == sum(row["seconds"] for row in rows) > 0
    assert found.ended == rows[1]["ended"] and found.ended.endswith("+00:00")
    assert found.command == rows[1]["command"] != ""


def test_a_command_that_is_stopped_notes_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), timed(str(tmp_path)):
        raise KeyboardInterrupt
    assert not (tmp_path / RUN_TIMES_NAME).exists()


def test_a_note_that_cannot_be_written_is_left_out(tmp_path):
    (tmp_path / "observed").touch()  # a file where the folder would be
    with timed(str(tmp_path)):
        pass
    assert run_times(str(tmp_path)) is None

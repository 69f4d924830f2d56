"""Lines of progress where there is no terminal."""

from __future__ import annotations

import io

from pipeline.commands.summary import core_time
from pipeline.output import progress
from pipeline.output.progress import ProgressDisplay


def test_a_line_that_says_nothing_new_is_held_back(tmp_path, monkeypatch):
    stream = io.StringIO()
    display = ProgressDisplay(str(tmp_path), "build", "build", 2_000_000, stream=stream)
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    display._started = 0.0
    for clock[0], done in ((10, 0), (20, 0), (30, 1_000_000), (40, 1_000_000), (61, 1_000_000)):
        display._draw(done)
    display._draw(2_000_000)
    display._draw(2_000_000, is_over=True)
    assert [line.split(": ", 1)[1] for line in stream.getvalue().splitlines()] == [
        "0.0 of 2.0 MB, ...",
        "1.0 of 2.0 MB, 0:30 left",
        "1.0 of 2.0 MB, 1:01 left",
        "2.0 of 2.0 MB, all read",
        "2.0 of 2.0 MB, done in 1:01",
    ]


def test_times_have_units_that_suit_them():
    times = [core_time(hours) for hours in (1.72e-07, 0.5, 2_504.3)]
    assert times == ["0.00062 core-seconds", "30 core-minutes", "2,504 core-hours"]

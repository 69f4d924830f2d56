"""Lines of progress where there is no terminal."""

from __future__ import annotations

import io

from pipeline.commands.summary import core_time
from pipeline.output import progress
from pipeline.output.progress import Done, ProgressDisplay


def test_a_line_that_says_nothing_new_is_held_back(tmp_path, monkeypatch):
    stream = io.StringIO()
    display = ProgressDisplay(str(tmp_path), "build", "build", 2_000_000, stream=stream)
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    display._started = 0.0
    for clock[0], done, documents in (
        (10, 0, 0), (20, 0, 0), (30, 1_000_000, 5_000), (40, 1_000_000, 5_000),
        (61, 1_000_000, 5_000),
    ):  # fmt: skip
        display._draw(Done(done, documents))
    display._draw(Done(2_000_000, 9_150))
    display._draw(Done(2_000_000, 9_150), is_over=True)
    assert [line.split(": ", 1)[1] for line in stream.getvalue().splitlines()] == [
        "0.0 of 2.0 MB, starting workers",
        "1.0 of 2.0 MB, 5,000 documents (167 a second), 0:10 left",
        "1.0 of 2.0 MB, 5,000 documents (82 a second), 0:41 left",
        "2.0 of 2.0 MB, 9,150 documents (150 a second), all read",
        "2.0 of 2.0 MB, 9,150 documents (150 a second), done in 1:01",
    ]


def test_times_have_units_that_suit_them():
    times = [core_time(hours) for hours in (1.72e-07, 0.5, 2_504.3)]
    assert times == ["0.00062 core-seconds", "30 core-minutes", "2,504 core-hours"]

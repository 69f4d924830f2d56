"""Times of steps, taken by laps, and added up with those that were taken before."""

from __future__ import annotations

import time

import pyarrow as pa

from pipeline.passes.shards.step_times import StepTimes
from transforms.documents import SCHEMA

BATCH = pa.RecordBatch.from_pylist([{"id": "s/f#0", "text": "four"}], schema=SCHEMA)


def test_a_lap_is_the_time_since_the_last_one():
    times = StepTimes()
    time.sleep(0.02)
    times.restart()
    times.lap("read", BATCH)
    time.sleep(0.02)
    times.lap("a_step", BATCH)
    times.lap("read")
    read, step = times.rows()
    assert (read["step"], read["calls"], read["text_bytes"]) == ("read", 1, 4)
    assert (step["step"], step["calls"], step["text_bytes"]) == ("a_step", 1, 4)
    assert read["elapsed_seconds"] < 0.02 <= step["elapsed_seconds"]
    assert 0 < step["processor_seconds"] < 0.02


def test_times_of_before_add_seconds_and_no_calls():
    times = StepTimes()
    times.lap("read", BATCH)
    (own,) = times.rows()
    earlier = {"calls": 9, "text_bytes": 9, "processor_seconds": 2.0, "elapsed_seconds": 3.0}
    times.add([{"step": "read", **earlier}, {"step": "gone", **earlier}])
    read, gone = times.rows()
    assert read["processor_seconds"] == own["processor_seconds"] + 2
    assert read["elapsed_seconds"] == own["elapsed_seconds"] + 3
    assert (read["calls"], read["text_bytes"]) == (1, 4)
    assert (gone["calls"], gone["processor_seconds"]) == (0, 2)

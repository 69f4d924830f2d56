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


def test_the_first_use_in_a_process_is_known_and_counts_in_all_as_well():
    first, second = StepTimes(), StepTimes()
    for times in (first, second):
        for _ in range(2):
            times.lap("a step that nobody else has", BATCH)
    (began,), (went_on,) = first.rows(), second.rows()
    assert 0 < began["first_processor_seconds"] < began["processor_seconds"]
    assert went_on["first_processor_seconds"] == 0 < went_on["processor_seconds"]
    second.add([began])
    (added,) = second.rows()
    assert added["first_processor_seconds"] == began["first_processor_seconds"]

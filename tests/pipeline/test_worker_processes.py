"""A worker process that ends too early ends the pipeline, in a line that says how."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.worker_processes import _told
from tests.runs import ROOT

ENDING = """
import argparse, logging, sys
logging.basicConfig(level=logging.ERROR)
import apache_beam as beam
from pipeline.execution import execution

options = argparse.Namespace(runner="DirectRunner", workers=2, memory_bytes=None)
try:
    with execution(options, [], sys.argv[1]).pipeline() as pipeline:
        _ = pipeline | beam.Create([1]) | beam.Map(lambda _: __import__("os")._exit(0))
except Exception as error:
    print(str(error).splitlines()[-1])
"""


@pytest.mark.slow
def test_a_worker_that_ends_with_status_0_ends_the_pipeline(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ENDING, tmp_path],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.stdout == "a worker process ended with exit status 0\n", done.stderr[-2000:]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        ("exited with return code 3", "ended with exit status 3"),
        ("exited with return code -9", "was killed (SIGKILL): by the system, if memory ran out"),
        ("exited with return code -40", "ended: exited with return code -40"),  # has no name
        ("cannot start", "ended: cannot start"),
    ],
)
def test_how_a_worker_ended_is_told(ended, told):
    assert _told(ended) == f"a worker process {told}"

"""The message about an error that stopped a run."""

from __future__ import annotations

import grpc
import pytest

from pipeline.errors import ERROR_NAME
from pipeline.runners import stops
from pipeline.runners.stops import note_stop

OF_SPARK = """Pipeline job failed in state FAILED: org.apache.spark.SparkException: Job aborted: \
Task 0 in stage 1.0 failed 4 times, most recent failure: java.lang.RuntimeException: Traceback:
  File "storage.py", line 160, in write_whole
OSError: no space left on device [while running 'BuildShard']

\tat org.apache.beam.runners.fnexecution.control.FnApiControlClient.fail(FnApiControlClient.java:8)
\t... 1 more

Driver stacktrace:
"""


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (OF_SPARK, "OSError: no space left on device [while running 'BuildShard']"),
        ("Traceback:\nOSError: no space left on device\n", "OSError: no space left on device"),
        ("value " + "0, " * 10_000, "value " + "0, " * 98),
        ("", "RuntimeError('')"),
    ],
)
def test_the_reason_of_a_stop_is_one_short_line(tmp_path, message, expected):
    line = note_stop(str(tmp_path), RuntimeError(message))
    assert line.startswith(f"error: the run stopped: {expected} (") and "\n" not in line
    assert message in (tmp_path / ERROR_NAME).read_text()


class Failed(grpc.RpcError, grpc.Call):
    """The exception that a failing call of the job server raises."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self._code, self._details = code, details

    def code(self):
        return self._code

    def details(self):
        return self._details


Failed.__abstractmethods__ = frozenset()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Failed(grpc.StatusCode.UNAVAILABLE, "Socket closed"), "the job server is gone"),
        (Failed(grpc.StatusCode.INVALID_ARGUMENT, "no option x"), "no option x"),
        (grpc.FutureTimeoutError(), "no job server answers"),
    ],
)
def test_what_the_job_server_says_is_told(tmp_path, error, expected):
    assert f"the run stopped: {expected}" in note_stop(str(tmp_path), error)


def test_a_stop_is_told_where_nothing_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(stops.tempfile, "tempdir", str(tmp_path / "nowhere"))
    line = note_stop(str(tmp_path / "file" / "out"), OSError("no space left"))
    assert "the run stopped: no space left (there was no room for more)" in line

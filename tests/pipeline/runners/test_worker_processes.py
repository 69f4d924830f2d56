"""The message about the end of a worker process, in one line."""

from __future__ import annotations

import pytest

from pipeline.runners.worker_processes import _reason_of_end


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        ("exited with return code 3", "ended with exit status 3"),
        ("exited with return code -9", "was killed (SIGKILL): by the system, if memory ran out"),
        # Signal 40 has no name.
        ("exited with return code -40", "ended: exited with return code -40"),
        ("cannot start", "ended: cannot start"),
    ],
)
def test_how_a_worker_ended_is_told(ended, told):
    assert _reason_of_end(ended) == f"a worker process {told}"

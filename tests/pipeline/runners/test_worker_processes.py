"""The message about the end of a worker process, in one line."""

from __future__ import annotations

import pytest

from pipeline.runners.worker_processes import _reason_of_end


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (3, "ended with exit status 3"),
        (-9, "was killed (SIGKILL): by the system, if memory ran out"),
        (-40, "was killed (signal 40): by the system, if memory ran out"),  # it has no name
    ],
)
def test_how_a_worker_ended_is_told(ended, told):
    assert _reason_of_end(ended) == f"a worker process {told}"

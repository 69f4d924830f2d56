"""When commands brought a run to its end, and how long they took: ``observed/run.json``.

No byte of the output and no comparison of runs depends on it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import Any, NamedTuple

from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.output.again import again
from pipeline.output.layout import RUN_TIMES_NAME


class RunTimes(NamedTuple):
    """What the commands that brought a run to its end took, the first one and later changes."""

    ended: str  # when the newest one was done, in UTC
    seconds: float  # of all of them
    commands: int
    command: str  # the newest one


@contextmanager
def timed(output: str) -> Iterator[None]:
    """Note the time that the block takes, if it ends well, for the command that runs it.

    It adds to what earlier commands noted. A command that is stopped notes nothing. What cannot be
    written is left out, since the run is whole without it.
    """
    started = time.monotonic()
    yield
    ended = datetime.now(timezone.utc).isoformat(timespec="seconds")
    row = {"ended": ended, "seconds": time.monotonic() - started, "command": again()}
    told = storage.json_bytes({"commands": [*_rows(output), row]})
    with suppress(OSError):
        whole_files.write_bytes(output, RUN_TIMES_NAME, told)


def run_times(output: str) -> RunTimes | None:
    """Return the times of a run; None for one of a version that noted none."""
    rows = _rows(output)
    if not rows:
        return None
    seconds = sum(row["seconds"] for row in rows)
    return RunTimes(rows[-1]["ended"], seconds, len(rows), rows[-1]["command"])


def _rows(output: str) -> list[dict[str, Any]]:
    path = storage.join(output, RUN_TIMES_NAME)
    rows: list[dict[str, Any]] = storage.read_json(path)["commands"] if storage.exists(path) else []
    return rows

"""The process that reads hostile files. It is warmed up, limited, and replaced when it dies.

It reads jobs from its standard input, a JSON object a line, and answers each with a line. Time and
memory for a file depend on its size alone (:func:`allowed`).
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

ADDRESS_BYTES = 4 << 30
"""Address space of the whole process, in bytes. A request for more fails, and ends the worker."""

SECONDS = 5.0
SECONDS_PER_MB = 30.0
MEMORY_BYTES = 400 << 20
MEMORY_BYTES_PER_BYTE = 60


class Allowance(NamedTuple):
    """Limits for one file: processor time, and memory beyond the idle worker's."""

    seconds: float
    memory_bytes: int


def allowed(size: int) -> Allowance:
    """Return the limits for a file of ``size`` bytes, unpacking included (docs/hostile.md)."""
    seconds = SECONDS + SECONDS_PER_MB * size / 1e6
    return Allowance(seconds, MEMORY_BYTES + MEMORY_BYTES_PER_BYTE * size)


class OvertimeError(BaseException):
    """The error of a file that takes too long. No ``Exception``, so that no code catches it."""


def main() -> None:
    """Answer jobs until the input ends."""
    faulthandler.enable()
    from tests.hostile import checks

    signal.signal(signal.SIGPROF, _overtime)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of libraries must not mix with the answers
    _warm()
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize:") + ADDRESS_BYTES,) * 2)
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        job: dict[str, Any] = json.loads(line)
        answer = _answer(checks.examine, job)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _warm() -> None:
    """Load models and compile kernels on sound files."""
    from tests.hostile import checks
    from tests.hostile.bases import bases

    with _scratch() as folder:
        for reader, some in bases().items():
            path = folder / Path(some[0].name).name
            path.write_bytes(some[0].data())
            checks.examine(reader, some[0].name, str(path), small=False)
            checks.examine(reader, some[0].name, str(path), small=True)


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _overtime(signum: int, frame: FrameType | None) -> None:
    raise OvertimeError


def _answer(examine: Any, job: dict[str, Any]) -> dict[str, Any]:
    limit = Allowance(*job["allowed"])
    _forget_peak()
    idle = _status("VmRSS:")
    begin = time.process_time()
    error = counts = None
    signal.setitimer(signal.ITIMER_PROF, limit.seconds)
    try:
        counts = examine(job["reader"], job["name"], job["path"], small=job["small"])
    except OvertimeError:
        error = f"takes over {limit.seconds:.0f} s\n{traceback.format_exc(limit=-8)}"
    except BaseException:
        error = traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    memory = max(0, _status("VmHWM:") - idle)
    if error is None and memory > limit.memory_bytes:
        error = f"takes {memory >> 20} MB of memory, over {limit.memory_bytes >> 20} MB"
    return {
        "error": error,
        "counts": counts,
        "seconds": time.process_time() - begin,
        "memory_bytes": memory,
    }


def _forget_peak() -> None:
    """Reset the peak of the memory (proc(5), clear_refs)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _status(field: str) -> int:
    text = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith(field))


if __name__ == "__main__":
    main()

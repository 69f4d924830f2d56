"""A harness that gives hostile files to a limited worker, and starts another when it dies."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from tests.conftest import ROOT
from tests.hostile.worker import Allowance, allowed

START_SECONDS = 300
WALL_SECONDS_PER_SECOND = 4  # wall time for each second of processor time, on a loaded machine


class Outcome(NamedTuple):
    """The outcome of a file. ``error`` is None if every promise was kept."""

    error: str | None
    seconds: float
    memory_bytes: int
    counts: dict[str, int]


class Harness:
    """A worker, and a folder in which only the worker's own files may appear."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="hostile-")
        self.root = Path(self._folder.name)
        for name in ("input", "canary", "tmp"):
            (self.root / name).mkdir()
        (self.root / "canary" / "bird").write_text("alive")
        self._worker: subprocess.Popen[str] | None = None

    def __enter__(self) -> Harness:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        self._folder.cleanup()

    def run(
        self, reader: str, name: str, data: bytes, *, small: bool, limit: Allowance | None = None
    ) -> Outcome:
        """Write a file with this content and name, and let the worker read it."""
        path = self.root / "input" / Path(name).name
        path.write_bytes(data)
        try:
            return self.run_file(reader, name, path, small=small, limit=limit)
        finally:
            path.unlink()

    def run_file(
        self, reader: str, name: str, path: Path, *, small: bool, limit: Allowance | None = None
    ) -> Outcome:
        """Let the worker read a file in :attr:`root`'s folder ``input``."""
        limit = limit or allowed(path.stat().st_size)
        worker = self._started()
        job = {
            "reader": reader, "name": name, "path": str(path), "small": small, "allowed": limit,
        }  # fmt: skip
        assert worker.stdin
        worker.stdin.write(json.dumps(job) + "\n")
        worker.stdin.flush()
        line = self._line(WALL_SECONDS_PER_SECOND * limit.seconds + 10)
        if line is None:
            self._end()
            return Outcome("hangs, and cannot be stopped from within", limit.seconds, 0, {})
        if not line:
            log = self._log()
            self._end()
            return Outcome(f"the worker died: {worker.returncode}\n{log}", 0, 0, {})
        answer: dict[str, Any] = json.loads(line)
        error = answer["error"] or self._strayed()
        if error:  # a failure may have left files behind
            self._end()
        return Outcome(error, answer["seconds"], answer["memory_bytes"], answer["counts"] or {})

    def _started(self) -> subprocess.Popen[str]:
        if self._worker is None:
            environment = {
                "PYTHONPATH": str(ROOT), "TMPDIR": str(self.root / "tmp"), "OMP_NUM_THREADS": "1",
                "HF_HUB_OFFLINE": "1",
            }  # fmt: skip
            with (self.root / "log").open("w") as log:
                self._worker = subprocess.Popen(
                    [sys.executable, "-m", "tests.hostile.worker"],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                    cwd=self.root / "canary", env=os.environ | environment,
                )  # fmt: skip
            ready = self._line(START_SECONDS)
            if ready != "ready\n":
                raise RuntimeError(f"the worker does not start:\n{self._log()}")
        return self._worker

    def _line(self, seconds: float) -> str | None:
        """Return the worker's next line, "" if it died, None if it takes over ``seconds``."""
        assert self._worker and self._worker.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(self._worker.stdout, selectors.EVENT_READ)
            if not selector.select(seconds):
                return None
        return self._worker.stdout.readline()

    def _log(self) -> str:
        return (self.root / "log").read_text(errors="replace")[-3_000:]

    def _end(self) -> None:
        if self._worker is None:
            return
        self._worker.send_signal(signal.SIGKILL)
        self._worker.communicate()
        self._worker = None
        for left in (self.root / "tmp").iterdir():
            shutil.rmtree(left)

    def _strayed(self) -> str | None:
        """Return an error for files outside of the worker's own, None where there are none."""
        places = {
            self.root: {"input", "canary", "tmp", "log"},
            self.root / "canary": {"bird"},
            self.root / "tmp": set(),
        }
        for folder, expected in places.items():
            names = {path.name for path in folder.iterdir()}
            if names != expected:
                return f"written outside of the output folder: {sorted(names ^ expected)}"
        if (self.root / "canary" / "bird").read_text() != "alive":
            return "a file outside of the output folder was changed"
        return None

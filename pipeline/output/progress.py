"""Progress of a pass: workers write marks to the output folder, the command draws a bar.

A mark is a small file that says how many bytes and documents of a split are done.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TextIO

import pyarrow as pa

from pipeline.files import storage
from pipeline.output.events import tell
from pipeline.output.layout import Split

PROGRESS_FOLDER = "work/progress"
"""Folder of the marks, in the output folder."""
MARK_SECONDS = 0.5
"""Seconds between two marks of a split."""

TOLD_SECONDS = 10.0
"""Least time between two events of progress, in seconds."""

UNCHANGED_SECONDS = 30.0
"""Seconds before a line of progress is printed again although its counts have not changed."""


class ProgressLog:
    """The mark of one split in one pass.

    Marks are written to local output folders only; in a bucket, only whole splits are counted. The
    bytes done within a split are an estimate from the text seen so far. The last mark, at the end
    of the split, is exact. A task that outlives its run finds no folder for marks and writes none.
    """

    def __init__(self, output: str, name: str, split: Split) -> None:
        self.split = split
        self.path: Path | None = None
        if not storage.is_remote(output):
            folder = Path(output) / PROGRESS_FOLDER / name
            with suppress(FileNotFoundError):
                folder.mkdir(exist_ok=True)
                self.path = folder / f"{split.source}-{split.split:06d}-{uuid.uuid4().hex[:8]}"
        self._documents = 0
        self._last = time.monotonic()

    def watch(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches unchanged, and write a mark every :data:`MARK_SECONDS`."""
        seen = 0.0
        for batch in batches:
            yield batch
            self._documents += batch.num_rows
            seen += batch.nbytes / 4
            if time.monotonic() - self._last > MARK_SECONDS:
                self._mark(int(min(seen, self.split.n_bytes * 0.95)))

    def done(self) -> None:
        """Mark the whole split as done."""
        self._mark(self.split.n_bytes)

    def _mark(self, n_bytes: int) -> None:
        self._last = time.monotonic()
        if self.path is not None:
            mark = {"source": self.split.source, "split": self.split.split, "bytes": n_bytes,
                    "documents": self._documents}  # fmt: skip
            with suppress(FileNotFoundError):
                self.path.write_text(json.dumps(mark))


class Done(NamedTuple):
    """What of a pass is done."""

    n_bytes: int
    documents: int  # or records, where the pass reads these


def done_of(output: str, name: str) -> Done:
    """Add up what is done in a pass. Of several tries at one split, the furthest counts."""
    best: dict[tuple[str, int], Done] = {}
    folder = Path(output) / PROGRESS_FOLDER / name
    if storage.is_remote(output) or not folder.is_dir():
        return Done(0, 0)
    for path in folder.iterdir():
        try:
            mark = json.loads(path.read_text())
        except (OSError, ValueError):
            continue  # a mark that is being written counts the next time
        key = (mark["source"], mark["split"])
        best[key] = max(best.get(key, Done(0, 0)), Done(mark["bytes"], mark["documents"]))
    return Done(*map(sum, zip(*best.values(), strict=True))) if best else Done(0, 0)


class ProgressDisplay:
    """A context manager that shows a pass's progress: a bar on a terminal, lines elsewhere."""

    def __init__(
        self, output: str, name: str, label: str, total_bytes: int, already: int = 0,
        stream: TextIO | None = None,
    ) -> None:  # fmt: skip
        self.output, self.name, self.label = output, name, label
        self.total, self.already = max(total_bytes, 1), already
        self.stream = stream or sys.stderr
        self.on_terminal = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self._last_counts, self._last_line = "", 0.0
        self._told = self._began = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> ProgressDisplay:
        self._started = time.monotonic()
        if not storage.is_remote(self.output):
            Path(self.output, PROGRESS_FOLDER).mkdir(parents=True, exist_ok=True)
        tell("pass", name=self.name, bytes=self.total, bytes_done=self.already)
        self._draw(Done(0, 0))
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if kind is None:
            whole = Done(self.total - self.already, done_of(self.output, self.name).documents)
            self._draw(whole, is_over=True)
            if self.on_terminal:
                self.stream.write("\n")
            seconds = round(time.monotonic() - self._started, 3)
            tell("pass_done", name=self.name, seconds=seconds, documents=whole.documents)

    def _watch(self) -> None:
        pause = 0.5 if self.on_terminal else 10.0
        while not self._stop.wait(pause):
            self._draw(done_of(self.output, self.name))

    def _draw(self, new: Done, *, is_over: bool = False) -> None:
        """Show what this command has done of the pass."""
        now = time.monotonic()
        elapsed = now - self._started
        n_bytes = min(self.already + new.n_bytes, self.total)
        if is_over:
            left = f"done in {_clock(elapsed)}"
        elif not new.n_bytes:
            self._began = now  # what follows is time in which something was read
            left = "starting workers"
        elif n_bytes >= self.total:
            left = "all read"  # the pass still compares or writes what it has read
        else:
            seconds = (now - self._began) * (self.total - n_bytes) / new.n_bytes
            left = f"{_clock(seconds)} left"
        counts = told = f"{n_bytes / 1e6:,.1f} of {self.total / 1e6:,.1f} MB"
        if new.documents:
            told = f"{counts}, {new.documents:,} documents"
            told += f" ({new.documents / elapsed:,.0f} a second)" if elapsed >= 1 else ""
        if self.on_terminal:
            filled = int(30 * n_bytes / self.total)
            bar = "#" * filled + "-" * (30 - filled)
            self.stream.write(f"\r{self.label:<28} [{bar}] {told}, {left}\x1b[K")
        elif (
            is_over or counts != self._last_counts or elapsed - self._last_line > UNCHANGED_SECONDS
        ):
            self._last_counts, self._last_line = counts, elapsed
            self.stream.write(f"{self.label}: {told}, {left}\n")
        self.stream.flush()
        if new.n_bytes and not is_over and now - self._told >= TOLD_SECONDS:
            self._told = now
            tell("progress", name=self.name, bytes_done=n_bytes, documents=new.documents)


def _clock(seconds: float) -> str:
    minutes, whole = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{whole:02d}" if hours else f"{minutes}:{whole:02d}"

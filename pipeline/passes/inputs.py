"""Inputs as they were planned: compared when they are opened, and when they have been read.

Both passes read the inputs, and the second one applies decisions of the first by number. So no file
may change between the plan and the end of the run. Its content is not hashed for that: the plan
notes the size and the time of a file on this machine, and the checksum that a bucket keeps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import ChangedError
from pipeline.files import storage
from pipeline.output.layout import Split

ADVICE = "put it back as it was, with its time (cp -p), or run again with --start_over"
"""What to do about an input that has changed, for error messages."""


@contextmanager
def opened(split: Split) -> Iterator[BinaryIO]:
    """Open a split's file. Raises ChangedError where it is not as planned, before or afterwards.

    Where the block is left early, nothing is compared at its end.
    """
    check_input(split)
    with storage.open_read(split.path) as stream:
        yield stream
    check_input(split)


def check_input(split: Split) -> None:
    """Raise ChangedError where the file of a split is not what it was when it was planned."""
    if change := _change(split):
        raise ChangedError(
            f"the input {split.path} has changed since it was planned: {change}; {ADVICE}"
        )


def _change(split: Split) -> str | None:
    if storage.is_remote(split.path):
        if split.checksum is None:
            return None
        if not storage.exists(split.path):
            return "it is not there any more"
        now = storage.checksum(split.path)
        return None if now == split.checksum else f"its checksum was {split.checksum}, is {now}"
    is_known = split.file_bytes is not None or split.modified
    try:
        info = storage.local_info(split.path)
    except FileNotFoundError:
        return "it is not there any more"
    if not is_known or not Path(split.path).is_file():  # a pipe is written while it is read
        return None
    if split.file_bytes is not None and info.n_bytes != split.file_bytes:
        return f"it had {split.file_bytes:,} bytes, has {info.n_bytes:,}"
    if info.modified != split.modified:
        return f"it was of {_time(split.modified)}, is of {_time(info.modified)}"
    return None


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(" ")

"""Events of a command that runs pipelines, for programs and logs: one flat record each.

Whoever wants them listens while a block runs. Nobody has to: an event that nobody hears is gone.
``docs/formats.md`` lists the events.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TextIO

from pipeline.files import storage
from pipeline.output.layout import EVENTS_NAME

Listener = Callable[[dict[str, Any]], None]

_listeners: list[Listener] = []
_one_at_a_time = threading.Lock()  # progress is told by a thread of its own


def tell(event: str, **fields: Any) -> None:
    """Tell an event to all who listen, with the time in UTC."""
    if _listeners:
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        with _one_at_a_time:
            for listener in _listeners:
                listener({"time": now, "event": event, **fields})


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Let a listener hear the events within the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def json_lines_to(stream: TextIO) -> Listener:
    """Return a listener that writes JSON lines to a stream."""

    def hear(event: dict[str, Any]) -> None:
        stream.write(json.dumps(event) + "\n")
        stream.flush()

    return hear


@contextmanager
def logged(output: str) -> Iterator[None]:
    """Add the events of the block to the log of a run's folder on this machine.

    A bucket has no files to add to. What cannot be written is left out: no run stops for its log.
    """
    if storage.is_remote(output):
        yield
        return
    path = Path(output, EVENTS_NAME)

    def hear(event: dict[str, Any]) -> None:
        with suppress(OSError):
            path.parent.mkdir(exist_ok=True)
            with path.open("a") as file:
                file.write(json.dumps(event) + "\n")

    with heard_by(hear):
        yield

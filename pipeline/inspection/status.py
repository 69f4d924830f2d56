"""How far a run is: finished, at work or stopped; what is done of it, and how it goes on."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

from pipeline.errors import ERROR_NAME
from pipeline.files import storage
from pipeline.output.again import COMMAND_NAME
from pipeline.output.layout import MANIFEST_NAME, RUN_NAME, read_shards, shard_ledger_name
from pipeline.output.progress import PROGRESS_FOLDER, done_of


def status(output: str) -> dict[str, Any]:
    """Return the state of the run in a folder, with what is done source by source.

    The state is ``finished``, ``running`` or ``stopped``. Raises ValueError where there is no run.
    A run in a bucket, which no lock guards, counts as stopped until it is finished.
    """
    if not storage.exists(storage.join(output, RUN_NAME)):
        raise ValueError(f"{output}: there is no run in it")
    there = storage.list_names(output, "ledger")
    sources: dict[str, dict[str, int]] = {}
    for shard in read_shards(output):
        counts = sources.setdefault(
            shard.source, {"shards": 0, "shards_done": 0, "bytes": 0, "bytes_done": 0}
        )
        n_bytes = sum(split.n_bytes for split in shard.splits)
        counts["shards"] += 1
        counts["bytes"] += n_bytes
        if shard_ledger_name(shard.source, shard.shard) in there:
            counts["shards_done"] += 1
            counts["bytes_done"] += n_bytes
    is_whole = all(one["shards"] == one["shards_done"] for one in sources.values())
    state = "running" if _is_locked(output) else "stopped"
    has_manifest = storage.exists(storage.join(output, MANIFEST_NAME))
    if state == "stopped" and is_whole and has_manifest:
        state = "finished"
    go_on = f"corpus repair {output}" if has_manifest else _last_line(output, COMMAND_NAME)
    return {
        "state": state,
        "sources": sources,
        "passes": {} if state == "finished" else _passes(output),
        "error": None if state == "finished" else _last_line(output, ERROR_NAME),
        "go_on": go_on if state == "stopped" else None,
    }


def _is_locked(output: str) -> bool:
    """Tell whether a command works in a folder, whose lock it holds."""
    path = Path(output, ".lock")
    if storage.is_remote(output) or not path.exists():
        return False
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _passes(output: str) -> dict[str, int]:
    """Return the bytes that each pass of the newest command has read, in the order of the passes.

    They count from where the command began.
    """
    folder = Path(output, PROGRESS_FOLDER)
    if storage.is_remote(output) or not folder.is_dir():
        return {}
    found = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    return {path.name: done_of(output, path.name).n_bytes for path in found}


def _last_line(output: str, name: str) -> str | None:
    path = storage.join(output, name)
    if not storage.exists(path):
        return None
    lines = storage.read_bytes(path).decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else None

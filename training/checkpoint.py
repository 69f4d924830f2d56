"""Checkpoints of a training run, written by all its processes, whole or not at all.

``checkpoints/step-00001000/`` holds what ``torch.distributed.checkpoint`` writes: one file of each
process and ``.metadata``, which any number of processes can load; and ``contents.json``, the sizes
of these files. It is written as ``checkpoints/unfinished-00001000`` and gets its name when all of
it is on the disk; only then are older ones removed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import warnings
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver

FOLDER = "checkpoints"
CONTENTS = "contents.json"


def checkpoint_folder(run: Path, step: int) -> Path:
    """Return where the checkpoint of a step is; steps count those that are done."""
    return run / FOLDER / f"step-{step:08d}"


def steps_with_checkpoints(run: Path) -> list[int]:
    """Return the steps of all finished checkpoints, in order, damaged ones included."""
    names = [path.name for path in (run / FOLDER).glob("step-*")]
    return sorted(int(name[5:]) for name in names if re.fullmatch(r"step-\d+", name))


def damage(folder: Path) -> str | None:
    """Say in a few words what is wrong with a checkpoint; None where nothing is to be seen.

    Names and sizes of files are compared, not their bytes.
    """
    try:
        contents = json.loads((folder / CONTENTS).read_bytes())
    except (OSError, ValueError):
        return f"{CONTENTS} is missing or damaged"
    for name, n_bytes in contents.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != n_bytes:
            return f"{name} has {path.stat().st_size} bytes, not {n_bytes}"
    return None


def newest_whole(run: Path, set_aside: bool = False) -> int | None:
    """Return the step of the newest checkpoint that is not damaged; None where there is none.

    Damaged ones on the way to it are named on stderr; ``set_aside`` renames them to ``damaged-*``.
    """
    for step in reversed(steps_with_checkpoints(run)):
        folder = checkpoint_folder(run, step)
        problem = damage(folder)
        if problem is None:
            return step
        print(f"{folder} is damaged and not used: {problem}", file=sys.stderr, flush=True)
        if set_aside:
            aside = folder.with_name(f"damaged-{step:08d}")
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
    return None


class CheckpointWriter:
    """Writes the checkpoints of a run and removes those that are more than are kept."""

    def __init__(self, run: Path, group: dist.ProcessGroup, *, keep: int, asynchronous: bool):
        """Make the writer of one of the processes that train together.

        ``group`` holds all of them and is used by nothing else: a checkpoint that is written while
        training goes on communicates beside it.
        """
        self._run = run
        self._group = group
        self._keep = keep
        self._asynchronous = asynchronous
        self._is_first = dist.get_rank(group) == 0
        self._under_way: tuple[int, Future[Any]] | None = None
        if self._is_first:
            (run / FOLDER).mkdir(parents=True, exist_ok=True)
            for left in (run / FOLDER).glob("unfinished-*"):
                shutil.rmtree(left)

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write a checkpoint; all processes call it at the same step.

        With ``asynchronous`` it returns when the state is copied; an earlier checkpoint is waited
        for first. Raises what the writing of that one, or of this one, raised.
        """
        self.finish()
        folder = self._unfinished(step)
        if self._asynchronous:
            future = state_dict_saver.async_save(
                state, checkpoint_id=folder, process_group=self._group
            )
            assert isinstance(future, Future)
            self._under_way = step, future
        else:
            state_dict_saver.save(state, checkpoint_id=folder, process_group=self._group)
            self._publish(step)

    def poll(self) -> None:
        """Give a checkpoint its name where its writing has come to an end; call it now and then."""
        if self._under_way is not None and self._under_way[1].done():
            self.finish()

    def finish(self) -> None:
        """Wait until a checkpoint that is being written is there."""
        if self._under_way is None:
            return
        (step, future), self._under_way = self._under_way, None
        future.result()
        self._publish(step)

    def _unfinished(self, step: int) -> Path:
        return self._run / FOLDER / f"unfinished-{step:08d}"

    def _publish(self, step: int) -> None:
        # The first process's save returns when those of all processes are written.
        if not self._is_first:
            return
        folder, target = self._unfinished(step), checkpoint_folder(self._run, step)
        sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        with (folder / CONTENTS).open("w") as file:
            json.dump(sizes, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(folder)
        if target.exists():  # a stop right after a checkpoint writes it again
            shutil.rmtree(target)
        folder.rename(target)
        _sync_folder(target.parent)
        for old in steps_with_checkpoints(self._run)[: -self._keep]:
            shutil.rmtree(checkpoint_folder(self._run, old))


def load(run: Path, step: int, state: dict[str, Any], group: dist.ProcessGroup | None) -> None:
    """Read a checkpoint into ``state``: into its tensors, and other values in their place.

    Raises ValueError, with the folder's name, where it cannot be read.
    """
    folder = checkpoint_folder(run, step)
    try:
        with warnings.catch_warnings():  # a single process is meant where there is no group
            warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
            state_dict_loader.load(
                state, checkpoint_id=folder, process_group=group, no_dist=group is None
            )
    except Exception as error:
        raise ValueError(
            f"{folder}: cannot be read: {' '.join(str(error).split())[:300]}; remove it to go on "
            "from the one before"
        ) from error


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder reach the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

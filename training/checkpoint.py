"""Checkpoints of a training run. All processes write them, atomically.

``checkpoints/step-00001000/`` holds the files of ``torch.distributed.checkpoint``: one of each
process, and ``.metadata``. Any number of processes can load them. ``contents.json`` has the sizes
of these files. A checkpoint is written as ``checkpoints/unfinished-00001000``, and gets its name
when all files are on the disk. Only then are older checkpoints removed, by a thread, because the
other processes do not wait for the first one as long as that may take.
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
from threading import Thread
from typing import Any

import torch.distributed as dist
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions
from torch.distributed.checkpoint.state_dict_saver import AsyncSaveResponse

FOLDER = "checkpoints"
CONTENTS = "contents.json"


def checkpoint_folder(run: Path, step: int) -> Path:
    """Return the folder of the checkpoint after ``step`` steps."""
    return run / FOLDER / f"step-{step:08d}"


def steps_with_checkpoints(run: Path) -> list[int]:
    """Return the steps of all finished checkpoints in order, damaged ones included."""
    names = [path.name for path in (run / FOLDER).glob("step-*")]
    return sorted(int(name[5:]) for name in names if re.fullmatch(r"step-\d+", name))


def damage(folder: Path) -> str | None:
    """Return in a few words how a checkpoint is damaged, None if it is not.

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
    """Return the step of the newest checkpoint that is not damaged, None where there is none.

    Newer ones that are damaged are named on stderr. ``set_aside`` renames them to ``damaged-*``.
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


def staging(*, on_gpu: bool) -> StagingOptions:
    """Return how the state is copied to the host: in a thread, and by a GPU to pinned memory."""
    return StagingOptions(
        use_pinned_memory=on_gpu,
        use_shared_memory=False,
        use_async_staging=True,
        use_non_blocking_copy=on_gpu,
    )


class CheckpointWriter:
    """A writer of a run's checkpoints. It keeps the newest ``keep``, and removes older ones."""

    def __init__(
        self,
        run: Path,
        group: dist.ProcessGroup,
        *,
        keep: int,
        asynchronous: bool,
        on_gpu: bool = False,
    ) -> None:
        """Make the writer of one of the training processes.

        ``group`` holds all training processes, and must not be used for anything else, because a
        checkpoint may be written while training continues.
        """
        self._run = run
        self._group = group
        self._keep = keep
        self._stager = DefaultStager(staging(on_gpu=on_gpu)) if asynchronous else None
        self._copied: Future[None] | None = None
        self._is_first = dist.get_rank(group) == 0
        self._under_way: tuple[int, Future[Any]] | None = None
        self._remover = Thread()
        if self._is_first:
            (run / FOLDER).mkdir(parents=True, exist_ok=True)
            for pattern in ("unfinished-*", "removed-*"):
                for left in (run / FOLDER).glob(pattern):
                    shutil.rmtree(left)

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write a checkpoint. All processes must call this at the same step.

        An earlier checkpoint is waited for first. With ``asynchronous`` the call returns at once,
        and :meth:`wait_until_copied` tells when the state may change. What a GPU was asked to do
        with the state must be done. Raises the errors of writing the earlier checkpoint or this
        one.
        """
        self.finish()
        folder = self._unfinished(step)
        if self._stager is not None:
            response = state_dict_saver.async_save(
                state,
                checkpoint_id=folder,
                process_group=self._group,
                async_stager=self._stager,
            )
            assert isinstance(response, AsyncSaveResponse)
            self._copied = response.staging_completion
            self._under_way = step, response.upload_completion
        else:
            state_dict_saver.save(state, checkpoint_id=folder, process_group=self._group)
            self._publish(step)

    def wait_until_copied(self) -> None:
        """Wait until the state that is being saved is copied. Then its tensors may change.

        Raises the errors of copying.
        """
        if self._copied is not None:
            copied, self._copied = self._copied, None
            copied.result()

    def close(self) -> None:
        """Free the memory that the state is copied to."""
        if self._stager is not None:
            self._stager.close()

    def poll(self) -> None:
        """Publish an asynchronous checkpoint if it is written. To be called now and then."""
        if self._under_way is not None and self._under_way[1].done():
            self.finish()

    def finish(self) -> None:
        """Wait for the checkpoint that is being written, if there is one, and publish it."""
        if self._under_way is None:
            return
        (step, future), self._under_way = self._under_way, None
        future.result()
        self._publish(step)

    def _unfinished(self, step: int) -> Path:
        return self._run / FOLDER / f"unfinished-{step:08d}"

    def _publish(self, step: int) -> None:
        # In the first process, saving ends when all processes have written their files.
        if not self._is_first:
            return
        folder, target = self._unfinished(step), checkpoint_folder(self._run, step)
        sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        with (folder / CONTENTS).open("w") as file:
            json.dump(sizes, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(folder)
        removed = []
        if target.exists():  # a stop right after a checkpoint writes the checkpoint again
            removed.append(target.with_name(f"removed-again-{step:08d}"))
            target.rename(removed[-1])
        folder.rename(target)
        _sync_folder(target.parent)
        for old in steps_with_checkpoints(self._run)[: -self._keep]:
            removed.append(target.with_name(f"removed-{old:08d}"))
            checkpoint_folder(self._run, old).rename(removed[-1])
        self._remover = Thread(target=_remove, args=(self._remover, removed))
        self._remover.start()


def _remove(before: Thread, folders: list[Path]) -> None:
    if before.ident is not None:
        before.join()
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)  # the next start removes what is left


def load(run: Path, step: int, state: dict[str, Any], group: dist.ProcessGroup | None) -> None:
    """Read a checkpoint into ``state``. Tensors are filled in place, and other values replaced.

    Without a ``group``, this process loads alone. Raises ValueError, with the folder's name, where
    the checkpoint cannot be read.
    """
    folder = checkpoint_folder(run, step)
    try:
        with warnings.catch_warnings():  # without a group, a single process is intended
            warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
            state_dict_loader.load(
                state, checkpoint_id=folder, process_group=group, no_dist=group is None
            )
    except (Exception, CheckpointException) as error:  # the latter is no Exception
        raise ValueError(
            f"{folder}: cannot be read: {reason(error)}; remove it to go on from the one before"
        ) from error


def reason(error: BaseException) -> str:
    """Return what an error of loading says, in one line. Of several processes' it is the first."""
    if isinstance(error, CheckpointException):
        error = next(iter(error.failures.values()))[0]
    return " ".join(str(error).split())[:300]


def _sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""The folder of a training run: the run's identity, its lock, its metrics.

====================  ============================================================================
``run.json``          identity of the run: model, data, schedule; another run is refused
``metrics.jsonl``     one line a step, and one a validation
``tensorboard/``      the same for TensorBoard
``checkpoints/``      see :mod:`training.checkpoint`
``packing/``          tables of packed samples, where no other folder was given for them
``profile/``          traces of some steps, one file a process, with ``--profile``
``stacks/``           where processes stood that hung
``collectives/``      the last operations between GPUs, where one of them timed out
====================  ============================================================================
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from training.locks.exclusive import exclusive

RUN_NAME = "run.json"
METRICS_NAME = "metrics.jsonl"
COLLECTIVES_NAME = "collectives"
PACKING_NAME = "packing"


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file atomically: it is there completely or not at all."""
    temporary = path.with_name(f".{path.name}.unfinished")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_run(run: Path) -> dict[str, Any]:
    """Read the identity of the run in a folder. Raises ValueError where there is none."""
    try:
        return dict(json.loads((run / RUN_NAME).read_bytes()))
    except FileNotFoundError:
        raise ValueError(
            f"{run}: no {RUN_NAME} there; give the --output folder of a training run"
        ) from None
    except ValueError as error:
        raise ValueError(f"{run / RUN_NAME}: not readable: {error}") from None


def claim(run: Path, identity: Mapping[str, Any]) -> None:
    """Write a run's identity to a folder, or check that the folder holds the same run.

    Raises ValueError, with every difference, where the folder holds another run.
    """
    if not (run / RUN_NAME).exists():
        run.mkdir(parents=True, exist_ok=True)
        write_whole(run / RUN_NAME, (json.dumps(identity, indent=1) + "\n").encode())
        return
    there = read_run(run)
    here = json.loads(json.dumps(identity))
    differences = [
        f"{name} is {there.get(name)!r} there and {here.get(name)!r} here"
        for name in sorted(there.keys() | here.keys())
        if there.get(name) != here.get(name)
    ]
    if differences:
        advice = "give the same options, or another --output"
        if there.get("corpus") != here.get("corpus"):
            advice += "; --mixture NAME goes on with an earlier mixture of the same corpus"
        raise ValueError(f"{run} holds another run: {'; '.join(differences)}; {advice}")


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Lock a folder against other trainers. Raises ValueError where one has the lock."""
    run.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive(run / ".lock", wait=False))
        except BlockingIOError:
            raise ValueError(
                f"{run}: another process is training there; stop it, or give another --output"
            ) from None
        yield


def forget_metrics_after(run: Path, step: int) -> None:
    """Remove the steps after ``step`` from ``metrics.jsonl``, because they will be done again."""
    path = run / METRICS_NAME
    if not path.exists():
        return
    kept = []
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except ValueError:  # the line that was being written when the run was killed
            continue
    write_whole(path, b"".join(kept))

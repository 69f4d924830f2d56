"""The training command, with a disturbance that ``DISTURBANCE`` names in the environment."""

from __future__ import annotations

import os
import time
from typing import Any

from torch.distributed.checkpoint import FileSystemWriter

from training import train
from training.model import Head
from training.processes import process_rank
from training.trainer import Trainer


def slow_checkpoints(seconds: float) -> None:
    """Let every process take a while to write its part of a checkpoint."""
    plain = FileSystemWriter.write_data

    def slow(*given: Any, **more: Any) -> Any:
        time.sleep(seconds)
        return plain(*given, **more)

    FileSystemWriter.write_data = slow  # type: ignore[method-assign]


def failing_rank(error: Exception) -> None:
    """Let the process of rank 1 fail in its third step."""
    plain = Trainer.step

    def step(self: Trainer, *given: Any) -> Any:
        if process_rank() == 1 and self.done_steps == 2:
            raise error
        return plain(self, *given)

    Trainer.step = step  # type: ignore[method-assign]


def slow_rank(seconds: float) -> None:
    """Let the process of rank 1 take longer to compute the loss."""
    plain = Head.forward

    def forward(self: Head, *given: Any) -> Any:
        time.sleep(seconds * (process_rank() == 1))
        return plain(self, *given)

    Head.forward = forward  # type: ignore[method-assign]


if __name__ == "__main__":
    match os.environ["DISTURBANCE"]:
        case "slow checkpoints":
            slow_checkpoints(4)
        case "mistake":
            slow_rank(0.5)
            failing_rank(ValueError("c4/train-00000.bin: damaged here"))
        case "bug":
            slow_checkpoints(4)
            failing_rank(RuntimeError("out of memory here"))
    train.program()

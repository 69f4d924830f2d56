"""Logs of a run's metrics: the terminal, ``metrics.jsonl``, TensorBoard, Weights & Biases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from training.run_folder import METRICS_NAME, forget_metrics_after


class RunLog:
    """A log of metrics by step. Only the first of the training processes has one."""

    def __init__(self, run: Path, first_step: int, wandb_config: Mapping[str, Any] | None) -> None:
        """Open the log of a run that continues after ``first_step`` steps.

        ``wandb_config`` is None for no log at Weights & Biases.
        """
        forget_metrics_after(run, first_step)
        self._metrics = (run / METRICS_NAME).open("a")
        self._tensorboard = SummaryWriter(str(run / "tensorboard"), purge_step=first_step + 1)
        self._wandb: Any = None
        if wandb_config is not None:
            import wandb

            self._wandb = wandb.init(name=run.name, dir=str(run), config=dict(wandb_config))

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Write the metrics of a step. The first step is 1."""
        self._metrics.write(json.dumps({"step": step, **values}) + "\n")
        self._metrics.flush()
        for name, value in values.items():
            self._tensorboard.add_scalar(name, value, step)
        if self._wandb is not None:
            self._wandb.log(dict(values), step=step)

    def close(self) -> None:
        """Flush and close all logs."""
        self._metrics.close()
        self._tensorboard.close()
        if self._wandb is not None:
            self._wandb.finish()


def terminal_line(step: int, n_steps: int, values: Mapping[str, float]) -> str:
    """Return the line on a step's metrics for the terminal."""
    parts = [
        f"step {step:,}/{n_steps:,}",
        f"loss {values['loss']:.4f}",
        f"lr {values['learning_rate']:.2e}",
        f"gradient norm {values['gradient_norm']:.2f}",
        f"{values['tokens_per_second']:,.0f} tokens/s",
    ]
    if "mfu_6n" in values:
        parts.append(f"MFU {values['mfu_6n']:.1%} of 6N, {values['mfu_6n_12ltd']:.1%} of 6N+12LTd")
    parts.append(f"data wait {values['data_wait_fraction']:.1%}")
    parts.append(f"memory {values['memory_gb']:.1f} GB")
    return "  ".join(parts)

"""Train LLaMA on the shards that the pipeline wrote.

    python -m training.train --data OUT --model 10M --output RUN
    torchrun --nproc_per_node 8 -m training.train --data OUT --model 7B --output RUN

Exit status: 0 when the run is finished; 1 when the loss is not finite; 2 for a mistake in the
options or the data, found before work starts; 143 after SIGTERM, with a checkpoint written. The
same command goes on where the run was.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.distributed as dist

from training import checkpoint
from training.mixture import Mixture
from training.options import TrainOptions, parse
from training.plan import Plan, make_plan
from training.processes import Processes, is_first_process, process_count, processes
from training.run_folder import claim, locked
from training.trainer import NonFiniteError, Trainer

FINISHED, FAILED, MISTAKEN, STOPPED = 0, 1, 2, 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says; returns the exit status."""
    options = parse(TrainOptions, arguments, "python -m training.train")
    try:
        device_type = choose_device(options.device)
        plan, mixture = make_plan(options, process_count(), device_type)
        with processes(device_type) as own:
            return _train(options, plan, mixture, own)
    except NonFiniteError as error:
        status, message = FAILED, error
    except ValueError as error:
        status, message = MISTAKEN, error
    if is_first_process():
        print(f"error: {message}", file=sys.stderr, flush=True)
    return status


def choose_device(wish: str) -> str:
    """Return ``cuda`` or ``cpu``; raises ValueError where there is not what is asked for."""
    available = torch.cuda.is_available()
    if wish == "auto":
        return "cuda" if available else "cpu"
    if wish == "cuda" and not available:
        raise ValueError("--device cuda: there is no GPU that PyTorch can use")
    return wish


def _train(options: TrainOptions, plan: Plan, mixture: Mixture, own: Processes) -> int:
    run = Path(options.output)
    if own.is_first:
        with locked(run):
            return _go_on(options, plan, mixture, own, run)
    return _go_on(options, plan, mixture, own, run)

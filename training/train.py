"""Train LLaMA on the shards that the pipeline wrote.

    python -m training.train --data OUT --model 10M --output RUN
    torchrun --nproc_per_node 8 -m training.train --data OUT --model 7B --output RUN

Exit status: 0 when the run is finished; 1 when the loss is not finite; 2 for a mistake in the
options or the data, found before work starts; 143 after SIGTERM or SIGUSR1, and 130 after Ctrl-C,
with a checkpoint written. The same command continues a run.
"""

from __future__ import annotations

import os
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.errors import record

from training.checkpoint import newest_whole
from training.exported_tokenizer import why_not_exportable
from training.options import TrainOptions, parse
from training.parallel.mesh import described
from training.plan import Plan, describe, estimated, make_plan
from training.processes import (
    Processes,
    is_first_here,
    is_first_process,
    process_count,
    process_rank,
    processes,
)
from training.run_folder import COLLECTIVES_NAME, claim, locked
from training.stages.changes import take_changed_stages
from training.stages.staged_loader import RunMixture
from training.stages.staged_plan import described_stages, make_staged_plan
from training.starting.initial_weights import load_weights
from training.stepping.determinism import deterministic
from training.stopping import stop_requests
from training.throughput import device_name
from training.trainer import NonFiniteError, Trainer

FINISHED, FAILED, MISTAKEN, INTERRUPTED, STOPPED = 0, 1, 2, 130, 143


class ToldError(ValueError):
    """A mistake that another process finds, too, and tells."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the training command; return the exit status."""
    options = parse(TrainOptions, arguments, "python -m training.train")
    # torchrun prints what is recorded of the process that failed first.
    run = record(_run) if process_count() > 1 else _run
    try:
        status = run(options)
        return FINISHED if status is None else status
    except NonFiniteError as error:
        _tell(f"error: {error}", of_all=True)
        return FAILED
    except ValueError as error:
        _tell(f"error: {error}", of_all=isinstance(error, ToldError))
        return MISTAKEN
    except KeyboardInterrupt:
        _tell("stopped by Ctrl-C between checkpoints; the same command goes on", of_all=True)
        return INTERRUPTED


def _tell(message: str, *, of_all: bool) -> None:
    """Print a message on stderr, once if it is the same ``of_all`` processes."""
    if not is_first_process():
        if of_all:
            return
        message = f"rank {process_rank()} on {socket.gethostname()}: {message}"
    print(message, file=sys.stderr, flush=True)


def _run(options: TrainOptions) -> int:
    try:
        if options.estimate:
            if is_first_process():
                print(estimated(options, process_count()), flush=True)
            return FINISHED
        device_type = choose_device(options.device)
        planned = make_plan if options.stages is None else make_staged_plan
        plan, mixture = planned(options, process_count(), device_type)
    except ValueError as error:
        if is_first_here():
            raise
        raise ToldError(str(error)) from error
    with (
        deterministic(options.deterministic),
        processes(device_type, Path(options.output, COLLECTIVES_NAME), plan.mesh) as own,
    ):
        return _train(options, plan, mixture, own)


def choose_device(wish: str) -> str:
    """Return ``cuda`` or ``cpu``. Raises ValueError for a GPU where there is none."""
    available = torch.cuda.is_available()
    if wish == "auto":
        return "cuda" if available else "cpu"
    if wish == "cuda" and not available:
        raise ValueError("--device cuda: there is no GPU that PyTorch can use")
    return wish


def _train(options: TrainOptions, plan: Plan, mixture: RunMixture, own: Processes) -> int:
    run = Path(options.output)
    plan = _agreed(plan, own)
    with ExitStack() as stack:
        done_steps = _enter_run(run, plan, own, stack)
        if own.is_first:
            print(describe(plan, device_name(own.device)), flush=True)
            if plan.mesh.n_processes > plan.mesh.dp_shard:
                print(described(plan.mesh), flush=True)
            for line in described_stages(plan):
                print(line, flush=True)
            _warn_of_export(mixture)
        trainer = Trainer(options, plan, mixture, own)
        stack.callback(trainer.close)
        if done_steps:
            trainer.load(done_steps)
        elif options.init_from is not None:
            said = load_weights(trainer.module, Path(options.init_from), own)
            if own.is_first:
                print(said, flush=True)
        with stop_requests(trainer.stop, alone=own.n_processes == 1) as request:
            finished = trainer.run()
    if finished:
        return FINISHED
    if own.is_first:
        print(
            f"stopped by {request.name} with a checkpoint of step {trainer.done_steps:,}; the same "
            "command goes on",
            flush=True,
        )
    return INTERRUPTED if request.by_ctrl_c else STOPPED


def _agreed(plan: Plan, own: Processes) -> Plan:
    """Return the first process's plan. Devices with other memory would choose other parts of it."""
    plans = [plan]
    dist.broadcast_object_list(plans, 0, own.for_messages)
    return plans[0]


def _warn_of_export(mixture: RunMixture) -> None:
    """Say on stderr at the start what else the export would say after weeks."""
    if reason := why_not_exportable(mixture.tokenizer):
        print(f"warning: training.export will refuse this run: {reason}", file=sys.stderr)


def _enter_run(run: Path, plan: Plan, own: Processes, stack: ExitStack) -> int:
    """Lock the run's folder while ``stack`` is open; return the number of steps already done.

    The first process does this for all. Raises ValueError on every process where the folder belongs
    to another run, or is in use.
    """
    steps_or_error: list[int | str] = [0]
    if own.is_first:
        try:
            stack.enter_context(locked(run))
            if plan.stages and (said := take_changed_stages(run, plan.identity)):
                print(said, flush=True)
            claim(run, plan.identity)
            steps_or_error = [newest_whole(run, set_aside=True) or 0]
        except ValueError as error:
            steps_or_error = [str(error)]
    dist.broadcast_object_list(steps_or_error, 0, own.for_messages)
    if isinstance(steps_or_error[0], str):
        raise ToldError(steps_or_error[0])
    if own.device.type == "cuda":
        (run / COLLECTIVES_NAME).mkdir(exist_ok=True)
    return steps_or_error[0]


def program() -> NoReturn:
    """Run the training command as a program, and end it.

    One of several processes ends a second after an error, whatever its threads do. At the usual end
    of a program, Python would wait for the thread that writes a checkpoint, which waits for the
    other processes. These fail, too, once this one is gone: torchrun names the process whose error
    is the first by a clock of whole seconds.
    """
    try:
        status = main()
    except Exception:
        _tell(traceback.format_exc(), of_all=False)
        status = FAILED
    sys.stdout.flush()
    if status in (FAILED, MISTAKEN) and process_count() > 1:
        time.sleep(1)
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    program()

"""Train LLaMA on the shards that the pipeline wrote.

    python -m training.train --data OUT --model 10M --output RUN
    torchrun --nproc_per_node 8 -m training.train --data OUT --model 7B --output RUN

Exit status: 0 when the run is finished; 1 when the loss is not finite; 2 for a mistake in the
options or the data, found before work starts; 143 after SIGTERM, with a checkpoint written. The
same command continues a run.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
import torch.distributed as dist

from training.checkpoint import newest_whole
from training.exported_tokenizer import why_not_exportable
from training.mixture import Mixture
from training.options import TrainOptions, parse
from training.plan import Plan, describe, make_plan
from training.processes import Processes, is_first_process, process_count, processes
from training.run_folder import claim, locked
from training.throughput import device_name
from training.trainer import NonFiniteError, Trainer

FINISHED, FAILED, MISTAKEN, STOPPED = 0, 1, 2, 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the training command; return the exit status."""
    options = parse(TrainOptions, arguments, "python -m training.train")
    try:
        device_type = choose_device(options.device)
        plan, mixture = make_plan(options, process_count(), device_type)
        with processes(device_type) as own:
            return _train(options, plan, mixture, own)
    except NonFiniteError as error:
        status, message = FAILED, str(error)
    except ValueError as error:
        status, message = MISTAKEN, str(error)
    if is_first_process():
        print(f"error: {message}", file=sys.stderr, flush=True)
    return status


def choose_device(wish: str) -> str:
    """Return ``cuda`` or ``cpu``. Raises ValueError for a GPU where there is none."""
    available = torch.cuda.is_available()
    if wish == "auto":
        return "cuda" if available else "cpu"
    if wish == "cuda" and not available:
        raise ValueError("--device cuda: there is no GPU that PyTorch can use")
    return wish


def _train(options: TrainOptions, plan: Plan, mixture: Mixture, own: Processes) -> int:
    run = Path(options.output)
    with ExitStack() as stack:
        done_steps = _enter_run(run, plan, own, stack)
        if own.is_first:
            print(describe(plan, own.n_processes, device_name(own.device)), flush=True)
            _warn_of_export(mixture)
        trainer = Trainer(options, plan, mixture, own)
        stack.callback(trainer.close)
        if done_steps:
            trainer.load(done_steps)
        with on_sigterm(trainer.stop):
            finished = trainer.run()
    if own.is_first and not finished:
        print(f"stopped by SIGTERM with a checkpoint of step {trainer.done_steps:,}", flush=True)
    return FINISHED if finished else STOPPED


def _warn_of_export(mixture: Mixture) -> None:
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
            claim(run, plan.identity)
            steps_or_error = [newest_whole(run, set_aside=True) or 0]
        except ValueError as error:
            steps_or_error = [str(error)]
    dist.broadcast_object_list(steps_or_error, 0, own.for_checkpoints)
    if isinstance(steps_or_error[0], str):
        raise ValueError(steps_or_error[0])
    return steps_or_error[0]


@contextmanager
def on_sigterm(function: Callable[[], None]) -> Iterator[None]:
    """Call a function when the process is asked to end, instead of ending it."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: function())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())

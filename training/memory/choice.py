"""Checkpointing, micro-batch and reduction, chosen by the memory of a device."""

from __future__ import annotations

import os
from typing import NamedTuple

import torch

from training.memory.estimate import Memory, Setup, estimate
from training.parallelize import ACTIVATION_CHECKPOINTING

MICRO_BATCH_SAMPLES = 8
"""Largest default micro-batch, in samples."""

USABLE_FRACTION = 0.92
"""Share of a device's memory that tensors can have. The rest is the driver's, the buffers of
operations between GPUs, and gaps between tensors."""


class Wishes(NamedTuple):
    """What the user gave of what is chosen here; None for the rest."""

    checkpointing: str | None = None
    micro_batch_samples: int | None = None
    reduce_each: bool | None = None


class Choice(NamedTuple):
    """What is chosen, and the memory that it takes."""

    checkpointing: str
    micro_batch_samples: int  # the most of one micro-batch
    n_micro_batches: int
    reduce_each: bool  # gradients after every micro-batch, not once a step
    memory: Memory


def device_memory(device_type: str) -> int | None:
    """Return the bytes of this process's GPU, None on a CPU."""
    if device_type != "cuda":
        return None
    device = int(os.environ.get("LOCAL_RANK", "0"))
    return int(torch.cuda.get_device_properties(device).total_memory)


def choose(setup: Setup, share: int, wishes: Wishes, device_bytes: int | None) -> Choice:
    """Choose what the wishes leave open, for the ``share`` of a batch, in samples, of a process.

    Activations are computed again only where they do not fit otherwise, and micro-batches are as
    large as fits. Gradients stay whole over a step's micro-batches where that fits, too. Where the
    device's memory is not known, everything fits. Raises ValueError where nothing does.
    """
    limit = None if device_bytes is None else USABLE_FRACTION * device_bytes
    modes = [wishes.checkpointing] if wishes.checkpointing else ACTIVATION_CHECKPOINTING
    largest = min(share, wishes.micro_batch_samples or MICRO_BATCH_SAMPLES)
    sizes = [largest] if wishes.micro_batch_samples else range(largest, 0, -1)
    reductions = [True, False] if wishes.reduce_each is None else [wishes.reduce_each]
    for mode in modes:
        for size in sizes:
            fitting = None
            for reduce_each in reductions:
                choice = _choice(setup, share, mode, size, reduce_each)
                if limit is None or choice.memory.total <= limit:
                    fitting = choice
            if fitting is not None:
                return fitting
    smallest = _choice(setup, share, modes[-1], sizes[-1], reductions[0])
    assert limit is not None
    raise ValueError(
        f"a model of {setup.config.n_parameters:,} weights on {setup.n_processes} processes"
        f"{_divided(setup)} takes "
        f"{smallest.memory.total / 1e9:.1f} GB on each device ({smallest.memory.described()}), and "
        f"{limit / 1e9:.1f} GB are there, {USABLE_FRACTION:.0%} of the device's memory: start more "
        f"processes, or a smaller model"
        + (", or leave checkpointing and micro-batch to the trainer" if any(wishes[:2]) else "")
    )


def _divided(setup: Setup) -> str:
    copies = f" in {setup.copies} copies" if setup.copies > 1 else ""
    sizes = {"tp": setup.tp, "cp": setup.cp}
    return copies + "".join(f" with {name} {size}" for name, size in sizes.items() if size > 1)


def _choice(setup: Setup, share: int, mode: str, size: int, reduce_each: bool) -> Choice:
    n_micro_batches = -(-share // size)
    memory = estimate(
        setup._replace(
            checkpointing=mode,
            micro_batch_samples=-(-share // n_micro_batches),
            n_micro_batches=n_micro_batches,
            reduce_each=reduce_each,
        )
    )
    return Choice(mode, -(-share // n_micro_batches), n_micro_batches, reduce_each, memory)


def table(setup: Setup, worlds: list[int]) -> str:
    """Return a table of the memory of each device, by number of processes and checkpointing."""
    lines = [
        f"{setup.config.n_parameters:,} weights; samples of {setup.sequence_length:,} tokens; GB "
        "on each device, with gradients reduced after every micro-batch",
        f"{'processes':>9}  {'checkpointing':<13}{'one sample':>11}{'a further one':>14}   parts",
    ]
    for n_processes in worlds:
        for mode in ACTIVATION_CHECKPOINTING:
            one = setup._replace(n_processes=n_processes, checkpointing=mode, n_micro_batches=2)
            first = estimate(one)
            further = estimate(one._replace(micro_batch_samples=9)).total - first.total
            lines.append(
                f"{n_processes:>9,}  {mode:<13}{first.total / 1e9:>11.1f}{further / 8e9:>14.1f}   "
                f"{first.described()}"
            )
    return "\n".join(lines)

"""Batches of a mixture's samples for one of several ranks, made by any number of workers.

Batch ``i`` of a run holds the positions ``start + i * batch_samples`` and following, cut into one
contiguous part a rank. So all ranks together see the same samples at the same step, however many
they are, and a run goes on at any position with any number of ranks and workers.

Shapes: B samples of a rank's part of the batch, T1 = sequence_length + 1 tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from training.mixture import Mixture, Validation


class _Batches(IterableDataset[Tensor]):
    """A rank's part of all batches from a position on; worker ``w`` of ``W`` makes each ``W``-th.

    The loader takes from its workers in turn, which puts the batches in order again.
    """

    def __init__(self, mixture: Mixture, start: int, n_batches: int, batch: int, part: range):
        self.mixture = mixture
        self.start = start
        self.n_batches = n_batches
        self.batch = batch
        self.part = part

    def __iter__(self) -> Iterator[Tensor]:
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        for number in range(first, self.n_batches, step):
            positions = (
                self.start + number * self.batch + np.arange(self.part.start, self.part.stop)
            )
            yield torch.from_numpy(self.mixture.samples(positions))


class Loader:
    """Iterates over a rank's part of each batch, ``tokens_BT1`` (int64), and keeps the position.

    ``position`` counts the samples, of all ranks, that were handed out; samples that workers have
    ready are not among them. It is what :meth:`state_dict` keeps, and where iteration begins. The
    last samples of the mixture, fewer than a batch, are left out.
    """

    def __init__(
        self,
        mixture: Mixture,
        *,
        batch_samples: int,
        rank: int = 0,
        world_size: int = 1,
        workers: int = 0,
    ) -> None:
        """Take ``batch_samples`` of all ranks together; ``workers`` are processes of this rank.

        Without workers, batches are made in this process when they are asked for. Raises
        ValueError where the batch cannot be divided among the ranks.
        """
        if batch_samples < 1 or batch_samples % world_size:
            raise ValueError(
                f"a batch of {batch_samples} samples cannot be divided among {world_size} ranks; "
                "choose a multiple"
            )
        self.mixture = mixture
        self.batch_samples = batch_samples
        self.position = 0
        self._workers = workers
        share = batch_samples // world_size
        self._part = range(rank * share, (rank + 1) * share)

    def __len__(self) -> int:
        """The batches that are left."""
        return max(self.mixture.n_samples - self.position, 0) // self.batch_samples

    def __iter__(self) -> Iterator[Tensor]:
        batches = _Batches(self.mixture, self.position, len(self), self.batch_samples, self._part)
        loader = DataLoader(
            batches,
            batch_size=None,
            num_workers=self._workers,
            pin_memory=torch.cuda.is_available(),
        )
        for tokens_BT1 in loader:
            self.position += self.batch_samples
            yield tokens_BT1

    def state_dict(self) -> dict[str, Any]:
        """Return where the run is, the same on every rank: plain values."""
        return self.mixture.state(self.position)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a run was, whatever its ranks, workers and batch.

        Iterators made before are not moved. Raises ValueError where the state is of another corpus,
        seed, sequence length or token budget.
        """
        self.position = self.mixture.position_in(state)


def validation_batches(
    validation: Validation, source: str, *, batch_samples: int, rank: int = 0, world_size: int = 1
) -> Iterator[Tensor]:
    """Yield a rank's part of a source's validation samples in order, as ``tokens_BT1`` (int64).

    ``batch_samples`` is of this rank; every rank gets as many batches, of one shape. What is
    missing in the last is :data:`training.mixture.NO_TOKEN`.
    """
    together = batch_samples * world_size
    for first in range(0, validation.n_samples[source], together):
        begin = first + rank * batch_samples
        tokens_BT1 = validation.samples(source, np.arange(begin, begin + batch_samples))
        yield torch.from_numpy(tokens_BT1)

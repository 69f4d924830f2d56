"""The data loader: batches of a mixture's samples for one of several ranks, with any workers.

Batch ``i`` of a run holds ``batch_samples`` positions from ``start + i * batch_samples`` on. Each
rank gets one contiguous part of a batch. Parts differ by a sample at most. So the samples of a step
do not depend on the number of ranks, and a run can continue at any position with any number of
ranks and workers.

Shapes: B samples of a rank's part of the batch, T1 = sequence_length + 1 tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from training.data.fill_in_the_middle import FillInTheMiddle
from training.data.mixture import Validation
from training.data.order import Int64s
from training.stopping import requests_held


def share_of_batch(batch_samples: int, rank: int, world_size: int) -> range:
    """Return which samples of a batch are a rank's: numbers from 0 on. There may be none."""
    return range(rank * batch_samples // world_size, (rank + 1) * batch_samples // world_size)


class Samples(Protocol):
    """Samples by position, of a mixture (:class:`training.data.mixture.Mixture`) or a stage."""

    @property
    def n_samples(self) -> int:
        """The position at which they end."""

    def samples(self, positions: npt.ArrayLike) -> Int64s:
        """Read the samples at positions, as ``tokens_BT1``."""

    def sources_of(self, positions: npt.ArrayLike) -> list[str]:
        """Return the source of the sample at each position."""

    def state(self, position: int) -> dict[str, Any]:
        """Return the state from which a run can continue at a position, as plain values."""

    def position_in(self, state: dict[str, Any]) -> int:
        """Return the position of a state. Raises ValueError for one of other samples."""


class _Batches(IterableDataset[Tensor]):
    """A rank's part of all batches from a position on. The workers make the batches in turn.

    The loader takes batches from its workers in turn, too, which restores their order.
    """

    def __init__(
        self, mixture: Samples, start: int, n_batches: int, batch: int, part: range,
        middle: FillInTheMiddle | None,
    ) -> None:  # fmt: skip
        self.mixture = mixture
        self.middle = middle
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
            tokens_BT1 = self.mixture.samples(positions)
            if self.middle is not None:
                sources = self.mixture.sources_of(positions)
                tokens_BT1 = self.middle.applied(tokens_BT1, positions, sources)
            yield torch.from_numpy(tokens_BT1)


class Loader:
    """An iterable of a rank's part of each batch, ``tokens_BT1`` (int64), with its position.

    ``position`` is the number of samples handed out so far to all ranks. Samples that workers have
    prepared are not counted. :meth:`state_dict` keeps the position, and iteration begins there. The
    last samples of the mixture are left out if they are fewer than a batch.
    """

    def __init__(
        self,
        mixture: Samples,
        *,
        batch_samples: int,
        rank: int = 0,
        world_size: int = 1,
        workers: int = 0,
        fill_in_the_middle: FillInTheMiddle | None = None,
    ) -> None:
        """Make a loader of batches with ``batch_samples`` samples over all ranks.

        ``workers`` is the number of worker processes of this rank. Without workers, this process
        makes a batch when it is asked for. ``fill_in_the_middle`` rearranges documents. Raises
        ValueError for a batch without samples.
        """
        if batch_samples < 1:
            raise ValueError(f"a batch of {batch_samples} samples: must be more than 0")
        self.mixture = mixture
        self.batch_samples = batch_samples
        self.position = 0
        self._workers = workers
        self._middle = fill_in_the_middle
        self._part = share_of_batch(batch_samples, rank, world_size)

    def __len__(self) -> int:
        """Return the number of batches that are left."""
        return max(self.mixture.n_samples - self.position, 0) // self.batch_samples

    def __iter__(self) -> Iterator[Tensor]:
        batches = _Batches(
            self.mixture, self.position, len(self), self.batch_samples, self._part, self._middle
        )
        loader = DataLoader(
            batches,
            batch_size=None,
            num_workers=self._workers,
            pin_memory=torch.cuda.is_available(),
        )
        with requests_held():
            ahead = iter(loader)  # starts the workers
        for tokens_BT1 in ahead:
            self.position += self.batch_samples
            yield tokens_BT1

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the run as plain values, which are the same on every rank."""
        return self.mixture.state(self.position)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the state of a run, whatever its ranks, workers and batch size.

        Iterators made before are not changed. Raises ValueError where the state belongs to another
        corpus, seed, sequence length or token budget.
        """
        self.position = self.mixture.position_in(state)


def validation_batches(
    validation: Validation, source: str, *, batch_samples: int, rank: int = 0, world_size: int = 1
) -> Iterator[Tensor]:
    """Yield a rank's part of a source's validation samples in order, as ``tokens_BT1`` (int64).

    ``batch_samples`` is the size of this rank's part. Every rank gets the same number of batches,
    of the same shape. The last ones are filled up with :data:`training.data.mixture.NO_TOKEN`.
    """
    together = batch_samples * world_size
    for first in range(0, validation.n_samples[source], together):
        begin = first + rank * batch_samples
        tokens_BT1 = validation.samples(source, np.arange(begin, begin + batch_samples))
        yield torch.from_numpy(tokens_BT1)

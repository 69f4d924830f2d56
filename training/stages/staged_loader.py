"""The data loader of a run in stages: that of each stage, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from training.data.fill_in_the_middle import FillInTheMiddle
from training.data.loader import Loader
from training.data.mixture import Mixture
from training.stages.staged_mixture import StagedMixture

RunMixture = Mixture | StagedMixture
"""The samples of a run, with stages or without."""


class StagedLoader:
    """An iterable of a rank's part of each batch, ``tokens_BT1``, over all stages.

    It is used as :class:`training.data.loader.Loader` is. The samples of a batch are as long as
    those of its stage. Workers are started anew for each stage.
    """

    def __init__(
        self,
        mixture: StagedMixture,
        *,
        rank: int = 0,
        world_size: int = 1,
        workers: int = 0,
        fill_in_the_middle: FillInTheMiddle | None = None,
    ) -> None:
        """Make a loader of the steps that the mixture has. ``workers`` are those of this rank."""
        self.mixture = mixture
        self.position = 0
        self._rank, self._world_size, self._workers = rank, world_size, workers
        self._middle = fill_in_the_middle

    def __iter__(self) -> Iterator[Tensor]:
        for stage in self.mixture.stages:
            if self.position >= stage.n_samples:
                continue
            loader = Loader(
                stage,
                batch_samples=stage.batch_samples,
                rank=self._rank,
                world_size=self._world_size,
                workers=self._workers,
                fill_in_the_middle=self._middle,
            )
            loader.position = self.position
            for tokens_BT1 in loader:
                self.position = loader.position
                yield tokens_BT1

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the run as plain values, which are the same on every rank."""
        return self.mixture.state(self.position)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the state of a run, whatever its ranks and workers.

        Stages that have not begun there may be others. Raises ValueError where those that have
        begun are, or the corpus or the seed.
        """
        self.position = self.mixture.position_in(state)


def loader_of(
    mixture: RunMixture,
    *,
    batch_samples: int,
    rank: int,
    world_size: int,
    workers: int,
    fill_in_the_middle: FillInTheMiddle | None,
) -> Loader | StagedLoader:
    """Return the loader of a run. Stages know how many samples a batch of theirs has."""
    if isinstance(mixture, StagedMixture):
        return StagedLoader(
            mixture,
            rank=rank,
            world_size=world_size,
            workers=workers,
            fill_in_the_middle=fill_in_the_middle,
        )
    return Loader(
        mixture,
        batch_samples=batch_samples,
        rank=rank,
        world_size=world_size,
        workers=workers,
        fill_in_the_middle=fill_in_the_middle,
    )

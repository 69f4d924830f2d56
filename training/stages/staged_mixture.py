"""The samples of a run in stages: each has its proportions and sequence length.

A stream, of a source or of one of its domains, is a line of tokens that goes round. All stages read
it on: a stage begins at the token where the one before it ended. Of a line, a stage's samples are
the next tokens, cut into samples of its length and permuted within each epoch. So lengths may
change at any token. The sample in which an epoch ends and the next begins is the last of its epoch,
so in a stream no token is predicted again before all others are.

The line has the shards of a source in an order that the seed shuffles, so that what a stage reads
of a large source is not the beginning of its input.

Where samples are packed, a line is one of packed samples, and all stages have one length.

What a stage draws depends on the seed, on the stages before it and on its own numbers, and never on
those behind it. Positions count the samples of all stages. Nothing here imports PyTorch.

Shapes: B samples of a batch, T1 = sequence_length + 1 tokens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from training.data.files import corpus_files
from training.data.manifest import MANIFEST_NAME, Shard, parse_manifest
from training.data.mixture import NO_TOKEN, DrawnSamples, Draws, stream_key
from training.data.order import MAX_SAMPLES, Int64s, epoch_keys, permuted
from training.data.packed_streams import PackedStreams
from training.data.packing import BEST_FIT
from training.data.stream_draws import StreamDraws
from training.data.streams import Concatenated, DocumentSpan, Streams
from training.data.uncollected import uncollected

Shares = dict[str, Fraction]


class StageDraws(NamedTuple):
    """What of a stage decides which samples it draws."""

    name: str
    n_steps: int
    sequence_length: int
    proportions: Shares  # of sources; they add up to one
    domains: dict[str, Shares]  # of the domains of divided sources

    def described(self) -> dict[str, Any]:
        """Return it as plain values, from which :func:`stage_draws` makes it again."""
        return {
            "name": self.name,
            "steps": self.n_steps,
            "sequence_length": self.sequence_length,
            "proportions": _as_text(self.proportions),
            "domains": {source: _as_text(shares) for source, shares in self.domains.items()},
        }


def stage_draws(described: Mapping[str, Any]) -> StageDraws:
    """Return a stage's draws from the description that a run's folder holds."""
    return StageDraws(
        described["name"],
        described["steps"],
        described["sequence_length"],
        _as_shares(described["proportions"]),
        {source: _as_shares(shares) for source, shares in described["domains"].items()},
    )


def shards_digest(shards: Sequence[Shard]) -> str:
    """Return a digest of the tokens of shards, which is the same in all mixtures of a corpus."""
    lines = [f"{shard.tokens.name} {shard.tokens.sha256}\n" for shard in shards]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class StagedMixture:
    """The samples of all stages by position, 0 to ``n_samples - 1``."""

    def __init__(
        self,
        output: str | Path,
        stages: Sequence[StageDraws],
        *,
        batch_tokens: int,
        seed: int,
        cache: str | Path | None = None,
        packing: str | Path | None = None,
    ) -> None:
        """Open the corpus in a run's output folder, a path or a url that fsspec knows.

        ``batch_tokens`` are those of a step, whole samples in every stage. ``cache`` and
        ``packing`` are those of :class:`training.data.mixture.Mixture`. Raises ValueError where the
        manifest cannot be read, a stage draws what has no tokens, or lengths do not fit.
        """
        files = corpus_files(output, cache)
        with uncollected():
            try:
                manifest = parse_manifest(files.read_manifest(), "train")
            except ValueError as error:
                raise ValueError(f"{output}/{MANIFEST_NAME}: {error}") from None
            self._streams = Streams(files, _shuffled(manifest.shards, seed))
        self.fingerprint = shards_digest(manifest.shards)
        self.tokenizer = manifest.tokenizer
        self.streams = self._streams.streams
        self.sources = sorted({stream.source for stream in self.streams})
        self.batch_tokens = batch_tokens
        self.is_packed = packing is not None
        lengths = {stage.sequence_length for stage in stages}
        packed = None
        if packing is not None:
            check_packing(lengths)
            packed = PackedStreams(self._streams, Path(packing), min(lengths), NO_TOKEN)
        sizes = self._streams.n_tokens if packed is None else packed.n_samples
        keys = np.array([stream_key(seed, stream) for stream in self.streams], np.uint64)
        self.stages: list[StageSamples] = []
        cursors, first_step, first = np.zeros_like(sizes), 0, 0
        for number, stage in enumerate(stages):
            length = stage.sequence_length
            batch_samples = batch_tokens // length
            n_samples = stage.n_steps * batch_samples
            if batch_tokens % length or not 0 < n_samples <= MAX_SAMPLES - first:
                raise ValueError(
                    f"stage {stage.name}: {stage.n_steps} steps of {batch_tokens} tokens are not "
                    f"1 to 2^52 samples of {length}"
                )
            of_stage = StageSamples(
                stage,
                first_step=first_step,
                first=first,
                n_samples=first + n_samples,
                batch_samples=batch_samples,
                streams=self._streams,
                samples=packed or Concatenated(self._streams, length),
                draws=StreamDraws(
                    self.streams, n_samples, stage.proportions, stage.domains, str(output)
                ),
                sizes=sizes,
                step=1 if packed is not None else length,
                cursors=cursors,
                keys=keys,
                order={
                    "manifest": self.fingerprint,
                    "seed": seed,
                    "stages": _digest(stages[: number + 1], batch_tokens),
                    **({"packing": BEST_FIT} if self.is_packed else {}),
                },
            )
            self.stages.append(of_stage)
            cursors = of_stage.cursors_after
            first_step += stage.n_steps
            first = of_stage.n_samples
        self.n_steps, self.n_samples = first_step, first

    def stage_of(self, position: int) -> StageSamples:
        """Return the stage of a position. Raises ValueError outside of the mixture."""
        for stage in self.stages:
            if stage.first <= position < stage.n_samples:
                return stage
        raise ValueError(f"position {position} of {self.n_samples} samples")

    def documents_of(self, position: int) -> list[DocumentSpan]:
        """Return the documents of the sample at a position, in order."""
        return self.stage_of(position).documents_of(position)

    def place_of(self, position: int) -> dict[str, Any]:
        """Return the stage of a position, and the epoch of the stream that it draws from."""
        stage = self.stage_of(position)
        return {"stage": stage.name, "epoch": int(stage.draws([position]).epoch[0])}

    def positions_of_step(self, step: int, batch_tokens: int) -> range:
        """Return the positions of a training step. The first step is 1.

        Raises ValueError for another batch than the run's, or where it has no such step.
        """
        if batch_tokens != self.batch_tokens:
            raise ValueError(f"a batch of {batch_tokens} tokens: the stages have another")
        for stage in self.stages:
            if 0 < step - stage.first_step <= stage.n_steps:
                begin = stage.first + (step - stage.first_step - 1) * stage.batch_samples
                return range(begin, begin + stage.batch_samples)
        raise ValueError(f"step {step} of a run of the steps 1 to {self.n_steps}")

    def state(self, position: int) -> dict[str, Any]:
        """Return the state from which a run can continue at a position, as plain values.

        It has no trace of the stages that have not begun there.
        """
        return self._begun(position).state(position)

    def position_in(self, state: dict[str, Any]) -> int:
        """Return the position of a state. Raises ValueError for one of other samples."""
        return self._begun(state["position"]).position_in(state)

    def _begun(self, position: int) -> StageSamples:
        return self.stage_of(min(max(position, 1), self.n_samples) - 1)


class StageSamples(DrawnSamples):
    """The samples of one stage, by their positions among those of all stages."""

    def __init__(
        self,
        stage: StageDraws,
        *,
        first_step: int,
        first: int,
        n_samples: int,
        batch_samples: int,
        streams: Streams,
        samples: Concatenated | PackedStreams,
        draws: StreamDraws,
        sizes: Int64s,
        step: int,
        cursors: Int64s,
        keys: npt.NDArray[np.uint64],
        order: Mapping[str, Any],
    ) -> None:
        """Make the samples of a stage that begins behind ``first_step`` steps, at ``first``.

        It ends at the position ``n_samples``. ``sizes`` are the lengths of the lines of streams,
        ``step`` that of a sample on them, and ``cursors`` where the stage begins on each.
        ``order`` is what a state says of the order of samples.
        """
        self.name = stage.name
        self.n_steps = stage.n_steps
        self.first_step = first_step
        self.first = first
        self.n_samples = n_samples
        self.batch_samples = batch_samples
        self._streams = streams
        self._samples = samples
        self._stream_draws = draws
        self._counts: Int64s = np.array(draws.samples_of_stream, np.int64)
        self._sizes, self._step, self._cursors, self._keys = sizes, step, cursors, keys
        self._order = order

    @property
    def cursors_after(self) -> Int64s:
        """Where on the line of each stream the next stage begins."""
        cursors: Int64s = self._cursors + self._counts * self._step
        return cursors

    def draws(self, positions: npt.ArrayLike) -> Draws:
        """Return what positions draw. Raises ValueError outside of the stage.

        The number of a sample is that among the stage's of its stream. The epoch is that of the
        sample's first token. A sample that reads on into the next epoch is drawn last.
        """
        at = np.asarray(positions, np.int64) - self.first
        if at.size and (at.min() < 0 or at.max() >= self.n_samples - self.first):
            raise ValueError(f"positions outside of the stage {self.name}")
        stream, earlier = self._stream_draws.of(at)
        size, cursor, step = self._sizes[stream], self._cursors[stream], self._step
        epoch = (cursor + earlier * step) // size
        # The stage's samples that begin in this epoch.
        low = np.maximum(-((cursor - epoch * size) // step), 0)
        high = np.minimum(-((cursor - (epoch + 1) * size) // step), self._counts[stream])
        last = high - (cursor + high * step > (epoch + 1) * size)
        keys = epoch_keys(self._keys[stream], epoch)
        sample = earlier.copy()
        inner = np.flatnonzero(earlier < last)
        sample[inner] = low[inner] + permuted(
            (earlier - low)[inner], (last - low)[inner], keys[inner]
        )
        return Draws(stream, epoch, sample, (cursor + sample * step) % size)

    def state(self, position: int) -> dict[str, Any]:
        """Return the state at a position that this stage has come to."""
        return {**self._order, "position": position}

    def position_in(self, state: dict[str, Any]) -> int:
        """Return the position of a state. Raises ValueError for one of another order of samples."""
        for name, here in self._order.items():
            if state.get(name) != here:
                raise ValueError(
                    f"cannot go on: the run's {name} up to the stage {self.name} was "
                    f"{state.get(name)}, here {here}; give what it had, or start a new run"
                )
        return int(state["position"])


def check_packing(lengths: set[int]) -> None:
    """Check that packed stages have one length, for samples of others hold other documents.

    Raises ValueError.
    """
    if len(lengths) > 1:
        raise ValueError(
            f"--packing {BEST_FIT}: all stages need one sequence length, here are "
            f"{', '.join(map(str, sorted(lengths)))}"
        )


def _shuffled(shards: Sequence[Shard], seed: int) -> list[Shard]:
    def key(shard: Shard) -> bytes:
        return hashlib.blake2b(f"{seed}/{shard.tokens.name}".encode(), digest_size=16).digest()

    return sorted(shards, key=key)


def _digest(stages: Sequence[StageDraws], batch_tokens: int) -> str:
    text = json.dumps([batch_tokens, *(stage.described() for stage in stages)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _as_text(shares: Mapping[str, Fraction]) -> dict[str, str]:
    return {name: str(share) for name, share in shares.items()}


def _as_shares(described: Mapping[str, str]) -> Shares:
    return {name: Fraction(share) for name, share in described.items()}

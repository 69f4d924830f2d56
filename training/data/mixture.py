"""The samples of a training run, drawn from a corpus in the proportions of its recipe.

A sample is ``sequence_length + 1`` tokens of one stream (:mod:`training.data.streams`), which is
that of a source, or of one of its domains where it is divided. These tokens make
``sequence_length`` predictions. The next sample of the stream begins with the last token of the one
before it. So every token is predicted once, and none is lost between samples.

An epoch of a stream is as many whole samples as its tokens make. The remaining tokens begin the
next epoch, because streams are circular. So after whole epochs the numbers of predictions of any
two tokens of a stream differ by at most one. A stream shorter than one sample has epochs of one
sample, which repeats some of its tokens.

Where samples are packed (:mod:`training.data.packing`), a stream's epoch is all its packed samples,
and a sample is filled up with :data:`NO_TOKEN`.

Shapes: B samples of a batch, T1 = sequence_length + 1 tokens.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from training.data.files import corpus_files
from training.data.manifest import MANIFEST_NAME, Manifest, manifest_name, parse_manifest
from training.data.order import MAX_SAMPLES, epoch_keys, permuted
from training.data.packed_streams import PackedStreams
from training.data.packing import BEST_FIT
from training.data.stream_draws import StreamDraws
from training.data.streams import Concatenated, DocumentSpan, Int64s, Stream, Streams
from training.data.uncollected import uncollected

NO_TOKEN = -100
"""Value that fills up packed samples, and those at the end of a validation stream. PyTorch's losses
ignore it as a target."""


class Draws(NamedTuple):
    """The samples that positions draw. Every array has one entry a position."""

    stream: Int64s  # index of the stream in the mixture's streams
    epoch: Int64s  # epoch of the stream, from 0
    sample: Int64s  # number of the sample in the epoch, in the stream's order
    begin: Int64s  # location of the sample in the stream, in tokens; if packed, its number


class DrawnSamples:
    """Samples and their documents by position, of whatever says which sample a position draws."""

    _streams: Streams
    _samples: Concatenated | PackedStreams

    def draws(self, positions: npt.ArrayLike) -> Draws:
        """Return the samples that positions draw. Raises ValueError for one that draws none."""
        raise NotImplementedError

    def samples(self, positions: npt.ArrayLike) -> Int64s:
        """Read the samples at positions, as ``tokens_BT1``.

        Raises as :meth:`draws` does, and ValueError, with the file's name, for a shard that is
        missing or damaged.
        """
        draws = self.draws(positions)
        return self._samples.read(draws.stream, draws.begin)

    def sources_of(self, positions: npt.ArrayLike) -> list[str]:
        """Return the source of the sample at each position. Raises as :meth:`draws` does."""
        streams = self._streams.streams
        return [streams[stream].source for stream in self.draws(positions).stream.tolist()]

    def documents_of(self, position: int) -> list[DocumentSpan]:
        """Return the documents of the sample at a position. Raises as :meth:`samples` does."""
        draws = self.draws([position])
        return self._samples.documents(int(draws.stream[0]), int(draws.begin[0]))


class Mixture(DrawnSamples):
    """The training samples by position, 0 to ``n_samples - 1``.

    The sample at a position depends only on the corpus, the sequence length, the token budget and
    the seed. ``n_samples`` is the number of whole samples in the budget. They are divided among the
    sources in the recipe's proportions, by largest remainder, and then those of each source among
    its domains. They are spread so that every prefix has these proportions up to a sample or two
    (:class:`training.data.order.Schedule`). Each epoch has
    its samples in another order (:func:`training.data.order.permuted`).
    """

    def __init__(
        self,
        output: str | Path,
        *,
        sequence_length: int,
        seed: int,
        token_budget: int | None = None,
        cache: str | Path | None = None,
        mixture: str | None = None,
        packing: str | Path | None = None,
    ) -> None:
        """Open the corpus in a run's output folder, a path or a url that fsspec knows.

        ``token_budget`` is the manifest's by default. ``cache`` is a folder for the files of a
        remote corpus. ``mixture`` names one that the corpus has or had; by default it is the
        newest. ``packing`` is a folder for tables of packed samples; without it,
        documents stand one after the other, and only the manifest is read. Raises ValueError where
        it cannot be read, a source has no tokens, or a length is out of range.
        """
        files = corpus_files(output, cache)
        name = manifest_name(mixture)
        with uncollected():
            manifest = _parse(f"{output}/{name}", files.read_manifest(name), "train")
            self._streams = Streams(files, manifest.shards)
        self.sequence_length = sequence_length
        self.seed = seed
        self.token_budget = manifest.token_budget if token_budget is None else token_budget
        self.fingerprint = manifest.fingerprint
        self.tokenizer = manifest.tokenizer
        self.streams = self._streams.streams
        if sequence_length < 1:
            raise ValueError(f"a sequence length of {sequence_length}: expected 1 or more")
        self.n_samples = self.token_budget // sequence_length
        if not 0 < self.n_samples <= MAX_SAMPLES:
            raise ValueError(
                f"a budget of {self.token_budget} tokens makes {self.n_samples} samples of "
                f"{sequence_length}: expected 1 to 2^52"
            )
        self._stream_draws = StreamDraws(
            self.streams, self.n_samples, manifest.proportions, manifest.domains, str(output)
        )
        self.sources = self._stream_draws.sources
        self.samples_of_source = self._stream_draws.samples_of_source
        self.samples_of_stream = self._stream_draws.samples_of_stream
        self._samples: Concatenated | PackedStreams = (
            Concatenated(self._streams, sequence_length)
            if packing is None
            else PackedStreams(self._streams, Path(packing), sequence_length, NO_TOKEN)
        )
        self.is_packed = packing is not None
        self._keys = np.array([stream_key(seed, stream) for stream in self.streams], np.uint64)

    def draws(self, positions: npt.ArrayLike) -> Draws:
        """Return the samples that positions draw. Raises ValueError outside of the mixture."""
        at = np.asarray(positions, np.int64)
        if at.size and (at.min() < 0 or at.max() >= self.n_samples):
            raise ValueError(
                f"positions {at.min()} to {at.max()} of a mixture of {self.n_samples} samples"
            )
        stream, earlier = self._stream_draws.of(at)
        size = self._samples.n_samples[stream]
        epoch = earlier // size
        sample = permuted(earlier % size, size, epoch_keys(self._keys[stream], epoch))
        return Draws(stream, epoch, sample, self._samples.places(stream, epoch, sample))

    def positions_of_step(self, step: int, batch_tokens: int) -> range:
        """Return the positions of a training step. The first step is 1.

        Raises ValueError where a batch is not made of whole samples, or the mixture has no such
        step.
        """
        if batch_tokens < 1 or batch_tokens % self.sequence_length:
            raise ValueError(
                f"a batch of {batch_tokens} tokens is not made of samples of "
                f"{self.sequence_length}; choose a multiple"
            )
        batch_samples = batch_tokens // self.sequence_length
        n_steps = self.n_samples // batch_samples
        if not 1 <= step <= n_steps:
            raise ValueError(f"step {step} of a run of the steps 1 to {n_steps}")
        return range((step - 1) * batch_samples, step * batch_samples)

    def state(self, position: int) -> dict[str, Any]:
        """Return the state from which a run can continue at a position, as plain values."""
        return {
            "manifest": self.fingerprint,
            "seed": self.seed,
            "sequence_length": self.sequence_length,
            "token_budget": self.token_budget,
            "position": position,
            **({"packing": BEST_FIT} if self.is_packed else {}),
        }

    def position_in(self, state: dict[str, Any]) -> int:
        """Return the position of a state. Raises ValueError for one of another order of samples."""
        own = self.state(state["position"])
        for name, text in (
            ("manifest", "another corpus or mixture (manifest"),
            ("seed", "another order (seed"),
            ("sequence_length", "other samples (sequence length"),
            ("token_budget", "another mixture (token budget"),
            ("packing", "other samples (packing"),
        ):
            if state.get(name) != own.get(name):
                raise ValueError(
                    f"cannot go on: the run was on {text} {state.get(name)}, here "
                    f"{own.get(name)}); give what it had, or start a new run"
                )
        return int(own["position"])

    def check_files(self) -> None:
        """Check that all shards are there with their sizes. Remote shards are fetched.

        Raises ValueError for the first that is not. A run checks once, before work starts.
        """
        self._streams.check()


class Validation:
    """The held-out documents of every source, in order.

    Every token of a source but the first is predicted once. The last sample of a source is filled
    up with :data:`NO_TOKEN`.
    """

    def __init__(
        self, output: str | Path, *, sequence_length: int, cache: str | Path | None = None
    ) -> None:
        """Open the validation part of a corpus. The parameters are those of :class:`Mixture`."""
        files = corpus_files(output, cache)
        self.sequence_length = sequence_length
        with uncollected():
            manifest = _parse(f"{output}/{MANIFEST_NAME}", files.read_manifest(), "validation")
            self._streams = Streams(files, manifest.shards, by_domain=False)
        self._sources = [stream.source for stream in self._streams.streams]
        self.n_samples = {
            source: -(-(int(n_tokens) - 1) // sequence_length)
            for source, n_tokens in zip(self._sources, self._streams.n_tokens, strict=True)
            if n_tokens > 1  # the first token of a stream is predicted from nothing
        }
        """Number of samples of every source that has any."""

    def samples(self, source: str, numbers: npt.ArrayLike) -> Int64s:
        """Read samples of a source, as ``tokens_BT1``. Beyond the last, all is :data:`NO_TOKEN`."""
        stream = self._sources.index(source)
        n_tokens = int(self._streams.n_tokens[stream])
        begins = np.asarray(numbers, np.int64) * self.sequence_length
        tokens_BT1 = self._streams.read(
            np.full_like(begins, stream), begins % n_tokens, self.sequence_length + 1
        )
        locations_BT1 = begins[:, None] + np.arange(self.sequence_length + 1)
        tokens_BT1[locations_BT1 >= n_tokens] = NO_TOKEN
        return tokens_BT1


def _parse(path: str, data: bytes, part: str) -> Manifest:
    try:
        return parse_manifest(data, part)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def stream_key(seed: int, stream: Stream) -> int:
    """Return the key of a stream, from which the keys of its epochs are made."""
    name = stream.source if stream.domain is None else f"{stream.source}/{stream.domain}"
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")

"""What gives held-out text its bits: a model that is made of each draw, of one kind or another.

Scores are kept in a work folder, under a digest of what they were made of, so that a comparison
that was stopped goes on, and one with a candidate more scores the others no more.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from pipeline.judging.draws import Ids, joined_documents
from pipeline.judging.token_ngrams import ORDER, TrainingText, bits_of, sentence, trained

NGRAMS_MEANING = (
    "It measures how like the held-out text a small sample is, by n-grams, and no more: not what "
    "a large model learns from it."
)
"""What is said wherever figures of n-gram models are shown."""

CODE = 1
"""Number of the way in which scores are made; another one makes all of them anew."""

Floats = npt.NDArray[np.float64]


class Draw(NamedTuple):
    """What one model is made of: documents of a candidate, and what its run sets around them."""

    documents: Sequence[Ids]  # without marks of begin and end
    vocabulary_size: int
    begin: tuple[int, ...] = ()  # the mark that the run sets before documents, if it does
    end: tuple[int, ...] = ()


class Scored(NamedTuple):
    """What a model gave each passage of each held-out text, and how it was trained."""

    bits: list[Floats]
    curve: Floats  # loss of each step in nats a token; empty where there are no steps


Passages = Sequence[Sequence[Ids]]
"""The token ids of the passages of each held-out text."""


class Scorer(NamedTuple):
    """A kind of model: what it is, and the function that makes one of a draw and scores with it."""

    meaning: str
    settings: dict[str, Any]
    score: Callable[[Draw, Passages], Scored]


def ngram_scorer(tools: Path) -> Scorer:
    """Return the scorer by n-gram models, which KenLM's programs in a folder estimate."""

    def score(draw: Draw, passages: Passages) -> Scored:
        model = trained(TrainingText(draw.documents, draw.vocabulary_size), tools)
        bits = [bits_of(model, [sentence(ids) for ids in text]) for text in passages]
        return Scored(bits, np.zeros(0))

    return Scorer(NGRAMS_MEANING, {"order_of_model": ORDER}, score)


def kept_in(folder: Path, scorer: Scorer) -> Scorer:
    """Return a scorer that keeps its scores in a folder, and takes those that are there.

    A file that is damaged is made anew.
    """

    def score(draw: Draw, passages: Passages) -> Scored:
        file = folder / f"{digest_of(scorer.settings, draw, passages)}.npz"
        found = _read(file, len(passages))
        if found is None:
            found = scorer.score(draw, passages)
            _write(file, found)
        return found

    return scorer._replace(score=score)


def digest_of(settings: Mapping[str, Any], draw: Draw, passages: Passages) -> str:
    """Return the digest of all that scores are made of."""
    digest = hashlib.sha256()
    texts = [len(text) for text in passages]
    described = [CODE, settings, draw.vocabulary_size, draw.begin, draw.end, texts]
    digest.update(json.dumps(described, sort_keys=True).encode())
    for documents in (draw.documents, *passages):
        ids, offsets = joined_documents(documents)
        digest.update(offsets.astype("<i8").tobytes() + ids.astype("<i8").tobytes())
    return digest.hexdigest()


def _read(file: Path, n_texts: int) -> Scored | None:
    try:
        with np.load(file) as arrays:
            return Scored([arrays[f"text{i}"] for i in range(n_texts)], arrays["curve"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def _write(file: Path, scored: Scored) -> None:
    """Write scores under their name when they are whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(f".{os.getpid()}.npz")
    arrays = {f"text{i}": bits for i, bits in enumerate(scored.bits)}
    np.savez(unfinished, curve=scored.curve, **arrays)  # type: ignore[arg-type]
    unfinished.replace(file)

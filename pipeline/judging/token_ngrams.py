"""N-gram models over token ids, by KenLM's programs.

A word of such a model is a token's number. The vocabulary is padded to that of the tokenizer, so
that a token that the training text lacks has its share of the lowest order, and models that have
seen different tokens compare.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import kenlm
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.models.lm_training import build_binary, estimate_ngrams
from tokenizer.opening import Encoder

ORDER = 4
"""Length of the longest n-grams, in tokens."""

SORT_MEMORY = "1G"
"""Memory in which ``lmplz`` sorts, in its own notation."""

BITS_OF_LOG10 = float(np.log2(10))


class TrainingText(NamedTuple):
    """What one model is trained on."""

    documents: Iterable[npt.NDArray[Any]]  # token ids, without marks of begin and end
    vocabulary_size: int


def trained(text: TrainingText, tools: Path, scratch: str | None = None) -> Any:
    """Train a model and return it, loaded. Its files are gone by then. Raises RunError."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        arpa, binary = Path(folder, "model.arpa"), Path(folder, "model.bin")
        sentences = (sentence(ids).encode() for ids in text.documents)
        estimate_ngrams(
            sentences, arpa, tools, order=ORDER, memory=SORT_MEMORY,
            more=["--vocab_pad", str(text.vocabulary_size)],
        )  # fmt: skip
        build_binary(arpa, binary, tools, structure="probing", quantise_bits=0)
        arpa.unlink()
        config = kenlm.Config()
        config.load_method = kenlm.LoadMethod.READ
        return kenlm.Model(str(binary), config)


def sentence(ids: npt.NDArray[Any]) -> str:
    """Return token ids as a sentence of words."""
    return " ".join(map(str, ids.tolist()))


def encoded(texts: Sequence[str], encoder: Encoder) -> list[npt.NDArray[Any]]:
    """Return the token ids of texts, without marks of begin and end."""
    ids, offsets = encoder.encode(pa.array(texts, pa.string()), bos=False, eos=False)
    return [ids[offsets[i] : offsets[i + 1]] for i in range(len(texts))]


def sentences_of(texts: Sequence[str], encoder: Encoder) -> list[str]:
    """Return texts as sentences of the numbers of their tokens."""
    return [sentence(ids) for ids in encoded(texts, encoder)]


def bits_of(model: Any, sentences: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the bits that a model gives each sentence. Its end is not counted."""
    scores = [model.score(words, bos=True, eos=False) for words in sentences]
    return -BITS_OF_LOG10 * np.array(scores, np.float64)


def token_probabilities(model: Any, sentences: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the probability that a model gives each token of some sentences, one after another."""
    logarithms = [
        score[0] for words in sentences for score in model.full_scores(words, bos=True, eos=False)
    ]
    return np.power(10.0, np.array(logarithms, np.float64))

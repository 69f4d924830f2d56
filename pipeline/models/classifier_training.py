"""Training and measuring of a fastText classifier (arXiv 1607.01759) of two sets of documents.

The package ``fasttext`` trains in one thread, so that the same documents give the same model.
However, version 0.9.3 initialises only a tenth of its input matrix for each thread
(``DenseMatrix::uniformThread``). With fewer than ten threads the rest is uninitialised memory, so
results differ, or training ends with "Encountered NaN". So allocated memory is filled with zeros
during training.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.scoring.fasttext_predict import load_classifier

Probabilities = npt.NDArray[np.float64]

LABEL_PREFIX = "__label__"
"""Beginning of fastText's labels."""

_M_PERTURB = -6  # option of mallopt: a byte to fill allocated memory with


def training_lines(texts: pa.StringArray, label: str) -> list[bytes]:
    """Return documents in fastText's training format, a line each: the label, then the text.

    Newlines become spaces, as in the step ``classify``. Text that fastText would take for a label
    or for the end of a line gets a space in it.
    """
    texts = pc.replace_substring_regex(texts, r"[\n\0]", " ")
    texts = pc.replace_substring(texts, LABEL_PREFIX, "__label_ _")
    texts = pc.replace_substring(texts, "</s>", "< /s>")
    lines = pc.binary_join_element_wise(f"{LABEL_PREFIX}{label} ", texts, "\n", "")
    return pc.cast(lines, pa.binary()).to_pylist()


def train(lines: Path, model: Path, parameters: dict[str, Any], *, quantise: bool) -> None:
    """Train a classifier on a file of labelled lines and write it to ``model``.

    ``parameters`` are those of ``fasttext.train_supervised``. With ``quantise``, the model is
    compressed by product quantisation (arXiv 1612.03651). Raises ValueError if fastText
    refuses the parameters or the lines.
    """
    import fasttext

    with _zeroed_memory():
        try:
            trained = fasttext.train_supervised(str(lines), thread=1, verbose=0, **parameters)
            if quantise:
                trained.quantize()
            trained.save_model(str(model))
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"fastText: {error}") from None


@contextmanager
def _zeroed_memory() -> Iterator[None]:
    """Make the GNU C library fill allocated memory with zeros, except very small blocks."""
    library: Any = ctypes.CDLL(None)
    mallopt = getattr(library, "mallopt", lambda option, value: None)
    mallopt(_M_PERTURB, 0xFF)  # it fills with the complement of this byte
    try:
        yield
    finally:
        mallopt(_M_PERTURB, 0)


def probabilities(texts: pa.ChunkedArray, model: str, label: str) -> Probabilities:
    """Return each text's probability of the label, computed as in the step ``classify``."""
    classifier = load_classifier(model)
    column = classifier.labels.index(label)
    chunks = [
        classifier.probabilities(chunk, delete_newlines=False)[:, column] for chunk in texts.chunks
    ]
    return np.concatenate([np.zeros(0), *chunks])


def area_under_curve(positives: Probabilities, negatives: Probabilities) -> float:
    """Return the exact area under the ROC curve.

    It is the proportion of pairs of a positive and a negative document in which the positive one
    has the higher probability. Ties count half (the Mann-Whitney U statistic).
    """
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, "left").astype(np.int64)
    not_above = np.searchsorted(ordered, positives, "right").astype(np.int64)
    return int((below + not_above).sum()) / (2 * len(positives) * len(negatives))


def scores_at(
    positives: Probabilities, negatives: Probabilities, thresholds: Sequence[float]
) -> dict[str, dict[str, float | None]]:
    """Return precision and recall at each threshold; documents at or above it are kept."""
    scores: dict[str, dict[str, float | None]] = {}
    for threshold in thresholds:
        kept_positives = int((positives >= threshold).sum())
        kept = kept_positives + int((negatives >= threshold).sum())
        scores[f"{threshold:g}"] = {
            "precision": kept_positives / kept if kept else None,
            "recall": kept_positives / len(positives),
        }
    return scores

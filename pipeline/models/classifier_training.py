"""Training of a fastText classifier (arXiv 1607.01759) of two sets of documents, and its scores.

The package ``fasttext`` does the training, in one thread, so that the same documents give the same
model. With fewer than ten threads, though, version 0.9.3 begins with a tenth of its input matrix
for each thread and leaves the rest as the memory happens to be (``DenseMatrix::uniformThread``):
trainings then differ, or end with "Encountered NaN". So memory is handed out zeroed meanwhile.
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

_M_PERTURB = -6


def training_lines(texts: pa.StringArray, label: str) -> list[bytes]:
    """Write documents as fastText reads them: a line each, behind its label.

    Newlines become spaces, as the step ``classify`` has it. What fastText would take for a label or
    for the end of a line is written apart.
    """
    texts = pc.replace_substring_regex(texts, r"[\n\0]", " ")
    texts = pc.replace_substring(texts, LABEL_PREFIX, "__label_ _")
    texts = pc.replace_substring(texts, "</s>", "< /s>")
    lines = pc.binary_join_element_wise(f"{LABEL_PREFIX}{label} ", texts, "\n", "")
    return pc.cast(lines, pa.binary()).to_pylist()


def train(lines: Path, model: Path, parameters: dict[str, Any], *, quantise: bool) -> None:
    """Train a classifier on a file of labelled lines and write it to ``model``.

    ``parameters`` are those of ``fasttext.train_supervised``. With ``quantise``, the model is
    compressed by product quantisation (arXiv 1612.03651). Raises ValueError where fastText refuses.
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
    """Have the GNU C library fill the memory that it hands out with zeros, tiny pieces apart."""
    library: Any = ctypes.CDLL(None)
    mallopt = getattr(library, "mallopt", lambda option, value: None)
    mallopt(_M_PERTURB, 0xFF)  # it fills with the complement
    try:
        yield
    finally:
        mallopt(_M_PERTURB, 0)


def probabilities(texts: pa.ChunkedArray, model: str, label: str) -> Probabilities:
    """Return every text's probability of the label, as the step ``classify`` computes it."""
    classifier = load_classifier(model)
    column = classifier.labels.index(label)
    found = [
        classifier.probabilities(chunk, delete_newlines=False)[:, column] for chunk in texts.chunks
    ]
    return np.concatenate([np.zeros(0), *found])


def area_under_curve(positives: Probabilities, negatives: Probabilities) -> float:
    """Return the area under the receiver operating characteristic, exactly.

    It is the proportion of pairs of a positive and a negative in which the positive has the higher
    probability, ties counting half (Mann and Whitney's U).
    """
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, "left").astype(np.int64)
    not_above = np.searchsorted(ordered, positives, "right").astype(np.int64)
    return int((below + not_above).sum()) / (2 * len(positives) * len(negatives))


def scores_at(
    positives: Probabilities, negatives: Probabilities, thresholds: Sequence[float]
) -> dict[str, dict[str, float | None]]:
    """Return precision and recall where documents of at least each probability are kept."""
    scores: dict[str, dict[str, float | None]] = {}
    for threshold in thresholds:
        kept_positives = int((positives >= threshold).sum())
        kept = kept_positives + int((negatives >= threshold).sum())
        scores[f"{threshold:g}"] = {
            "precision": kept_positives / kept if kept else None,
            "recall": kept_positives / len(positives),
        }
    return scores

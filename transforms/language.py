"""Steps that label documents with fastText classifiers: their language, or any other class."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa

from transforms.documents import FilePath, drop, with_column
from transforms.fasttext_predict import load_classifier


def identify_language(
    batch: pa.RecordBatch, *, model: FilePath, languages: list[str], min_score: float
) -> pa.RecordBatch:
    """Set ``language`` and ``language_score`` to fastText's top label, and drop by them.

    As in CCNet (arXiv 1911.00359), the text's newlines are deleted, not replaced by spaces.
    Documents whose score is under ``min_score`` are dropped as ``low_language_score``, those of a
    language that is not in ``languages`` as ``other_language``; an empty list keeps all. A text in
    which the model finds nothing it knows has no language, and score 0. Raises ValueError if the
    file is no fastText classifier.
    """
    classifier = load_classifier(model)
    scores = classifier.probabilities(batch["text"], delete_newlines=True)
    best = scores.argmax(axis=1)
    score = scores[np.arange(len(best)), best]
    labels = pa.array(classifier.labels, pa.string())
    language = labels.take(pa.array(best, mask=score == 0))
    batch = with_column(batch, "language", language)
    batch = with_column(batch, "language_score", pa.array(score))
    batch = drop(batch, score < min_score, "low_language_score")
    if languages:
        is_other = ~np.isin(best, [i for i, x in enumerate(classifier.labels) if x in languages])
        batch = drop(batch, is_other | (score == 0), "other_language")
    return batch


def classify(
    batch: pa.RecordBatch, *, model: FilePath, label: str, min_probability: float
) -> pa.RecordBatch:
    """Drop documents whose probability of a fastText classifier's ``label`` is too low.

    As in RedPajama, the text's newlines count as spaces. Documents under ``min_probability`` are
    dropped as ``low_class_probability``. The probability is written into the metadata as
    ``class_probability``. ``label`` stands without fastText's prefix ``__label__``. Raises
    ValueError if the file is no fastText classifier or has no such label.
    """
    classifier = load_classifier(model)
    if label not in classifier.labels:
        known = ", ".join(classifier.labels[:20])
        raise ValueError(f"{model}: has no label {label!r}; it has {known}")
    scores = classifier.probabilities(batch["text"], delete_newlines=False)
    probability = scores[:, classifier.labels.index(label)]
    metadata = [
        json.dumps({**json.loads(old or "{}"), "class_probability": value}, ensure_ascii=False)
        for old, value in zip(batch["metadata"].to_pylist(), probability.tolist(), strict=True)
    ]
    batch = with_column(batch, "metadata", metadata)
    return drop(batch, probability < min_probability, "low_class_probability")

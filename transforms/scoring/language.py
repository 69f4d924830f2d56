"""Steps that label documents with fastText classifiers: their language, or any other class."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.documents import FilePath, checked_by, drop, with_column
from transforms.scoring.fasttext_predict import classifier_labels, load_classifier
from transforms.scoring.score_buckets import with_field

CLASS_PROBABILITY = "class_probability"
"""Name of a classifier's score where the recipe gives none."""


def check_identify_language(
    *, model: FilePath, languages: list[str], min_score: float, **_: object
) -> None:
    """Raise ValueError for a file that is not a classifier, and for languages that it lacks.

    A misspelt language would drop every document, and so would a ``min_score`` above 1.
    """
    if not 0 <= min_score <= 1:
        raise ValueError(f"min_score: expected a number from 0 to 1, found {min_score:g}")
    _check_labels(model, classifier_labels(model), languages)


def _check_labels(model: str, labels: list[str], wanted: list[str]) -> None:
    """Raise ValueError where a model lacks a label."""
    for label in wanted:
        if label not in labels:
            known = ", ".join(labels[:20])
            more = ", ..." if len(labels) > 20 else ""
            raise ValueError(f"{model}: has no label {label!r}; it has {known}{more}")


@checked_by(check_identify_language)
def identify_language(
    batch: pa.RecordBatch, *, model: FilePath, languages: list[str], min_score: float
) -> pa.RecordBatch:
    """Set ``language`` and ``language_score`` to fastText's top label, and drop by them.

    As in CCNet (arXiv 1911.00359), the text's newlines are deleted, not replaced by spaces.
    Documents whose score is under ``min_score`` are dropped as ``low_language_score``. Documents in
    a language that is not in ``languages`` are dropped as ``other_language``; an empty list keeps
    all. A text without any word or n-gram that the model knows has no language, and score 0. Raises
    ValueError if the file is not a fastText classifier.
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
        kept = [i for i, label in enumerate(classifier.labels) if label in languages]
        is_other = ~np.isin(best, kept)
        batch = drop(batch, is_other | (score == 0), "other_language")
    return batch


def keep_languages(batch: pa.RecordBatch, *, languages: list[str]) -> pa.RecordBatch:
    """Drop documents whose column ``language`` is not one of ``languages``, as ``other_language``.

    Documents without a language stay.
    """
    stays = pc.is_in(batch["language"], pa.array([*languages, None], pa.string()))
    return drop(batch, ~stays.to_numpy(zero_copy_only=False), "other_language")


def check_classify(*, model: FilePath, label: str, **_: object) -> None:
    """Raise ValueError for a file that is not a classifier, or a classifier without ``label``."""
    _check_labels(model, classifier_labels(model), [label])


@checked_by(check_classify)
def classify(
    batch: pa.RecordBatch,
    *,
    model: FilePath,
    label: str,
    min_probability: float = 0.0,
    as_: str = CLASS_PROBABILITY,
) -> pa.RecordBatch:
    """Drop documents whose probability of a fastText classifier's ``label`` is too low.

    As in RedPajama, the text's newlines count as spaces. Documents with a probability under
    ``min_probability`` are dropped as ``low_class_probability``. The probability is written into
    the metadata, as ``as`` says: a source with several classifiers gives each a name. ``label`` is
    given without fastText's prefix ``__label__``. Raises ValueError if the file is not a fastText
    classifier or lacks the label.
    """
    batch, probability = _with_probability(batch, model, label, as_)
    return drop(batch, probability < min_probability, "low_class_probability")


def check_classify_top(
    *, model: FilePath, label: str, card: FilePath, keep_fraction: float, **_: object
) -> None:
    """Raise ValueError as ``check_classify`` does, and for a card without the label's percentiles.

    A ``keep_fraction`` of 0 or less, or above 1, raises it, too.
    """
    if not 0 < keep_fraction <= 1:
        raise ValueError(f"keep_fraction: expected above 0 and at most 1, found {keep_fraction}")
    check_classify(model=model, label=label)
    _percentiles(card, label)


@checked_by(check_classify_top)
def classify_top(
    batch: pa.RecordBatch,
    *,
    model: FilePath,
    label: str,
    card: FilePath,
    keep_fraction: float,
    as_: str = CLASS_PROBABILITY,
) -> pa.RecordBatch:
    """Keep about the ``keep_fraction`` of documents that a fastText classifier rates highest.

    The threshold comes from the classifier's card. The card has percentiles of the label's
    probability over random web pages that were held out from training. With 0.1 the threshold is
    the 90th percentile. In all else this step works as :func:`classify`. It also raises ValueError
    where the card has no percentiles of the label, or the fraction is not above 0 and at most 1.
    """
    if not 0 < keep_fraction <= 1:
        raise ValueError(f"keep_fraction: expected above 0 and at most 1, found {keep_fraction}")
    batch, probability = _with_probability(batch, model, label, as_)
    percentiles = _percentiles(card, label)
    smallest = np.interp(100 * (1 - keep_fraction), np.arange(len(percentiles)), percentiles)
    return drop(batch, probability < smallest, "low_class_probability")


@cache
def _percentiles(card: str, label: str) -> list[float]:
    """Read the percentiles 0 to 100 of a label's probability over random pages from a card."""
    try:
        percentiles = json.loads(Path(card).read_text("utf-8"))["scores"]["random_page_percentiles"]
        return [float(value) for value in percentiles[label]]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{card}: has no percentiles of the label {label!r}") from None


def _with_probability(
    batch: pa.RecordBatch, model: str, label: str, name: str
) -> tuple[pa.RecordBatch, npt.NDArray[np.float64]]:
    """Write every document's probability of the label into its metadata, and return it, too."""
    classifier = load_classifier(model)
    _check_labels(model, classifier.labels, [label])
    scores = classifier.probabilities(batch["text"], delete_newlines=False)
    probability = scores[:, classifier.labels.index(label)]
    return with_field(batch, name, probability.tolist()), probability

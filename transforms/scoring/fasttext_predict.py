"""Prediction with supervised fastText models, a column of texts at a time.

The arithmetic is fastText's own (arXiv 1607.01759). Softmax or hierarchical softmax over a text's
vector gives the probabilities of the labels. Other models (with other losses, or with n-grams of
words) are run by the package ``fasttext``, a text at a time.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from transforms.documents import text_buffers
from transforms.scoring.fasttext_features import empty_cache, features_of, text_vectors
from transforms.scoring.fasttext_model import (
    HIERARCHICAL_SOFTMAX,
    SOFTMAX,
    SUPERVISED,
    FastTextModel,
    read_model,
)

Scores = npt.NDArray[np.float64]

_NO_LABEL_BELOW = 1e-5
"""Lowest probability of a label that fastText's hierarchical softmax returns."""


@njit(cache=True, nogil=True)
def _products(vectors, matrix):  # type: ignore[no-untyped-def]
    """Return ``vectors @ matrix.T``. A BLAS would start threads for it."""
    products = np.zeros((vectors.shape[0], matrix.shape[0]), np.float32)
    for t in range(vectors.shape[0]):
        for row in range(matrix.shape[0]):
            for d in range(vectors.shape[1]):
                products[t, row] += vectors[t, d] * matrix[row, d]
    return products


@njit(cache=True)
def _huffman_children(counts):  # type: ignore[no-untyped-def]
    """Return the two children of each inner node. Inner nodes are numbered after the labels."""
    n_labels = counts.size
    weights = np.full(2 * n_labels - 1, np.int64(10**15))
    weights[:n_labels] = counts
    children = np.zeros((n_labels - 1, 2), np.int64)
    leaf = n_labels - 1
    node = n_labels
    for inner in range(n_labels - 1):
        for side in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                children[inner, side] = leaf
                leaf -= 1
            else:
                children[inner, side] = node
                node += 1
        weights[n_labels + inner] = weights[children[inner, 0]] + weights[children[inner, 1]]
    return children


@njit(cache=True, nogil=True)
def _tree_scores(children, logits):  # type: ignore[no-untyped-def]
    """Return the log probability of each label from the logits of the inner nodes."""
    n_inner = children.shape[0]
    n_labels = n_inner + 1
    scores = np.zeros((logits.shape[0], n_labels + n_inner))
    for t in range(logits.shape[0]):
        for inner in range(n_inner - 1, -1, -1):
            right = 1.0 / (1.0 + np.exp(-np.float64(logits[t, inner])))
            here = scores[t, n_labels + inner]
            scores[t, children[inner, 0]] = here + np.log(1.0 - right + 1e-5)
            scores[t, children[inner, 1]] = here + np.log(right + 1e-5)
    return scores[:, :n_labels]


class BatchClassifier:
    """A supervised model with softmax or hierarchical softmax, without n-grams of words."""

    def __init__(self, model: FastTextModel) -> None:
        self.labels = model.labels
        self._model = model
        self._features = features_of(model)
        self._children = (
            _huffman_children(model.label_counts) if model.loss == HIERARCHICAL_SOFTMAX else None
        )
        # A thread takes a cache out while it predicts. list.pop and list.append are atomic.
        self._caches = [empty_cache()]

    def probabilities(self, texts: pa.StringArray, *, delete_newlines: bool) -> Scores:
        """Return the probability of each label (columns) for each text (rows).

        As in fastText, they add up to a little more than 1. The row of a text without any known
        word or n-gram is 0. Newlines are deleted, or separate words as spaces do.
        """
        vectors, has_rows = self._vectors(texts, delete_newlines)
        if self._children is None:
            logits = _products(vectors, self._model.output_rows).astype(np.float64)
            logits -= logits.max(axis=1, initial=-np.inf, keepdims=True)
            exponents = np.exp(logits)
            scores = exponents / exponents.sum(axis=1, keepdims=True) + 1e-5
        else:
            logits = _products(vectors, self._model.output_rows[: len(self._children)])
            scores = np.exp(_tree_scores(self._children, logits))
            scores[scores < _NO_LABEL_BELOW] = 0
        scores[~has_rows] = 0
        return scores

    def _vectors(
        self, texts: pa.StringArray, delete_newlines: bool
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        try:
            cache_of_words = self._caches.pop()
        except IndexError:
            cache_of_words = empty_cache()
        vectors, has_rows = text_vectors(
            self._features, cache_of_words, *text_buffers(texts), delete_newlines
        )
        self._caches.append(cache_of_words)
        return vectors, has_rows


class PackageClassifier:
    """Any supervised model, predicted by the package ``fasttext``."""

    def __init__(self, path: str, labels: list[str]) -> None:
        import fasttext

        self.labels = labels
        self._column = {label: i for i, label in enumerate(labels)}
        self._model: Any = fasttext.load_model(path).f

    def probabilities(self, texts: pa.StringArray, *, delete_newlines: bool) -> Scores:
        """Return the probability of each label (columns) for each text (rows)."""
        scores = np.zeros((len(texts), len(self.labels)))
        newline = "" if delete_newlines else " "
        for row, text in zip(scores, texts.to_pylist(), strict=True):
            line = (text or "").replace("\n", newline) + "\n"
            for probability, label in self._model.predict(line, -1, 0.0, "strict"):
                row[self._column[label.removeprefix("__label__")]] = probability
        return scores


def _read_classifier(path: str) -> FastTextModel:
    model = read_model(path)
    if model.model != SUPERVISED:
        raise ValueError(f"{path}: a fastText model of word vectors, not a classifier")
    return model


def classifier_labels(path: str) -> list[str]:
    """Read a supervised model to the end and return its labels.

    Raises ValueError if the file is not such a model. This is much faster than
    :func:`load_classifier`.
    """
    return _read_classifier(path).labels


@cache
def load_classifier(path: str) -> BatchClassifier | PackageClassifier:
    """Load a supervised model, once a process. Raises ValueError for any other file."""
    model = _read_classifier(path)
    if model.loss in (HIERARCHICAL_SOFTMAX, SOFTMAX) and model.word_ngrams == 1:
        return BatchClassifier(model)
    return PackageClassifier(path, model.labels)

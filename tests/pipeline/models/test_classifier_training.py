"""Training of classifiers: the same bytes every time, and exact scores."""

from __future__ import annotations

import hashlib
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.models.classifier_training import (
    area_under_curve,
    probabilities,
    scores_at,
    train,
    training_lines,
)

PARAMETERS = {"lr": 0.5, "dim": 100, "epoch": 5}


def random_lines(seed: int) -> bytes:
    """Return lines of two classes, of 100 words each, whose vocabularies overlap."""
    random = np.random.default_rng(seed)
    lines = []
    for number in range(400):
        words = random.integers(0, 2_500, 100) + 500 * (number % 2)
        lines.append(f"__label__{'ab'[number % 2]} {' '.join(f'w{word}' for word in words)}\n")
    return "".join(lines).encode()


def give_back_memory_of_nan() -> None:
    """Fill the memory that is allocated next with NaN."""
    blocks = [np.full(size, np.nan, np.float32) for size in (200_000, 2_000) for _ in range(50)]
    del blocks


@pytest.mark.slow
@pytest.mark.parametrize("quantise", [False, True])
def test_the_same_lines_give_the_same_model(tmp_path: Path, quantise: bool) -> None:
    lines, model = tmp_path / "lines.txt", tmp_path / "model"
    lines.write_bytes(random_lines(1))
    found = set()
    for _ in range(3):
        give_back_memory_of_nan()
        train(lines, model, PARAMETERS, quantise=quantise)
        found.add(hashlib.sha256(model.read_bytes()).hexdigest())
    assert len(found) == 1


def test_fasttext_alone_begins_with_what_the_memory_holds(tmp_path: Path) -> None:
    """If this fails, fastText is fixed, and its memory need not be zeroed any more."""
    lines = tmp_path / "lines.txt"
    lines.write_bytes(random_lines(1))
    with pytest.raises(RuntimeError, match="NaN"):
        for _ in range(4):
            give_back_memory_of_nan()
            fasttext.train_supervised(str(lines), thread=1, verbose=0, **PARAMETERS)


def test_a_classifier_tells_its_classes_apart(tmp_path: Path) -> None:
    lines, model = tmp_path / "lines.txt", tmp_path / "model"
    lines.write_bytes(random_lines(1))
    train(lines, model, PARAMETERS, quantise=False)
    rows = random_lines(2).decode().splitlines()
    texts = {x: [r[11:] for r in rows if r.startswith(f"__label__{x}")] for x in "ab"}
    a, b = (probabilities(pa.chunked_array([texts[x]]), str(model), "a") for x in "ab")
    assert area_under_curve(a, b) > 0.95
    assert area_under_curve(b, a) < 0.05


def test_lines_have_one_label_and_one_end() -> None:
    texts = pa.array(["one\ntwo", "a __label__wiki b", "x </s> y", "nul\0l", "", "\u00e9\u2028"])
    lines = training_lines(texts, "cc")
    assert lines == [
        b"__label__cc one two\n",
        b"__label__cc a __label_ _wiki b\n",
        b"__label__cc x < /s> y\n",
        b"__label__cc nul l\n",
        b"__label__cc \n",
        "__label__cc \u00e9\u2028\n".encode(),
    ]


def test_what_fasttext_refuses_is_told(tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_bytes(b"")
    with pytest.raises(ValueError, match="fastText: "):
        train(lines, tmp_path / "model", PARAMETERS, quantise=False)


_SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=20)


@given(_SCORES, _SCORES)
def test_area_is_the_proportion_of_pairs_in_order(
    positives: list[float], negatives: list[float]
) -> None:
    pairs = [(p > n) + (p == n) / 2 for p in positives for n in negatives]
    area = area_under_curve(np.array(positives), np.array(negatives))
    assert area == pytest.approx(sum(pairs) / len(pairs), abs=1e-15)


@given(_SCORES, _SCORES)
def test_precision_and_recall_by_counting(positives: list[float], negatives: list[float]) -> None:
    (found,) = scores_at(np.array(positives), np.array(negatives), [0.5]).values()
    right = [p for p in positives if p >= 0.5]
    wrong = [n for n in negatives if n >= 0.5]
    assert found["recall"] == len(right) / len(positives)
    kept = right + wrong
    assert found["precision"] == (len(right) / len(kept) if kept else None)

"""Scores, compared with KenLM's, on real pages and random sentences, for every kind of trie."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import kenlm
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tokenizer.test_encode import wet_pages
from tokenizer.encode import load_encoder
from transforms.kernels.codepoints import normalise_for_lm
from transforms.scoring.kenlm_model import LanguageModel, load, word_numbers
from transforms.scoring.kenlm_score import SentenceScorer

ROOT = Path(__file__).resolve().parents[3]
MODELS = {"shared": ROOT.parent / "shared/models", "demo": ROOT / "samples/models"}


@pytest.fixture(scope="module", params=MODELS)
def folder(request: pytest.FixtureRequest) -> Path:
    if request.param == "shared":
        request.getfixturevalue("shared_models")
    return MODELS[request.param]


@functools.cache
def both(path: Path) -> tuple[SentenceScorer, kenlm.Model]:
    model = load(str(path))
    assert model is not None
    return SentenceScorer(model), kenlm.Model(str(path))


def numbers(model: LanguageModel, words: list[bytes]) -> np.ndarray:
    arena = np.frombuffer(b"".join(words), np.uint8)
    return word_numbers(model, arena, np.cumsum([0, *map(len, words)], dtype=np.int64))


def differing(path: Path, sentences: list[bytes]) -> list[bytes]:
    """Return the sentences whose scores are not KenLM's to the last bit."""
    scorer, reference = both(path)
    rows = [sentence.split() for sentence in sentences]
    vocabulary = list({word for row in rows for word in row})
    number = dict(zip(vocabulary, numbers(scorer.model, vocabulary), strict=True))
    words = np.array([number[word] for row in rows for word in row], np.uint32)
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    found = scorer.score_batch(words, offsets)
    expected = [reference.score(sentence, bos=True, eos=True) for sentence in sentences]
    return [s for s, a, b in zip(sentences, found, expected, strict=True) if a != b]


@functools.cache
def pages(data: Path) -> list[str]:
    common = re.compile(r"\b(?:the|and|of|to|in)\b")
    return [p for p in wet_pages(data) if len(common.findall(p)) > len(p) / 150]


@functools.cache
def sentences_of(folder: Path, data: Path) -> list[bytes]:
    encoder = load_encoder(str(folder / "en.sp.model"))
    found = encoder.encode_as_sentences(normalise_for_lm(pa.array(pages(data))))
    return [sentence for sentence, _ in found]


@pytest.mark.slow
def test_every_english_page(folder: Path, shared_data: Path) -> None:
    sentences = sentences_of(folder, shared_data)
    assert len(sentences) > 300
    assert differing(folder / "en.arpa.bin", sentences) == []


def test_words_are_numbered_as_in_kenlm(folder: Path) -> None:
    scorer, reference = both(folder / "en.arpa.bin")
    model = scorer.model
    pieces = [p.text for p in load_encoder(str(folder / "en.sp.model")).model.pieces]
    words = [*pieces, b"", b"12345678", b"no such word at all", b"<UNK>"]
    assert [n > 0 for n in numbers(model, words)] == [word.decode() in reference for word in words]
    known = numbers(model, words)
    known = known[known > 0]
    assert (
        len(set(known))
        == len(known)
        == len(set(words) & {w for w in words if w.decode() in reference})
    )
    assert {model.begin, model.end} == set(numbers(model, [b"<s>", b"</s>"]).tolist()) - {0}


def test_sentences_of_random_pieces(folder: Path) -> None:
    pieces = [p.text for p in load_encoder(str(folder / "en.sp.model")).model.pieces]
    frequent = st.sampled_from(sorted(pieces[:200]))
    word = st.one_of(frequent, frequent, st.sampled_from(pieces), st.just("☃".encode()))

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.lists(word, max_size=30).map(b" ".join), max_size=6))
    def check(sentences: list[bytes]) -> None:
        assert differing(folder / "en.arpa.bin", sentences) == []

    check()

"""Shingles against plain sets of words, and what words are."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.plain.near import batch_of, plain_shingles
from transforms.dedup.shingles import distinct_shingles


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.characters(codec="ascii"), max_size=60)), st.integers(1, 6))
def test_shingles_are_those_of_plain_python(texts: list[str], n: int):
    hashes, offsets = distinct_shingles(batch_of(texts)["text"], shingle_words=n)
    seen: dict[int, tuple[str, ...]] = {}
    for i, text in enumerate(texts):
        mine = hashes[offsets[i] : offsets[i + 1]]
        assert (np.diff(mine.astype(object)) > 0).all()
        assert len(mine) == len(plain_shingles(text, n))
        alone = [
            distinct_shingles(batch_of([" ".join(s)])["text"], shingle_words=n)
            for s in plain_shingles(text, n)
        ]
        assert {one.hashes.tolist()[0] for one in alone} == set(mine.tolist())
        for one, words in zip(alone, plain_shingles(text, n), strict=True):
            assert seen.setdefault(one.hashes.tolist()[0], words) == words


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=5))
def test_any_text_has_shingles(texts: list[str]):
    hashes, offsets = distinct_shingles(batch_of(texts)["text"], shingle_words=3)
    assert len(offsets) == len(texts) + 1 and offsets[-1] == len(hashes)
    for i, text in enumerate(texts):
        has_words = re.search(r"[^\W_]", text) is not None
        assert not has_words or offsets[i + 1] > offsets[i]


def same(a: str, b: str) -> bool:
    one, other = (distinct_shingles(batch_of([t])["text"], shingle_words=2).hashes for t in (a, b))
    return one.tolist() == other.tolist()


def test_what_words_are():
    assert same("Alice’s “naïve” CAFÉ—ΣΊΣΥΦΟΣ", "alice's naive cafe, σισυφος")
    assert same("naïve", "nai\u0308ve")
    assert same("_so_ it_is", "so it is")
    assert same("漢字かな", "漢 字\nか な") and not same("漢字", "字漢")
    assert not same("so it is", "soit is")
    assert not same("हिन्दी", "हिन्दा")
    assert not same("résumé 1", "resume 2")

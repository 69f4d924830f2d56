"""Repeated spans beside brute force over all substrings, and what is made of the decisions."""

from __future__ import annotations

import random
from functools import partial
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.plain.spans import repeated_bytes
from tests.transforms.dedup.test_exact import batch_of, shuffled
from transforms.dedup.spans import DeduplicateSpans
from transforms.kernels.spans import HASHED_BYTES, reach_of, spans, without_spans

LEAST = 64
REACH = reach_of(LEAST)
STEP = DeduplicateSpans(keep="first", min_bytes=LEAST, max_removed_share=1.0)
LETTERS = "abcdefghijklmnop   \n\né漢😀"


def passage(seed: int, length: int) -> str:
    """Return random letters of one to four bytes."""
    drawn = random.Random(seed)
    return "".join(drawn.choice(LETTERS) for _ in range(length))


PASSAGES = st.builds(passage, st.integers(0, 5), st.integers(0, 150))
TEXTS = st.lists(st.one_of(PASSAGES, st.text(max_size=30)), max_size=5).map("".join)


def gone(texts: list[str]) -> list[np.ndarray]:
    """Mark the bytes of each text that lie in a span which an earlier one equals."""
    seen: set[bytes] = set()
    marked = []
    for text in texts:
        data = text.encode()
        mask = np.zeros(len(data), bool)
        found = spans(pa.array([text]), LEAST)
        for start, end in zip(found.starts.tolist(), found.ends.tolist(), strict=True):
            if data[start:end] in seen:
                mask[start:end] = True
            seen.add(data[start:end])
        marked.append(mask)
    return marked


def rest(text: str, mask: np.ndarray) -> str:
    """Return a text without the bytes that are marked; it must be whole characters."""
    return bytes(np.frombuffer(text.encode(), np.uint8)[~mask]).decode()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(TEXTS, max_size=3), min_size=1, max_size=3), st.integers(1, 3))
def test_only_what_stood_before_goes(corpus, n_partitions):
    texts = [text for split in corpus for text in split]
    here = gone(texts)
    for mask, truth in zip(here, repeated_bytes([t.encode() for t in texts], LEAST), strict=True):
        assert not (mask & ~truth).any()
    expected = [
        rest(text, mask) if not mask.all() or not text else None
        for text, mask in zip(texts, here, strict=True)
    ]
    step = partial(DeduplicateSpans, min_bytes=LEAST, max_removed_share=1.0)
    made = shuffled(corpus, "first", n_partitions, 2, step)
    assert [text for split in made for text in split] == expected


@pytest.mark.parametrize("seed", range(40))
def test_a_planted_passage_goes_but_for_its_edges(seed):
    planted = passage(seed, 200).encode()
    before, after = passage(100 + seed, 70), passage(200 + seed, 90)
    texts = [f"{before}{planted.decode()}", f"{after}{planted.decode()}{before[:30]}"]
    assert len(planted) >= LEAST + 4 * REACH + HASHED_BYTES + 1
    first, second = gone(texts)
    assert not first.any()
    begin = len(after.encode())
    inner = second[begin + 1 + 2 * REACH : begin + len(planted) - 3 * REACH - HASHED_BYTES]
    assert inner.all()
    assert not second[:begin].any()


def test_a_copy_goes_whole():
    texts = [passage(seed, 60 + seed) for seed in range(30)]
    assert all(len(text.encode()) >= LEAST for text in texts)
    assert all(mask.all() for mask in gone([*texts, *texts])[len(texts) :])


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, max_size=4))
def test_cuts_depend_on_the_text_alone_and_are_never_far_apart(texts):
    column = pa.array(["x" * 99, *texts], pa.string())[1:]
    found = spans(column, LEAST)
    base = len("x" * 99)
    for text, (first, last) in zip(texts, pairwise(found.offsets), strict=True):
        data = text.encode()
        alone = spans(pa.array([text]), LEAST)
        assert (found.starts[first:last] - base).tolist() == alone.starts.tolist()
        assert (found.ends[first:last] - base).tolist() == alone.ends.tolist()
        assert (len(alone.starts) > 0) == (len(data) >= LEAST)
        if len(data) >= LEAST:
            assert alone.starts[0] == 0 and alone.ends[-1] == len(data)
            assert np.diff(alone.starts).max(initial=0) <= REACH
            assert (alone.ends - alone.starts).min() >= LEAST
            assert (alone.ends - alone.starts).max() < LEAST + 2 * REACH
        base += len(data)


def test_where_too_much_goes_the_document_is_dropped():
    copied, own = passage(1, 300), passage(2, 300)
    batch = batch_of([copied, own + copied, passage(3, 100)])
    kept = np.ones(int(STEP.count(batch)[-1]), bool)
    seen = set()
    for i, key in enumerate(STEP.units(batch).keys.tolist()):
        kept[i] = key not in seen
        seen.add(key)
    units = STEP.count(batch)
    lost = gone([copied, own + copied])[1].mean()
    assert 0.3 < lost < 0.7
    for share, reason in ((lost - 0.01, "repeated_spans"), (lost + 0.01, None)):
        step = DeduplicateSpans(keep="first", min_bytes=LEAST, max_removed_share=share)
        after = step.apply(batch, units, kept)
        assert after["dropped_by"].to_pylist() == [None, reason, None]
    assert STEP.apply(batch, units, np.ones_like(kept)) is batch


def test_what_is_taken_out_is_listed_by_line():
    copied = passage(7, 400)
    text = f"one\ntwo {passage(8, 50)}{copied}"
    units = STEP.units(batch_of([copied, text]))
    mine = units.keys[units.offsets[1] :]
    kept = ~np.isin(mine, units.keys[: units.offsets[1]])
    mask = gone([copied, text])[1]
    listed = STEP.removed_lines(text, kept)
    lines = text.split("\n")
    assert all(one.text in lines[one.line] for one in listed)
    assert {one.reason for one in listed} == {"repeated_span"}
    removed = bytes(np.frombuffer(text.encode(), np.uint8)[mask]).decode()
    assert "".join(one.text for one in listed) == removed.replace("\n", "")
    assert STEP.cut(text, kept) == rest(text, mask) != text


def test_with_keep_none_no_copy_stays():
    copied = passage(5, 300)
    step = partial(DeduplicateSpans, min_bytes=LEAST, max_removed_share=1.0)
    others = passage(9, 200), passage(10, 200)
    ((first, second, third),) = shuffled(
        [[copied, others[0] + copied, others[1]]], "none", 2, 2, step
    )
    assert third == others[1]
    assert all(len(text or "") < 330 and copied[100:200] not in (text or "")
               for text in (first, second))  # fmt: skip


def test_decisions_about_another_text_are_refused():
    column = pa.array([passage(1, 300)])
    found = spans(column, LEAST)
    with pytest.raises(ValueError, match="made for another input"):
        without_spans(column, found, np.ones(len(found.starts) - 1, bool))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("min_bytes", 63, "min_bytes: expected 64 or more, found 63"),
     ("max_removed_share", 1.5, "max_removed_share: expected 0 <= x <= 1, found 1.5")],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(name, value, message):
    parameters = {"keep": "first", "min_bytes": 64, "max_removed_share": 0.5, name: value}
    with pytest.raises(ValueError, match=message):
        DeduplicateSpans(**parameters)


def test_the_shuffle_is_about_what_was_estimated():
    texts = [passage(seed, 4000) for seed in range(20)]
    step = DeduplicateSpans(keep="first", min_bytes=500, max_removed_share=1.0)
    n_bytes = sum(len(text.encode()) for text in texts)
    made = 12 * len(step.units(batch_of(texts)).keys)
    assert 0.9 * made < step.shuffle_bytes(n_bytes, n_bytes / 20) < 1.3 * made

"""Files of sorted keys: what they have, what is read of them, and damage."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.dedup.key_files import (
    BLOCK_KEYS,
    COUNTS,
    REFERENCES,
    Rows,
    are_in,
    last_values,
    merged_rows,
    packed_rows,
    read_rows,
    saturated,
    span,
    summed,
)

RANDOM = np.random.default_rng(5)
MANY = np.unique(RANDOM.integers(0, 2**64, 3 * BLOCK_KEYS + 17, np.uint64))


class Reads(io.BytesIO):
    """A file that counts the bytes that are read."""

    n_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, and count."""
        data = super().read(size)
        self.n_bytes += len(data)
        return data


def file_of(keys: np.ndarray) -> Reads:
    return Reads(b"".join(packed_rows([Rows(keys, keys.astype(REFERENCES))], REFERENCES)))


SETS = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 30)).map(
    lambda numbers: np.unique(np.array(numbers, np.uint64))
)


@given(SETS, SETS)
def test_what_is_in_a_file_is_told(there, asked):
    assert are_in(file_of(there), asked).tolist() == np.isin(asked, there).tolist()


def test_keys_are_found_over_all_blocks():
    asked = np.unique(np.concatenate([MANY[::3], MANY[::7] + np.uint64(1), MANY[:1], MANY[-1:]]))
    assert are_in(file_of(MANY), asked).tolist() == np.isin(asked, MANY).tolist()
    assert span(file_of(MANY)) == (len(MANY), int(MANY[0]), int(MANY[-1]))


def test_blocks_that_can_have_no_key_are_not_read():
    file = file_of(MANY)
    assert are_in(file, MANY[-5:]).all()
    assert file.n_bytes < 16 * BLOCK_KEYS


@pytest.mark.parametrize("place", [3, 100, -5, -30])
def test_damage_is_told(place):
    data = bytearray(file_of(MANY).getvalue())
    data[place] ^= 1
    with pytest.raises(ValueError, match=r"not as it was written|no file of keys|are not those of"):
        are_in(io.BytesIO(bytes(data)), MANY)
    with pytest.raises(ValueError, match=r"no file of keys|are not those of"):
        are_in(io.BytesIO(bytes(data[:-1])), MANY)


def rows_of(pairs: list[tuple[int, int]]) -> Rows:
    ordered = np.array(sorted(pairs), np.uint64).reshape(-1, 2)
    return Rows(ordered[:, 0], ordered[:, 1])


FEW = RANDOM.integers(0, 40, 5 * BLOCK_KEYS, np.uint64)
PAIRS = [*zip(FEW.tolist(), RANDOM.integers(0, 2**64, len(FEW), np.uint64).tolist(), strict=True)]


@pytest.mark.parametrize("most", [1, 3, 2000])
def test_the_last_values_of_keys_that_many_rows_have_are_found(most):
    rows = rows_of(PAIRS)
    file = io.BytesIO(b"".join(packed_rows([rows], REFERENCES)))
    asked = np.array([0, 3, 7, 39, 41], np.uint64)
    places, values = last_values(file, asked, most)
    found = [(place, int(value)) for place, value in zip(places.tolist(), values, strict=True)]
    expected = []
    for place, key in enumerate(asked.tolist()):
        expected += [(place, value) for other, value in sorted(PAIRS) if other == key][-most:]
    assert sorted(found) == sorted((p, v) for p, v in expected)


def test_rows_come_back_by_blocks_whatever_the_chunks():
    rows = rows_of(PAIRS)
    chunks = [Rows(rows.keys[i : i + 777], rows.values[i : i + 777]) for i in range(0, 40960, 777)]
    data = b"".join(packed_rows(chunks, REFERENCES))
    assert data == b"".join(packed_rows([rows], REFERENCES))
    keys, values = map(np.concatenate, zip(*read_rows(io.BytesIO(data)), strict=True))
    assert (keys == rows.keys).all() and (values == rows.values).all()


PARTS = st.lists(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), min_size=1), max_size=4)


@given(st.lists(PARTS, max_size=4))
def test_streams_are_merged_in_order_with_all_rows_of_a_key_together(streams):
    def stream(parts: list[list[tuple[int, int]]]) -> list[Rows]:
        ordered = sorted(pair for part in parts for pair in part)
        sizes = np.cumsum([len(part) for part in parts])[:-1] if parts else []
        columns = rows_of(ordered)
        pieces = zip(np.split(columns.keys, sizes), np.split(columns.values, sizes), strict=True)
        return [Rows(*piece) for piece in pieces if len(piece[0])]

    chunks = list(merged_rows([iter(stream(parts)) for parts in streams]))
    made = [pair for chunk in chunks for pair in zip(*map(list, chunk), strict=True)]
    assert made == sorted(pair for parts in streams for part in parts for pair in part)
    seen = [set(chunk.keys.tolist()) for chunk in chunks]
    assert sum(map(len, seen)) == len(set().union(*seen))


def test_counts_add_up_and_stop_where_they_do_not_fit():
    rows = Rows(np.array([1, 1, 5, 9, 9], np.uint64), np.array([200, 100, 7, 2, 3], COUNTS))
    keys, counts = summed(rows)
    assert keys.tolist() == [1, 5, 9] and counts.tolist() == [255, 7, 5]
    assert saturated(np.array([3, 10**12], np.uint64)).tolist() == [3, 255]

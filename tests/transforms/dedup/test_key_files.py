"""Files of sorted keys: what they have, what is read of them, and damage."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.dedup.key_files import BLOCK_KEYS, are_in, packed_keys, span

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
    return Reads(b"".join(packed_keys(keys)))


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
    assert file.n_bytes < 8 * BLOCK_KEYS


@pytest.mark.parametrize("place", [3, 100, -5, -30])
def test_damage_is_told(place):
    data = bytearray(b"".join(packed_keys(MANY)))
    data[place] ^= 1
    with pytest.raises(ValueError, match=r"not as it was written|no file of keys|are not those of"):
        are_in(io.BytesIO(bytes(data)), MANY)
    with pytest.raises(ValueError, match=r"no file of keys|are not those of"):
        are_in(io.BytesIO(bytes(data[:-1])), MANY)

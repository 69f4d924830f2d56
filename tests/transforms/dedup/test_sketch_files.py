"""Files of minima: what is read of them, and damage."""

from __future__ import annotations

import io

import numpy as np
import pytest

from transforms.dedup.sketch_files import (
    BLOCK_DOCUMENTS,
    Minima,
    count_documents,
    minima_of,
    packed_minima,
)

RANDOM = np.random.default_rng(6)
N, N_MINIMA = 3 * BLOCK_DOCUMENTS + 5, 12
ALL = Minima(
    RANDOM.integers(0, 1 << 16, (N, N_MINIMA), np.uint16),
    RANDOM.integers(0, 1 << 32, N, np.uint32),
)


def data_of(chunk: int) -> bytes:
    chunks = [ALL.take(np.arange(i, min(i + chunk, N))) for i in range(0, N, chunk)]
    return b"".join(packed_minima(chunks, N_MINIMA))


def test_documents_are_found_over_all_blocks_whatever_the_chunks():
    assert data_of(7) == data_of(N)
    for numbers in (np.arange(N), np.array([0, 70, 71, N - 1]), np.zeros(0, np.int64)):
        read = minima_of(io.BytesIO(data_of(7)), numbers)
        assert (read.minima == ALL.minima[numbers]).all()
        assert (read.shingles == ALL.shingles[numbers]).all()
    assert count_documents(io.BytesIO(data_of(7))) == N


def test_a_file_that_is_open_is_read_again_and_again():
    file = io.BytesIO(data_of(N))
    for number in (N - 1, 0, 70):
        read = minima_of(file, np.array([number]))
        assert (read.minima[0] == ALL.minima[number]).all()


def test_blocks_without_a_document_that_is_asked_for_are_not_read():
    data = bytearray(data_of(N))
    data[20] ^= 1  # in the first block
    assert len(minima_of(io.BytesIO(bytes(data)), np.array([BLOCK_DOCUMENTS])).shingles) == 1


def test_a_file_without_documents_is_one():
    assert count_documents(io.BytesIO(b"".join(packed_minima([], N_MINIMA)))) == 0


@pytest.mark.parametrize("place", [3, 100, -5, -30])
def test_damage_is_told(place):
    data = bytearray(data_of(N))
    data[place] ^= 1
    with pytest.raises(ValueError, match=r"not as it was written|no file of minima|are not those"):
        minima_of(io.BytesIO(bytes(data)), np.arange(N))
    with pytest.raises(ValueError, match=r"has 197 documents, not 198"):
        minima_of(io.BytesIO(data_of(N)), np.array([N]))

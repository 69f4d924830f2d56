"""Page headers that no writer makes. Those of pyarrow are read in test_parquet_rows.py."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

import pytest

from pipeline.readers.containers.parquet_pages import Page, pages

# Fields of PageHeader: the head of a field, then its value; integers are zigzag.
KIND, UNPACKED, PACKED = b"\x15\x00", b"\x15\x14", b"\x15\x10"  # data, 10 bytes, 8 bytes
DETAILS = b"\x2c\x15\x06\x15\x00\x15\x06\x15\x06\x00"  # 3 values, PLAIN, levels by RLE
HEADER = KIND + UNPACKED + PACKED + DETAILS + b"\x00"


def _pages(data: bytes, size: int | None = None, n_values: int = 3) -> list[Page]:
    size = len(data) if size is None else size
    return list(pages(cast(BinaryIO, io.BytesIO(data)), 0, size, n_values))


def test_pages_follow_each_other_up_to_the_values_of_the_chunk():
    data = (HEADER + bytes(8)) * 4
    at = len(HEADER)
    expected = [Page(0, 3, 0, 10, at + number * (at + 8), 8) for number in range(3)]
    assert _pages(data, n_values=3) == expected[:1]
    assert _pages(data, n_values=8) == expected


def test_pages_end_with_the_chunk_though_values_are_missing():
    empty = KIND + UNPACKED + b"\x15\x00" + DETAILS.replace(b"\x15\x06\x15\x00", b"\x15\x00" * 2, 1)
    data = (empty + b"\x00") * 1_000
    assert len(_pages(data, size=100)) < 20


def test_pages_end_with_the_file():
    data = (HEADER + bytes(8)) * 2
    assert len(_pages(data, size=1 << 40, n_values=1 << 40)) == 2
    assert len(_pages(data + HEADER[:-1], size=1 << 40, n_values=1 << 40)) == 2


def test_an_integer_has_ten_bytes_at_most():
    padded = b"\x15" + b"\x80" * 9 + b"\x00"
    assert _pages(padded + HEADER[2:])[0][:4] == (0, 3, 0, 10)
    with pytest.raises(ValueError, match="bad page header"):
        _pages(b"\x15" + b"\x80" * 10 + b"\x00" + HEADER[2:])


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (KIND + b"\x15\x13" + PACKED + DETAILS + b"\x00", "bad page header"),
        (KIND + UNPACKED + b"\x15\x0f" + DETAILS + b"\x00", "bad page header"),
        (KIND + UNPACKED + DETAILS + b"\x00", "bad page header"),
        (HEADER[:-1] + b"\x05\x04\x28\x00", "bad page header"),  # field 2 again
        (b"\x1c" * 100_000, "bad page header"),
        (b"\x19" * 100_000, "bad page header"),
        (b"\x1b\x01\xbb" + b"\x01\xbb" * 100_000, "bad page header"),
        (b"\x1d", "bad page header"),
        (b"\x18" + b"\xff\xff\xff\x7f" + bytes(1 << 25), "too large"),
    ],
    ids=["size below none", "packed below none", "no size", "a field twice", "structs", "lists",
         "maps", "no type", "larger than any"],
)  # fmt: skip
def test_what_is_no_header_is_an_error(header: bytes, error: str):
    with pytest.raises(ValueError, match=error):
        _pages(header)

from __future__ import annotations

import io
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers.containers.columnar import HELD_BYTES, Unreadable
from pipeline.readers.containers.parquet_pages import DICTIONARY_PAGE, pages
from pipeline.readers.containers.parquet_rows import parquet_rows
from tests.hostile.lying_columns import groups_over_each_other, lying_page, lying_row_count
from tests.support.column_files import NAMES, parquet_files


def _read(
    data: bytes, start: int = 0, end: int | None = None, columns: Any = NAMES
) -> list[tuple[int, dict[str, Any]]]:
    """Read rows with their numbers, all of which must be readable."""
    found: list[tuple[int, dict[str, Any]]] = []
    for number, rows in parquet_rows(
        io.BytesIO(data), start=start, end=end, columns=columns, text="text"
    ):
        assert not isinstance(rows, Unreadable), rows
        found += enumerate(rows.to_pylist(), number)
    return found


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(data=parquet_files(), cuts=st.lists(st.floats(0, 1), max_size=4))
def test_splits_read_every_row_once_as_pyarrow_reads_the_file(data: bytes, cuts: list[float]):
    expected = list(enumerate(pq.read_table(io.BytesIO(data)).to_pylist()))
    assert _read(data) == expected
    ends = [*sorted(int(cut * len(data)) for cut in cuts), None]
    starts = [0, *ends[:-1]]
    parts = [_read(data, start, end) for start, end in zip(starts, ends, strict=True)]
    assert sorted((row for part in parts for row in part), key=lambda row: row[0]) == expected


@settings(deadline=None, max_examples=10)
@given(data=parquet_files())
def test_columns_that_are_not_there_are_left_out(data: bytes):
    expected = pq.read_table(io.BytesIO(data)).select(["list", "text"]).to_pylist()
    assert [row for _, row in _read(data, columns=("text", "none", "list"))] == expected


@settings(deadline=None, max_examples=40)
@given(data=parquet_files())
def test_page_headers_are_what_the_footer_says(data: bytes):
    metadata = pq.ParquetFile(io.BytesIO(data)).metadata
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for chunk in map(group.column, range(group.num_columns)):
            begin = chunk.data_page_offset
            if chunk.has_dictionary_page:
                begin = min(begin, chunk.dictionary_page_offset)
            size = chunk.total_compressed_size
            found = list(pages(cast(BinaryIO, io.BytesIO(data)), begin, size, chunk.num_values))
            data_pages = [page for page in found if page.kind != DICTIONARY_PAGE]
            assert sum(page.n_values for page in data_pages) == chunk.num_values
            if not found:
                continue
            ends = [page.data_at + page.packed_bytes for page in found]
            assert ends[-1] == begin + size
            headers = [page.data_at - at for page, at in zip(found, [begin, *ends], strict=False)]
            unpacked = sum(page.unpacked_bytes for page in found)
            assert unpacked + sum(headers) == chunk.total_uncompressed_size
            assert len(found) > len(data_pages) or not chunk.has_dictionary_page


@pytest.mark.parametrize("says_rows", [100_000, 7, -300])
def test_a_lie_about_a_row_group_leaves_the_numbers_of_the_others(says_rows: int):
    data = lying_row_count("text", says_rows)
    found: dict[int, Any] = {}
    for number, rows in parquet_rows(
        io.BytesIO(data), start=0, end=None, columns=["text"], text="text"
    ):
        if isinstance(rows, Unreadable):
            found[number] = rows.rows
        else:
            found |= {number + at: text for at, text in enumerate(rows["text"].to_pylist())}
    texts = [f"row {row}" for row in range(302)]
    lied = max(says_rows, 0)
    assert [found.pop(row) for row in range(300)] == texts[:300]
    assert [found.pop(300 + lied + row) for row in range(302)] == texts
    if says_rows > 301:
        assert [found.pop(300 + row) for row in range(301)] == texts[:301]
    assert list(found.values()) == {100_000: [100_000 - 301], 7: [7], -300: []}[says_rows]


def test_pages_that_say_too_much_are_not_unpacked():
    data = lying_page("text", 130_000_000, "zstd")
    found = parquet_rows(io.BytesIO(data), start=0, end=None, columns=["text"], text="text")
    rows = [rows for _, rows in found][1]
    assert isinstance(rows, Unreadable) and rows.rows == 1
    assert rows.error.startswith("row group 1: pages of 130000000 bytes")


def test_lists_of_one_long_value_are_not_unpacked():
    sink = io.BytesIO()
    pq.write_table(pa.table({"list": [["a" * 10_000] * 4_000] * 2, "text": ["b"] * 2}), sink)
    sink.seek(0)
    found = parquet_rows(sink, start=0, end=None, columns=["list", "text"], text="text")
    ((_, rows),) = found
    assert isinstance(rows, Unreadable) and rows.rows == 2
    assert rows.error.startswith("row group 0: lists of up to")


def test_rows_that_share_one_long_value_are_read_a_few_at_once():
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["a" * 500_000] * 256}), sink)
    before = pa.default_memory_pool().bytes_allocated()
    sink.seek(0)
    n_rows = 0
    for _, rows in parquet_rows(sink, start=0, end=None, columns=["text"], text="text"):
        if isinstance(rows, Unreadable):  # all of them are more than may be in such a file
            break
        assert pa.default_memory_pool().bytes_allocated() - before < 2 * HELD_BYTES
        n_rows += len(rows)
    assert n_rows > 100


def test_bytes_of_the_file_are_not_read_as_more_than_one_row_group():
    data = groups_over_each_other("text", 100_000, 5)
    found = parquet_rows(io.BytesIO(data), start=0, end=None, columns=["text"], text="text")
    (_, first), *others = found
    assert isinstance(first, pa.RecordBatch) and len(first) == 1
    error = "its row groups have more bytes than the file"
    expected = [(n, Unreadable(f"row group {n}: {error}", 1)) for n in range(1, 5)]
    assert others == expected

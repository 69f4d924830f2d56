from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers.containers.columnar import HELD_BYTES, Unreadable
from pipeline.readers.containers.decompress import MIN_BOMB_BYTES
from pipeline.readers.containers.parquet_rows import Rows, parquet_rows
from tests.hostile.lying_columns import groups_over_each_other, lying_page, lying_row_count
from tests.support.samples.column_files import NAMES, parquet_files


def _read(
    data: bytes, start: int = 0, end: int | None = None, columns: Any = NAMES
) -> list[tuple[int, dict[str, Any]]]:
    """Return rows with their numbers. All of them must be readable."""
    found: list[tuple[int, dict[str, Any]]] = []
    for number, rows in parquet_rows(
        io.BytesIO(data), start=start, end=end, columns=columns, text="text"
    ):
        assert not isinstance(rows, Unreadable), rows
        found += enumerate(rows.to_pylist(), number)
    return found


def _pieces(sink: io.BytesIO, columns: list[str]) -> Iterator[Rows]:
    sink.seek(0)
    return parquet_rows(sink, start=0, end=None, columns=columns, text="text")


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


def test_an_error_of_the_stream_is_raised_wherever_it_comes():
    sink = io.BytesIO()
    texts = [f"{row} " * 1_000 for row in range(1_000)]
    pq.write_table(pa.table({"text": texts, "list": [[text] for text in texts]}), sink)

    class Failing(io.BytesIO):
        left = 1_000

        def read(self, size: int | None = -1) -> bytes:
            self.left -= 1
            if self.left == -1:
                raise TimeoutError("no answer")
            return super().read(size)

    sound = Failing(sink.getvalue())
    assert sum(len(rows) for _, rows in _pieces(sound, ["text", "list"])) == 1_000
    n_reads = 1_000 - sound.left
    for n_good in range(n_reads):
        stream = Failing(sink.getvalue())
        stream.left = n_good
        with pytest.raises(TimeoutError):
            list(_pieces(stream, ["text", "list"]))
    assert n_reads > 4  # the footer, and each column twice


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


@pytest.mark.parametrize("says_bytes", [130_000_000, 50_000_000])
def test_a_page_that_says_too_much_costs_its_row_group(says_bytes: int):
    data = lying_page("text", says_bytes, "zstd")
    found = parquet_rows(io.BytesIO(data), start=0, end=None, columns=["text"], text="text")
    before, rows, after = [rows for _, rows in found]
    assert isinstance(rows, Unreadable) and rows.rows == 1
    assert rows.error.startswith("row group 1: ")
    assert len(before) == len(after) == 1


@pytest.mark.slow
def test_columns_that_are_too_large_by_the_footer_are_not_unpacked():
    sink = io.BytesIO()
    table = pa.table({"text": ["a" * (MIN_BOMB_BYTES + 1)], "other": ["b"]})
    pq.write_table(table, sink, compression="zstd", use_dictionary=False)
    (rows,) = (rows for _, rows in _pieces(sink, ["text"]))
    assert isinstance(rows, Unreadable) and rows.rows == 1
    assert rows.error.startswith(f"row group 0: columns of {MIN_BOMB_BYTES // 1_000_000}")
    ((_, rows),) = _pieces(sink, ["other"])
    assert isinstance(rows, pa.RecordBatch)


@pytest.mark.parametrize("n_empty", [0, 600])
def test_lists_of_one_long_value_are_not_unpacked(n_empty: int):
    lists = [[]] * n_empty + [["a" * 10_000] * 4_000] * 2
    sink = io.BytesIO()
    pq.write_table(pa.table({"list": lists, "text": ["b"] * len(lists)}), sink)
    ((_, rows),) = _pieces(sink, ["list", "text"])
    assert isinstance(rows, Unreadable) and rows.rows == len(lists)
    assert rows.error.startswith("row group 0: lists of up to")


def test_the_dictionary_of_lists_with_too_many_items_is_not_read(monkeypatch):
    monkeypatch.setattr("pipeline.readers.containers.parquet_rows._longest_value", None)
    indices = pa.array(np.zeros(MIN_BOMB_BYTES // 16 + 1, np.int32))
    items = pa.DictionaryArray.from_arrays(indices, pa.array(["a"]))
    lists = pa.ListArray.from_arrays(pa.array([0, len(items)], pa.int32()), items)
    sink = io.BytesIO()
    pq.write_table(pa.table({"list": lists}), sink, store_schema=False)
    ((_, rows),) = _pieces(sink, ["list"])
    assert isinstance(rows, Unreadable)
    assert rows.error.startswith("row group 0: lists of up to")


def test_lists_of_short_values_are_read_whatever_their_dictionary_takes():
    lists = [[]] * 300 + [[f"{row}-{item}" * 5 for item in range(10)] for row in range(4_000)]
    sink = io.BytesIO()
    pq.write_table(pa.table({"list": lists}), sink)
    assert _read(sink.getvalue(), columns=["list"]) == list(enumerate({"list": v} for v in lists))


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zstd"},
        {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}},
    ],
    ids=["dictionary", "common prefixes"],
)
def test_rows_are_fewer_where_values_are_longer_than_what_is_stored_of_them(options):
    sink = io.BytesIO()
    texts = [*map(str, range(2_000)), *["a" * (HELD_BYTES // 16)] * 40]
    pq.write_table(pa.table({"text": texts}), sink, **options)
    assert max(len(rows) for _, rows in _pieces(sink, ["text"])) <= 16


def test_rows_that_share_one_long_value_are_read_a_few_at_once():
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["a" * 500_000] * 256}), sink)
    before = pa.default_memory_pool().bytes_allocated()
    sink.seek(0)
    n_rows = 0
    for _, rows in parquet_rows(sink, start=0, end=None, columns=["text"], text="text"):
        if isinstance(rows, Unreadable):  # a file of this size may not hold so much
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

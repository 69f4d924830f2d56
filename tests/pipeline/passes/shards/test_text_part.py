"""Row groups of a part of a shard of text: where they end, whatever the batches are."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.output.layout import TEXT_SCHEMA, Shard
from pipeline.passes.shards import text_part
from pipeline.passes.shards.text_part import TextPartWriter
from tests.support.runs import digests
from tokenizer.text_buffers import text_buffers
from transforms.documents import documents

TEXTS = ["é" * n for n in (3, 0, 5, 60, 1, 1, 1, 9, 9, 2)]


def write(output: Path, sizes: list[int]) -> dict:
    """Write the texts in batches of some sizes, each of them a slice of a larger one."""
    whole = documents([f"s/f#{i}" for i in range(len(TEXTS))], TEXTS)
    start = 0
    with ExitStack() as stack:
        part = TextPartWriter(Shard("s", 0, []), "train", str(output), stack, TEXT_SCHEMA)
        for size in sizes:
            batch = whole.slice(start, size)
            part.append(batch, *text_buffers(batch["text"]))
            start += size
        part.finish()
    return part.summary()


def groups(output: Path) -> list[list[str]]:
    with pq.ParquetFile(output / "shards" / "s" / "train-00000.text.parquet") as file:
        return [file.read_row_group(i)["text"].to_pylist() for i in range(file.num_row_groups)]


@pytest.mark.parametrize(("n_bytes", "n_rows", "sizes_of_groups"), [
    (20, 100, [4, 4, 2]), (16, 100, [3, 1, 4, 1, 1]),
    (1 << 20, 3, [3, 3, 3, 1]), (8, 2, [2, 1, 1, 2, 2, 1, 1]),
])  # fmt: skip
def test_groups_end_by_bytes_and_by_rows_whatever_the_batches_are(
    tmp_path: Path, monkeypatch, n_bytes: int, n_rows: int, sizes_of_groups: list[int]
) -> None:
    monkeypatch.setattr(text_part, "GROUP_BYTES", n_bytes)
    monkeypatch.setattr(text_part, "ROW_GROUP", n_rows)
    summaries = [
        write(tmp_path / str(i), sizes)
        for i, sizes in enumerate(([10], [1] * 10, [3, 0, 4, 3], [9, 1]))
    ]
    assert [one for group in groups(tmp_path / "0") for one in group] == TEXTS
    assert [len(group) for group in groups(tmp_path / "0")] == sizes_of_groups
    assert len({str(digests(tmp_path / str(i))) for i in range(4)}) == 1
    assert summaries == summaries[:1] * 4
    assert (summaries[0]["documents"], summaries[0]["characters"]) == (10, 91)
    assert (summaries[0]["tokens"], summaries[0]["text_bytes"]) == (0, 182)

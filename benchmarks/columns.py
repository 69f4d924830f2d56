"""Speed of the reader of Parquet and Arrow files, compared with plain reading by pyarrow.

    python benchmarks/columns.py [--data ../shared/data] [--megabytes 40]

Speeds are megabytes of text a second of processor time, in one process, the best of three. The
texts are C4's with their urls, repeated with another number in front. Plain pyarrow reads the
columns, a few rows at a time, and makes Python strings of them, without any limit or check.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipeline.readers.huggingface import read_huggingface

_COLUMNS = ["text", "url"]


def _table(data: Path, n_bytes: int) -> pa.Table:
    lines = (data / "c4" / "c4_demo.jsonl").read_bytes().splitlines()
    rows = [{name: json.loads(line).get(name) for name in _COLUMNS} for line in lines]
    once = pa.Table.from_pylist(rows)
    size = sum(len(text.encode()) for text in once["text"].to_pylist())
    rounds = [
        once.set_column(0, "text", pc.binary_join_element_wise(str(number), once["text"], " "))
        for number in range(-(-n_bytes // size))
    ]
    return pa.concat_tables(rounds).combine_chunks()


def _ours(path: Path) -> int:
    with path.open("rb") as stream:
        batches = read_huggingface(
            stream, path.name, start=0, end=None, batch_bytes=8 << 20, max_record_bytes=64 << 20,
            text_column="text", url_column="url", metadata_columns=[],
        )  # fmt: skip
        return sum(batch.num_rows for batch in batches)


def _pyarrow(path: Path) -> int:
    if path.suffix == ".parquet":
        batches = pq.ParquetFile(path).iter_batches(256, columns=_COLUMNS, use_threads=False)
    else:
        batches = pa.ipc.open_stream(path.read_bytes())
    return sum(len(column.to_pylist()) for batch in batches for column in batch.columns) // 2


def _seconds(read: Callable[[Path], int], path: Path, n_rows: int) -> float:
    times = []
    for _ in range(3):
        begin = time.process_time()
        assert read(path) == n_rows
        times.append(time.process_time() - begin)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--megabytes", type=int, default=40)
    options = parser.parse_args()
    table = _table(options.data, options.megabytes * 1_000_000)
    mb = sum(len(text.encode()) for text in table["text"].to_pylist()) / 1e6
    print(f"{mb:.0f} MB of text, {len(table)} rows")
    print(f"{'form':<22}{'MB/s':>8}{'pyarrow MB/s':>14}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for codec in ("snappy", "zstd"):
            pq.write_table(table, folder / f"{codec}.parquet", compression=codec)
        with pa.ipc.new_stream(str(folder / "plain.arrow"), table.schema) as writer:
            writer.write_table(table, max_chunksize=1000)
        descriptor = f"path: parquet\nsplit: train\ndata_files: {folder}/snappy.parquet\n"
        (folder / "described.hf.yaml").write_text(descriptor)
        for file, plain in (
            ("snappy.parquet", "snappy.parquet"),
            ("zstd.parquet", "zstd.parquet"),
            ("plain.arrow", "plain.arrow"),
            ("described.hf.yaml", "snappy.parquet"),
        ):
            ours = mb / _seconds(_ours, folder / file, len(table))
            theirs = mb / _seconds(_pyarrow, folder / plain, len(table))
            print(f"{file:<22}{ours:>8.0f}{theirs:>14.0f}{ours / theirs:>8.2f}", flush=True)


if __name__ == "__main__":
    main()

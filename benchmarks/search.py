"""Speed of the search in a run's shards, compared with decoding each document by SentencePiece.

    python benchmarks/search.py OUT [--megabytes 100] [--phrase "the garden"]

The shards of OUT are read repeatedly, up to the given amount of text. Both sides find the same
documents. Times are processor times.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipeline.inspection.manifest import list_shards, load_manifest
from pipeline.inspection.piece_table import PieceTable, load_piece_table
from pipeline.inspection.search import find_text, phrase_finder
from tokenizer.shards import ShardReader


def by_search(reader: ShardReader, table: PieceTable, phrase: str) -> Iterator[int]:
    return (hit.number for hit in find_text(reader, table, phrase_finder(phrase)))


def by_decoding(reader: ShardReader, table: PieceTable, phrase: str) -> Iterator[int]:
    decode = table.processor.decode
    return (i for i in range(len(reader)) if phrase in decode(reader[i].tolist()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", metavar="OUT")
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--phrase", default="the garden")
    options = parser.parse_args()
    table = load_piece_table(load_manifest(options.output))
    shards = list_shards(options.output)
    readers = [ShardReader(f"{options.output}/shards/{row['shard']}") for row in shards]
    n_bytes = sum(row["characters"] for row in shards)
    rounds = max(1, round(options.megabytes * 1e6 / n_bytes))

    def seconds(search: Callable[..., Iterator[int]]) -> tuple[float, list[list[int]]]:
        start = time.process_time()
        for _ in range(rounds):
            hits = [list(search(reader, table, options.phrase)) for reader in readers]
        return time.process_time() - start, hits

    ours, hits = seconds(by_search)
    theirs, expected = seconds(by_decoding)
    assert hits == expected, "both sides find the same documents"
    n_found = sum(map(len, hits))
    megabytes = rounds * n_bytes / 1e6
    print(f"{megabytes:.0f} million characters, {n_found} documents of {sum(map(len, readers))}")
    print(f"plain loop {megabytes / theirs:8.1f} million characters a second")
    print(f"search     {megabytes / ours:8.1f}, {theirs / ours:.1f} times as fast")


if __name__ == "__main__":
    main()

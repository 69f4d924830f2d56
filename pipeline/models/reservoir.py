"""A deterministic sample: the documents whose ids have the smallest hashes, up to a budget.

Each split writes its candidates to a file, in runs sorted by hash. Then the hashes of all
candidates are compared, and only the documents of the sample are read back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.files import storage
from transforms.documents import SCHEMA
from transforms.kernels.lines import document_keys

RUN_BYTES = 64 << 20
"""Bytes of text that are sorted and written together, which bounds a worker's memory."""

LARGEST_HASH = (1 << 64) - 1
"""Largest hash of an id."""

CANDIDATE_SCHEMA = SCHEMA.append(pa.field("hash", pa.uint64())).append(
    pa.field("text_bytes", pa.int64())
)
"""Columns of a file of candidates: those of documents, the hash, and the bytes of text."""


class Draw(NamedTuple):
    """One attempt to draw the sample of a source."""

    source: str
    budget_bytes: int  # bytes of text to draw
    bound: int  # documents with larger hashes are no candidates

    @property
    def folder(self) -> str:
        """Folder of the files with the candidates of the source's splits."""
        return f"work/candidates/{self.source}/{self.bound:016x}"


def candidates(batches: Iterable[pa.RecordBatch], draw: Draw) -> Iterator[pa.RecordBatch]:
    """Yield the documents that may be in the sample, in runs that are each sorted by hash.

    Once the documents seen so far fill the budget, documents with larger hashes are left out.
    """
    bound = draw.bound
    pending: list[pa.RecordBatch] = []
    pending_bytes = 0
    seen_hashes, seen_bytes = np.zeros(0, np.uint64), np.zeros(0, np.int64)

    def finish() -> pa.RecordBatch:
        (run,) = pa.Table.from_batches(pending).combine_chunks().to_batches()
        order = np.argsort(run["hash"].to_numpy(), kind="stable")
        return run.take(pa.array(order))

    for batch in batches:
        hashes = document_keys(batch["id"])
        chosen = hashes <= np.uint64(bound)
        if not chosen.any():
            continue
        lengths = pc.cast(pc.binary_length(batch["text"]), pa.int64())
        wider = pa.RecordBatch.from_arrays(
            [*batch.columns, pa.array(hashes), lengths], schema=CANDIDATE_SCHEMA
        ).filter(pa.array(chosen))
        pending.append(wider)
        pending_bytes += int(pc.sum(wider["text_bytes"]).as_py())
        seen_hashes = np.concatenate([seen_hashes, wider["hash"].to_numpy()])
        seen_bytes = np.concatenate([seen_bytes, wider["text_bytes"].to_numpy()])
        if pending_bytes >= RUN_BYTES:
            yield finish()
            pending, pending_bytes = [], 0
            order = smallest(seen_hashes, seen_bytes, draw.budget_bytes)
            seen_hashes, seen_bytes = seen_hashes[order], seen_bytes[order]
            if seen_bytes.sum() >= draw.budget_bytes:
                bound = min(bound, int(seen_hashes[-1]))
    if pending:
        yield finish()


def smallest(
    hashes: npt.NDArray[np.uint64], n_bytes: npt.NDArray[np.int64], budget_bytes: int
) -> npt.NDArray[np.int64]:
    """Return the indices of the documents with the smallest hashes, enough to fill the budget.

    They are in the order of the hashes; of equal hashes, the document read first comes first.
    """
    order = np.argsort(hashes, kind="stable")
    n = int(np.searchsorted(np.cumsum(n_bytes[order]), budget_bytes)) + 1
    return order[:n]


def index(
    paths: list[str],
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the hash, bytes of text and place of each candidate, in the order of the files.

    A place is the index of the file and the number of the row in it.
    """
    hashes, n_bytes, places = [], [], []
    for number, path in enumerate(paths):
        with storage.open_read(path) as stream:
            table = pq.read_table(stream, columns=["hash", "text_bytes"])
        hashes.append(table["hash"].to_numpy())
        n_bytes.append(table["text_bytes"].to_numpy())
        rows = np.arange(table.num_rows)
        places.append(np.stack([np.full_like(rows, number), rows], axis=1))
    return np.concatenate(hashes), np.concatenate(n_bytes), np.concatenate(places)


def take(paths: list[str], places: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """Read the documents at some places, in that order; reads only the row groups they are in."""
    tables, positions = [], []
    for number in np.unique(places[:, 0]).tolist():
        mine = np.flatnonzero(places[:, 0] == number)
        with storage.open_read(paths[number]) as stream:
            file = pq.ParquetFile(stream)
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
            ends = np.cumsum(sizes)
            groups = np.searchsorted(ends, places[mine, 1], "right")
            for group in np.unique(groups).tolist():
                here = mine[groups == group]
                rows = places[here, 1] - (ends[group] - sizes[group])
                table = file.read_row_group(group, columns=SCHEMA.names)
                tables.append(table.take(pa.array(rows)))
                positions.append(here)
    back = np.argsort(np.concatenate(positions))
    (batch,) = pa.concat_tables(tables).combine_chunks().to_batches()
    return batch.take(pa.array(back))

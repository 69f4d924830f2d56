"""The ledger: for every split, documents and characters in, out, and dropped by each reason.

An entry has the key ``(step, outcome, reason)`` and counts documents and characters. The outcomes
are ``in``, what the reader read; ``dropped``, with the reason; ``changed``, the characters that a
step removed from documents it kept (negative where it added some); and ``out``, what was written.
They add up for every split: ``in == out + dropped`` in documents, and
``in == out + dropped + changed`` in characters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.output.arrow_values import added_up, scalar
from pipeline.output.layout import joined_folder

LEDGER_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("file", pa.string()),
        ("split", pa.int64()),
        ("shard", pa.int64()),
        ("step", pa.string()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("documents", pa.int64()),
        ("characters", pa.int64()),
    ]
)
"""Columns of ``ledger.parquet``."""
LEDGER_NAME = "ledger.parquet"
"""Name of the file with the ledgers of all shards."""


MAX_EPOCHS = 10
"""Epochs of a source above which a warning tells of it: repeated so often, text teaches little."""

MAX_DROPPED_SHARE = 0.99
"""Share of a source's records that may be dropped before a warning tells of it."""


class Entry(NamedTuple):
    """A key under which documents and characters are counted."""

    step: str
    outcome: str  # in, dropped, changed or out
    reason: str | None


class Tally:
    """Counts of documents and characters for one split."""

    def __init__(self) -> None:
        self.documents: Counter[Entry] = Counter()
        self.characters: Counter[Entry] = Counter()

    def add(
        self, step: str, outcome: str, reason: str | None, documents: int, characters: int
    ) -> None:
        """Count documents and characters under a key."""
        entry = Entry(step, outcome, reason)
        self.documents[entry] += documents
        self.characters[entry] += characters

    def add_dropped(self, step: str, reasons: pa.Array, characters: pa.Array) -> None:
        """Count dropped documents by reason."""
        groups = pa.table({"reason": reasons, "characters": characters}).group_by("reason")
        for row in groups.aggregate([("characters", "sum"), ("characters", "count")]).to_pylist():
            self.add(step, "dropped", row["reason"], row["characters_count"], row["characters_sum"])

    def rows(self) -> list[dict[str, Any]]:
        """Return the counts as plain values, in a fixed order."""
        keys = sorted(self.documents, key=lambda e: (e.step, e.outcome, e.reason or ""))
        return [
            {
                **entry._asdict(),
                "documents": self.documents[entry],
                "characters": self.characters[entry],
            }
            for entry in keys
        ]


def imbalance(rows: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Return the documents and characters that are missing from the sums; (0, 0) if none are."""
    documents = characters = 0
    for row in rows:
        sign = 1 if row["outcome"] == "in" else -1
        characters += sign * row["characters"]
        if row["outcome"] != "changed":
            documents += sign * row["documents"]
    return documents, characters


def check_balance(rows: Iterable[Mapping[str, Any]], where: str) -> None:
    """Raise ValueError if the rows do not add up; ``where`` names the split in the message."""
    documents, characters = imbalance(rows)
    if documents or characters:
        raise ValueError(
            f"{where}: the ledger does not add up: {documents} documents and {characters} "
            "characters are unaccounted for"
        )


def write_ledger(output: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Write all splits' rows as ``ledger.parquet``; returns its SHA-256."""
    table = pa.Table.from_pylist([dict(row) for row in rows], LEDGER_SCHEMA)
    with whole_files.write_whole(output, LEDGER_NAME) as file:
        pq.write_table(table, pa.PythonFile(file, mode="w"), compression="zstd")
        return file.sha256


def read_ledger(output: str) -> pa.Table:
    """Read ``ledger.parquet``."""
    data = storage.read_bytes(storage.join(output, LEDGER_NAME))
    return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)


def ledger_warnings(ledger: pa.Table, manifest: Mapping[str, Any]) -> list[str]:
    """Return warnings of a run: what of it a user would rather know than find out.

    They tell of sources with empty files, of those that kept no document or next to none, and of
    those that are sampled for many epochs.

    For a source of joined records the ledger counts partitions, which are not the user's files. Its
    files are not checked.
    """
    folders = {name.rpartition("/")[0] for name in manifest["files"]}
    read = ledger.filter(pc.equal(ledger["outcome"], scalar("in")))
    files: dict[str, list[dict[str, Any]]] = {}
    for row in added_up(read, ["source", "file"], ["documents"]):
        files.setdefault(row["source"], []).append(row)
    warnings = []
    for source, counts in manifest["sources"].items():
        mine = files.get(source, [])
        empty = [row["file"] for row in mine if not row["documents"]]
        if empty and joined_folder(source) not in folders:
            names = ", ".join(empty[:3]) + (", ..." if len(empty) > 3 else "")
            warnings.append(f"{source}: {len(empty)} of {len(mine)} files held nothing: {names}")
        n_read = sum(row["documents"] for row in mine)
        dropped = [row for row in funnel(ledger, source) if row["outcome"] == "dropped"]
        if not kept_some(counts):
            warnings.append(f"{source}: none of its {n_read:,} records is a document that was kept")
        elif (n_dropped := sum(row["documents"] for row in dropped)) > MAX_DROPPED_SHARE * n_read:
            most = max(dropped, key=lambda row: row["documents"])
            warnings.append(
                f"{source}: {n_dropped:,} of its {n_read:,} records were dropped, most of them by "
                f"{most['step']} as {most['reason']}"
            )
        if (epochs := counts.get("epochs") or 0) > MAX_EPOCHS:
            warnings.append(
                f"{source}: its text is sampled for {epochs:,.0f} epochs; a smaller proportion or "
                "more of it would do better"
            )
    return warnings


def kept_some(counts: Mapping[str, Any]) -> bool:
    """Tell by a source's counts in the manifest whether any document of it was kept."""
    return bool(counts["train_documents"] + counts["validation_documents"])


def funnel(ledger: pa.Table, source: str) -> list[dict[str, Any]]:
    """Add up the splits of a source; returns one row for each step, outcome and reason."""
    rows = ledger.filter(pc.equal(ledger["source"], scalar(source)))
    return added_up(rows, ["step", "outcome", "reason"], ["documents", "characters"])

"""The ledger, in which all documents and characters must balance."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.output.decisions import read_decisions, write_decisions
from pipeline.output.ledger import (
    LEDGER_SCHEMA,
    Tally,
    check_balance,
    imbalance,
    ledger_warnings,
    read_ledger,
    write_ledger,
)


def tally() -> Tally:
    one = Tally()
    one.add("read", "in", None, 10, 1000)
    one.add_dropped("drop_short", pa.array(["too_short", "too_short"]), pa.array([3, 4]))
    one.add("deduplicate_lines", "changed", None, 0, 93)
    one.add("write", "out", "train", 8, 900)
    return one


def test_a_complete_tally_balances():
    rows = tally().rows()
    assert imbalance(rows) == (0, 0)
    check_balance(rows, "here")
    dropped = [r for r in rows if r["outcome"] == "dropped"]
    assert dropped == [
        {"step": "drop_short", "outcome": "dropped", "reason": "too_short", "documents": 2,
         "characters": 7}
    ]  # fmt: skip


def test_sources_of_many_epochs_and_those_that_lose_nearly_all_are_told_of():
    read = {"source": "c4", "file": "c4/a", "split": 0, "shard": 0, "characters": 9}
    rows = [
        {**read, "step": "read", "outcome": "in", "reason": None, "documents": 1000},
        {**read, "step": "read", "outcome": "dropped", "reason": "no_text", "documents": 900},
        {**read, "step": "drop_short", "outcome": "dropped", "reason": "too_short",
         "documents": 91},
    ]  # fmt: skip
    counts = {"train_documents": 9, "validation_documents": 0, "epochs": 10.5}
    manifest = {"sources": {"c4": counts}, "files": {}}
    ledger = pa.Table.from_pylist(rows, LEDGER_SCHEMA)
    assert ledger_warnings(ledger, manifest) == [
        "c4: 991 of its 1,000 records were dropped, most of them by read as no_text",
        "c4: its text is sampled for 10 epochs; a smaller proportion or more of it would do better",
    ]
    rows[2]["documents"] = 90
    manifest = {"sources": {"c4": {**counts, "epochs": 10.0}}, "files": {}}
    assert ledger_warnings(pa.Table.from_pylist(rows, LEDGER_SCHEMA), manifest) == []


@pytest.mark.parametrize(("documents", "characters"), [(1, 0), (0, 1), (-1, -5)])
def test_anything_missing_is_an_error(documents, characters):
    one = tally()
    one.add("write", "out", "train", documents, characters)
    with pytest.raises(ValueError, match="here: the ledger does not add up"):
        check_balance(one.rows(), "here")


def test_the_ledger_survives_its_file(tmp_path):
    where = {"source": "c4", "file": "c4/a", "split": 0, "shard": 0}
    rows = [{**where, **row} for row in tally().rows()]
    write_ledger(str(tmp_path), rows)
    assert read_ledger(str(tmp_path)).to_pylist() == rows


def test_decisions_survive_their_file_and_damage_is_told(tmp_path):
    output = str(tmp_path)
    dropped = [np.array([3, 9], np.uint32), np.array([0], np.uint32)]
    write_decisions(output, "d.bits", 11, dropped)
    kept = read_decisions(output, "d.bits")
    assert np.flatnonzero(~kept).tolist() == [0, 3, 9] and len(kept) == 11
    write_decisions(output, "empty.bits", 0, [])
    assert len(read_decisions(output, "empty.bits")) == 0
    data = (tmp_path / "d.bits").read_bytes()
    (tmp_path / "d.bits").write_bytes(b"x" + data[1:])
    with pytest.raises(ValueError, match=r"d\.bits: damaged"):
        read_decisions(output, "d.bits")

"""The counts of lines that steps remove from batches."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.passes.shards.observe_shard import LINE_BYTES, LineCounts
from transforms.documents import SCHEMA, with_column
from transforms.privacy.opt_out import parse_opt_out


def batch(*texts: str) -> pa.RecordBatch:
    """Return a batch of the documents ``s/f#0`` and so on, with urls at ``a.org``, ``b.org``..."""
    rows = [
        {"id": f"s/f#{i}", "text": text, "url": f"http://{'abc'[i]}.org/", "metadata": "{}"}
        for i, text in enumerate(texts)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=SCHEMA)


def shortened(before: pa.RecordBatch, *texts: str) -> pa.RecordBatch:
    return with_column(before, "text", pa.array(texts, pa.string()))


@pytest.mark.parametrize("entry", ["s/f#1", "http://b.org/", "b.org"])
def test_lines_of_documents_that_opt_out_do_not_count(entry):
    counts = LineCounts(parse_opt_out(entry.encode()))
    before = batch("one\ntwo", "secret\ntwo")
    counts.add("a_step", before, shortened(before, "one", ""))
    found = counts.rows()
    assert [i["name"] for i in found["removed_lines"]["a_step"]["items"]] == ["two"]
    assert [i["name"] for i in found["domains"]["a_step"]["items"]] == ["a.org"]


def test_domains_do_not_depend_on_what_else_is_in_a_batch():
    """A document that lost no line is not counted, whatever its neighbours lost."""
    together, apart = (LineCounts(parse_opt_out(b"")) for _ in range(2))
    both = batch("one\ntwo", "three\nfour")
    after = shortened(both, "one", "three\nfour")
    together.add("a_step", both, after)
    for i in range(2):
        apart.add("a_step", both.slice(i, 1), after.slice(i, 1))
    assert together.rows() == apart.rows()
    (item,) = together.rows()["domains"]["a_step"]["items"]
    assert (item["name"], item["lines"], item["removed_lines"]) == ("a.org", 2, 1)


def test_lines_alike_up_to_the_cut_are_one():
    counts = LineCounts(parse_opt_out(b""))
    before = batch("x" * LINE_BYTES + "1", "x" * LINE_BYTES + "2")
    counts.add("a_step", before, shortened(before, "", ""))
    (item,) = counts.rows()["removed_lines"]["a_step"]["items"]
    assert (item["name"], item["count"]) == ("x" * LINE_BYTES, 2)

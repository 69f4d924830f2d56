"""Parts of a shard that are grouped by domain, against a plain sort, with little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.inspection.verify import _groups
from pipeline.output.layout import DOMAIN_SCHEMA, Shard
from pipeline.passes.shards import grouped_part
from pipeline.passes.shards.grouped_part import GroupedPart
from pipeline.passes.shards.part_files import PartWriter
from pipeline.recipe.domains import DomainColumn
from tests.support.runs import ROOT, digests
from tokenizer.shards import ShardReader
from transforms.documents import documents

COLUMNS = (DomainColumn("metadata.d", ()),)


def write(output: Path, n_batches: int, n_domains: int, tokens_of_one: int, uint16: bool) -> dict:
    """Write random documents in batches; return what the ledger says."""
    generator = np.random.default_rng(1)
    with ExitStack() as stack:
        writer = PartWriter(Shard("s", 0, []), "train", str(output), stack, uint16, DOMAIN_SCHEMA)
        part = GroupedPart(writer, COLUMNS, str(output), stack)
        for number in range(n_batches):
            lengths = generator.integers(0, 2 * tokens_of_one, 40)
            offsets = np.concatenate([[0], np.cumsum(lengths)])
            domains = generator.integers(0, n_domains, 40).tolist()
            batch = documents(
                [f"s/f#{number}-{i}" for i in range(40)],
                ["x" * (i + 1) for i in range(40)],
                metadata=[json.dumps({"d": f"d{domain}"}) for domain in domains],
            )
            part.append(batch, generator.integers(0, 60_000, offsets[-1]), offsets)
        part.finish()
    return part.summary()


@pytest.mark.parametrize("run_bytes", [1, 20_000, 1 << 30])
@pytest.mark.parametrize("uint16", [True, False])
def test_documents_are_in_the_order_of_domains_and_then_of_the_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_bytes: int, uint16: bool
) -> None:
    monkeypatch.setattr(grouped_part, "RUN_BYTES", run_bytes)
    summary = write(tmp_path, 12, 7, 5, uint16)
    generator = np.random.default_rng(1)
    expected = []  # the same documents, sorted in memory
    for number in range(12):
        lengths = generator.integers(0, 10, 40).tolist()
        domains = generator.integers(0, 7, 40).tolist()
        tokens = generator.integers(0, 60_000, sum(lengths)).tolist()
        for i, (length, domain) in enumerate(zip(lengths, domains, strict=True)):
            expected.append((f"d{domain}", number, i, tokens[:length]))
            tokens = tokens[length:]
    expected.sort(key=lambda document: document[0])
    reader = ShardReader(tmp_path / "shards" / "s" / "train-00000")
    docs = pq.read_table(tmp_path / "shards" / "s" / "train-00000.docs.parquet")
    assert docs.schema.names == DOMAIN_SCHEMA.names
    assert docs["domain"].to_pylist() == [document[0] for document in expected]
    assert docs["id"].to_pylist() == [f"s/f#{n}-{i}" for _, n, i, _ in expected]
    assert docs["chars"].to_pylist() == [i + 1 for _, _, i, _ in expected]
    assert [reader[i].tolist() for i in range(len(reader))] == [d[3] for d in expected]
    lengths = np.array([len(document[3]) for document in expected])
    assert docs["token_count"].to_pylist() == lengths.tolist()
    assert docs["token_offset"].to_pylist() == (np.cumsum(lengths) - lengths).tolist()
    assert summary["domains"] == _groups([document[0] for document in expected], lengths)
    assert (summary["documents"], summary["tokens"]) == (480, lengths.sum())
    assert reader.tokens.dtype == (np.uint16 if uint16 else np.int32)


def test_bytes_do_not_depend_on_how_much_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for run_bytes in (1, 7_000, 1 << 30):
        monkeypatch.setattr(grouped_part, "RUN_BYTES", run_bytes)
        write(tmp_path / str(run_bytes), 12, 7, 5, True)
        made.append(digests(tmp_path / str(run_bytes)))
    assert made[0] == made[1] == made[2]


def test_too_many_domains_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouped_part, "MAX_DOMAINS", 5)
    for run_bytes in (1, 1 << 30):
        monkeypatch.setattr(grouped_part, "RUN_BYTES", run_bytes)
        with pytest.raises(ValueError, match=r"sources\.s\.domains\.by: more than 5 domains"):
            write(tmp_path / str(run_bytes), 3, 7, 5, True)
        assert not list((tmp_path / str(run_bytes)).rglob("train-*"))


def test_a_value_that_names_no_domain_is_told_with_its_source(tmp_path: Path) -> None:
    with ExitStack() as stack:
        writer = PartWriter(Shard("s", 0, []), "train", str(tmp_path), stack, True, DOMAIN_SCHEMA)
        part = GroupedPart(writer, COLUMNS, str(tmp_path), stack)
        batch = documents(["a"], ["b"], metadata=['{"d": []}'])
        with pytest.raises(ValueError, match=r"sources\.s\.domains\.by: metadata\.d: a list"):
            part.append(batch, np.zeros(1, np.int64), np.array([0, 1]))


def peak_megabytes(output: Path, n_batches: int) -> int:
    """Return how much memory a process takes to write 500 domains, beyond that of its imports."""
    code = (
        "from pathlib import Path; "
        "from tests.pipeline.passes.shards import test_grouped_part as here; "
        f"here.grouped_part.RUN_BYTES = {2 << 20}; "  # so that a small shard has many runs
        f"print(here.memory_of_writing(Path({str(output)!r}), {n_batches}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(result.stdout)


def memory_of_writing(output: Path, n_batches: int) -> int:
    """Write documents in this process, and return by how many megabytes its peak grew."""
    write(output / "warm", 2, 5, 10, True)
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of the imports
    before = kilobytes("VmRSS")
    write(output / "large", n_batches, 500, 1_500, True)
    return (kilobytes("VmHWM") - before) // 1024


def kilobytes(name: str) -> int:
    """Return one of the sizes of this process that Linux keeps."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_shard(tmp_path: Path) -> None:
    small = peak_megabytes(tmp_path / "small", 300)  # 36 MB of tokens
    large = peak_megabytes(tmp_path / "large", 900)
    print(f"36 MB of tokens: {small} MB, 108 MB: {large} MB")
    assert small > 2  # or nothing was measured
    assert large - small < 20

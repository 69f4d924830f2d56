"""The commands of ``corpus`` that show a run: ls, show, stats, explain, verify."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from importlib.util import find_spec

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from pipeline.commands.main import main
from pipeline.inspection.verify import verify
from tests.support.runs import ROOT


@pytest.fixture(scope="module")
def demo(demo_run, tmp_path_factory):
    """A copy of the run, because tests damage it."""
    return shutil.copytree(demo_run, tmp_path_factory.mktemp("inspect") / "out")


def corpus(capsys, *arguments: object):
    status = main([*map(str, arguments), "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_ls_lists_every_part_of_every_shard(demo, capsys):
    _, rows = corpus(capsys, "ls", demo)
    names = {row["shard"] for row in rows}
    there = {
        path.relative_to(demo / "shards").as_posix().removesuffix(".bin")
        for path in (demo / "shards").rglob("*.bin")
    }
    assert names == there
    for row in rows:
        size = (demo / "shards" / f"{row['shard']}.bin").stat().st_size
        assert row["tokens"] * 2 == size


def test_show_by_number_id_and_at_random(demo, capsys):
    shard = "commoncrawl/train-00000"
    docs = pq.read_table(demo / "shards" / f"{shard}.docs.parquet").to_pylist()
    _, third = corpus(capsys, "show", demo, shard, 2)
    assert third["record"]["id"] == docs[2]["id"] and len(third["tokens"]) == docs[2]["token_count"]
    assert len(third["text"]) == docs[2]["chars"]
    _, by_id = corpus(capsys, "show", demo, shard, "--id", docs[2]["id"])
    assert by_id == third
    assert corpus(capsys, "show", demo, "--id", docs[2]["id"]) == (0, third)
    _, any_one = corpus(capsys, "show", demo, shard, "--random")
    assert any_one["record"]["id"] in {row["id"] for row in docs}
    assert main(["show", str(demo), shard]) == 0
    assert docs[0]["id"] in capsys.readouterr().out


@pytest.mark.slow
def test_ids_stand_whole_on_a_line_of_a_narrow_terminal(demo, capsys, monkeypatch):
    """A console of 80 columns stands in for the terminal."""
    monkeypatch.setattr("pipeline.tables.Console", partial(Console, width=80, force_terminal=True))
    shard = "commoncrawl/train-00000"
    rows = pq.read_table(demo / "shards" / f"{shard}.docs.parquet").to_pylist()
    first = rows[0]["id"]
    assert len(first) > 65, "it would not fit beside the name of its column"
    for arguments in (["show", shard, "0"], ["explain", first], ["search", "the", "--limit", "0"],
                      ["sample", "-n", "1000", "--source", "commoncrawl"]):  # fmt: skip
        assert main([arguments[0], str(demo), *arguments[1:]]) == 0
        assert first in capsys.readouterr().out.splitlines(), arguments[0]


def test_stats_add_up(demo, capsys):
    _, found = corpus(capsys, "stats", demo)
    for source in found["sources"].values():
        signed = {"in": 1, "dropped": -1, "out": -1, "changed": 0}
        assert sum(signed[r["outcome"]] * r["documents"] for r in source["funnel"]) == 0
    reasons = {r["reason"] for r in found["sources"]["commoncrawl"]["funnel"]}
    assert {
        "too_short",
        "no_unique_line",
        "other_language",
        "perplexity_tail",
        "damaged",
    } <= reasons
    assert main(["stats", str(demo)]) == 0
    assert "What became of commoncrawl" in capsys.readouterr().out


@pytest.mark.slow
def test_explain_agrees_with_the_shards_for_every_document_of_a_file(demo, capsys):
    kept = {
        row["id"]: row
        for path in (demo / "shards" / "commoncrawl").glob("*.docs.parquet")
        for row in pq.read_table(path).to_pylist()
    }
    file = next(iter(kept)).rpartition("#")[0]
    seen = set()
    for number in range(1, 40):
        _, found = corpus(capsys, "explain", demo, f"{file}#{number}")
        assert found["kept"] == (f"{file}#{number}" in kept)
        seen.add(found["dropped_by"])
        if found["kept"]:
            assert len(found["text"]) == kept[found["id"]]["chars"]
            steps = {d["step"]: d for d in found["decisions"]}
            removed = steps["deduplicate_lines"].get("removed_lines", [])
            before = steps["deduplicate_lines"]["characters_before"]
            gone = sum(len(line["text"]) + 1 for line in removed)
            after = steps["deduplicate_lines"]["characters_after"]
            assert before - gone == after
            assert steps["identify_language"]["columns"]["language"] == "en"
    assert len(seen) > 2
    assert main(["explain", str(demo), f"{file}#3"]) == 0
    assert f"{file}#3" in capsys.readouterr().out


@pytest.mark.parametrize(
    "pattern",
    ["shards/*/train-00000.bin", "shards/*/train-00000.idx", "shards/*/train-00000.docs.parquet",
     "shards/*/validation-*.bin", "shards/*/dropped-00000.parquet", "ledger/*/00000.json",
     "ledger.parquet", "plan.jsonl", "run.json", "manifest.json", "decisions/*/*.bits"],
)  # fmt: skip
@pytest.mark.parametrize("where", [0.0, 0.5, 0.999])
def test_verify_catches_a_flipped_byte_in_every_kind_of_file(demo, capsys, pattern, where):
    path = sorted(demo.glob(pattern))[0]
    whole = path.read_bytes()
    at = int(len(whole) * where)
    try:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert main(["verify", str(demo)]) == 1
        assert path.relative_to(demo).as_posix() in capsys.readouterr().out
    finally:
        path.write_bytes(whole)
    assert verify(str(demo)) == []


def test_verify_catches_a_file_that_is_gone(demo, capsys):
    path = sorted(demo.glob("shards/*/train-00000.bin"))[0]
    whole = path.read_bytes()
    try:
        path.unlink()
        assert main(["verify", str(demo)]) == 1
        assert path.relative_to(demo).as_posix() in capsys.readouterr().out
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(
    "arguments",
    [
        ["ls", "/nowhere"],
        ["show", "DEMO", "c4/train-77777"],
        ["show", "DEMO", "c4/train-00000", "999999"],
        ["show", "DEMO", "c4/train-00000", "--id", "x#1"],
        ["explain", "DEMO", "c4/nothing.gz#1"],
        ["explain", "DEMO", "c4/train-00000"],
        ["show", "DEMO"],
        ["show", "DEMO", "--id", "c4/nothing.gz#1"],
    ],
)
def test_mistakes_are_told_in_one_line(demo, capsys, arguments):
    assert main([str(demo) if a == "DEMO" else a for a in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1


@pytest.mark.slow
def test_the_command_imports_no_beam(demo):
    code = (
        "import sys; from pipeline.commands.main import main; "
        f"main(['ls', {str(demo)!r}]); main(['show', {str(demo)!r}, 'c4/train-00000']); "
        f"main(['stats', {str(demo)!r}]); main(['verify', {str(demo)!r}]); "
        "assert not [m for m in sys.modules if m.startswith(('apache_beam', 'numba'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("shards/c4/train-00000.docs.parquet", ["show", "OUT", "c4/train-00000"]),
        ("shards/c4/train-00000.docs.parquet", ["search", "OUT", "the", "--source", "c4"]),
        ("shards/c4/train-00000.docs.parquet", ["sample", "OUT", "--source", "c4", "-n", "500"]),
        ("shards/c4/dropped-00000.parquet", ["sample", "OUT", "--dropped", "--source", "c4"]),
        ("shards/c4/train-00000.bin", ["tokens", "OUT", "c4/train-00000"]),
        ("manifest.json", ["diff", "OUT", "OUT"]),
    ],
)
@pytest.mark.parametrize("left", [0, 0.5])
def test_a_file_that_was_cut_is_named(demo, tmp_path, capsys, name, command, left):
    output = shutil.copytree(demo, tmp_path / "out")
    data = (output / name).read_bytes()
    (output / name).write_bytes(data[: int(len(data) * left)])
    assert main([str(output) if a == "OUT" else a for a in command]) == 2
    error = capsys.readouterr().err
    assert str(output / name) in error and error.count("\n") == 1


@pytest.mark.slow
def test_verify_starts_no_pool_of_threads(demo):
    """Arrow's pool may still be working when a process ends, so reading must use one thread.

    Arrow's one thread for files may start, and the memory allocator starts threads when it likes.
    """
    code = (
        "import os, pyarrow, pyarrow.compute, pyarrow.parquet, tokenizer.shards\n"
        "from pathlib import Path\n"
        "from pipeline.inspection.verify import verify\n"
        "def threads():\n"
        "    tasks = Path('/proc/self/task').iterdir()\n"
        "    names = [task.joinpath('comm').read_text() for task in tasks]\n"
        "    return sum(not name.startswith('jemalloc') for name in names)\n"
        "before = threads()\n"
        f"assert verify({str(demo)!r}) == []\n"
        "print(threads() - before)"
    )
    one_for_files = {"OMP_NUM_THREADS": "8", "ARROW_IO_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=os.environ | one_for_files, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert int(done.stdout) <= 1


@pytest.mark.slow
def test_what_reads_the_run_alone_imports_no_pandas(demo):
    """Arrow imports pandas by itself where it is installed, which takes a second."""
    assert find_spec("pandas")
    shard = "commoncrawl/train-00000"
    commands = [
        ["ls", "OUT"],
        ["stats", "OUT"],
        ["show", "OUT", shard, "2"],
        ["show", "OUT", "--id", pq.read_table(demo / "shards" / f"{shard}.docs.parquet")["id"][2]],
        ["show", "OUT", shard, "--random"],
        ["search", "OUT", "garden"],
        ["search", "OUT", "--regex", "gard.n"],
        ["search", "OUT", "--tokens", "the garden"],
        ["sample", "OUT", "--part", "train"],
        ["tokens", "OUT", shard, "2"],
        ["diff", "OUT", "OUT"],
        ["verify", "OUT"],
    ]
    arguments = [[str(a).replace("OUT", str(demo)) for a in command] for command in commands]
    code = (
        "import sys; from pipeline.commands.main import main\n"
        f"for arguments in {arguments!r}:\n"
        "    assert main(arguments) == 0, arguments\n"
        "    assert 'pandas' not in sys.modules, arguments"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)

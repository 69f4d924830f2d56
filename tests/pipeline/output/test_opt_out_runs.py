"""Runs with opt-out lists: dropped documents, shards that are rebuilt, and shards that stay."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from pipeline.commands.main import main as corpus
from pipeline.files import storage
from pipeline.inspection.explain import explain
from pipeline.inspection.manifest import statistics
from pipeline.inspection.verify import verify
from pipeline.output.layout import REPORT_NAME
from pipeline.output.opt_out import replace_list
from tests.support.runs import digests, run_demo

pytestmark = pytest.mark.slow

ARGUMENTS = ["--sources", "commoncrawl,c4,stackexchange", "--set",
             "shards.target_shard_tokens=30000"]  # fmt: skip


def run_with(output, entries: str | None, folder, *more: str) -> int:
    if entries is not None:
        (folder / "list.txt").write_text(entries)
        more = (*more, "--set", f"opt_out={folder / 'list.txt'}")
    return run_demo(output, *ARGUMENTS, *more)


def documents(output) -> dict[str, tuple[str, str]]:
    """Return every document's url, and the ledger of its shard, by id."""
    found = {}
    for path in sorted((output / "shards").rglob("*.docs.parquet")):
        number = path.name.split(".")[0].rsplit("-", 1)[1]
        ledger = f"ledger/{path.parent.name}/{number}.json"
        for row in pq.read_table(path, columns=["id", "url"]).to_pylist():
            found[row["id"]] = (row["url"], ledger)
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A run without a list."""
    output = tmp_path_factory.mktemp("plain") / "out"
    assert run_with(output, None, output.parent) == 0
    return output


def written(output) -> dict[str, int]:
    return {n: (output / n).stat().st_mtime_ns for n in digests(output) if "shards/" in n}


def test_entries_that_took_nothing_out_are_named(plain, tmp_path, capsys):
    url = next(url for i, (url, _) in documents(plain).items() if i.startswith("c4/"))
    (tmp_path / "list.txt").write_text(f"{url}#top\nnowhere.test\nc4/none.gz#7\n")
    output = tmp_path / "out"
    more = ["--sources", "c4", "--set", f"opt_out={tmp_path / 'list.txt'}"]
    assert run_demo(output, *more) == 0
    warning = "opt-out list: 2 of 3 entries match no document that the steps had left: "
    warning += "c4/none.gz#7, nowhere.test"
    assert warning in capsys.readouterr().out
    assert statistics(str(output))["warnings"] == [warning]
    assert warning in (output / REPORT_NAME).read_text()


@pytest.mark.slow
def test_a_list_removes_its_documents_and_rebuilds_their_shards_alone(plain, tmp_path, capsys):
    output = tmp_path / "out"
    assert run_with(output, None, tmp_path) == 0
    before, times = documents(output), written(output)
    by_id = next(i for i in before if i.startswith("stackexchange/"))
    by_url, (url, _) = next(item for item in before.items() if item[0].startswith("c4/"))
    listed = {by_id, by_url}
    assert run_with(output, f"{by_id}\n{url}\n", tmp_path) == 0
    assert verify(str(output)) == []
    after = documents(output)
    assert {i: before[i] for i in before if i not in listed} == after
    touched = {before[i][1] for i in listed}
    for name, time in written(output).items():
        source, file = name.split("/")[1:]
        number = file.split(".")[0].rsplit("-", 1)[1]
        assert (time != times[name]) == (f"ledger/{source}/{number}.json" in touched), name
    assert len(touched) < len({v[1] for v in before.values()})
    for source in ("c4", "stackexchange"):
        funnel = statistics(str(output))["sources"][source]["funnel"]
        assert [r["documents"] for r in funnel if r["reason"] == "opted_out"] == [1]
    for identifier in listed:
        found = explain(str(output), identifier)
        assert (found["dropped_at"], found["dropped_by"]) == ("opt_out", "opted_out")
    assert corpus(["stats", str(output)]) == 0 and "opted_out" in capsys.readouterr().out
    # A run with the list from the beginning writes the same files.
    fresh = tmp_path / "fresh"
    assert run_with(fresh, f"{by_id}\n{url}\n", tmp_path) == 0
    assert digests(fresh) == digests(output)
    # A command without a list leaves this one in force, and says so.
    capsys.readouterr()
    assert run_with(output, None, tmp_path) == 0
    assert "stays in force, and leaves 2 documents out" in capsys.readouterr().out
    assert digests(fresh) == digests(output)
    # Where it is taken back, all files are as before.
    assert run_with(output, None, tmp_path, "--opt_out_removed") == 0
    assert "2 documents that it left out return" in capsys.readouterr().out
    assert verify(str(output)) == []
    assert digests(output) == digests(plain)


def test_a_part_that_is_left_without_documents_goes(plain, tmp_path):
    output = tmp_path / "out"
    assert run_with(output, None, tmp_path) == 0
    held_out = sorted((output / "shards").glob("*/validation-*.docs.parquet"))[0]
    entries = pq.read_table(held_out)["id"].to_pylist()
    assert run_with(output, "\n".join(entries), tmp_path) == 0
    assert verify(str(output)) == []
    assert not list(held_out.parent.glob(held_out.name.replace("docs.parquet", "*")))


@pytest.mark.slow
def test_a_list_changed_half_way_is_taken_up_again(plain, tmp_path, monkeypatch):
    output = tmp_path / "out"
    assert run_with(output, None, tmp_path) == 0
    identifier = next(i for i in documents(output) if i.startswith("c4/"))
    removed = []

    def fail_at_second(output: str, name: str) -> None:
        removed.append(name)
        if len(removed) == 2:
            raise KeyboardInterrupt
        real(output, name)

    real = storage.remove
    monkeypatch.setattr(storage, "remove", fail_at_second)
    with pytest.raises(KeyboardInterrupt):
        replace_list(str(output), identifier.encode())
    monkeypatch.undo()
    assert not (output / "manifest.json").exists()
    assert run_with(output, identifier, tmp_path) == 0
    assert verify(str(output)) == [] and identifier not in documents(output)


def test_a_list_is_not_given_and_taken_back_at_once(tmp_path, capsys):
    assert run_with(tmp_path / "out", "a.test\n", tmp_path, "--opt_out_removed") == 2
    assert "--opt_out_removed: the recipe names a list" in capsys.readouterr().err


def test_mistakes_are_told_before_any_work(tmp_path, capsys):
    output = tmp_path / "out"
    assert run_with(output, "example.org\nthat page of mine\n", tmp_path) == 2
    error = capsys.readouterr().err
    assert "list.txt: line 2: 'that page of mine'" in error and error.count("\n") == 1
    assert run_demo(output, *ARGUMENTS, "--set", "opt_out=nowhere.txt") == 2
    assert "no file nowhere.txt" in capsys.readouterr().err
    assert not output.exists()

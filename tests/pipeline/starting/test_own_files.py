"""A look at one's own files: kinds, columns, languages, and a recipe that loads."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.commands.main import main
from pipeline.inspection.verify import verify
from pipeline.passes.plan import make_plan
from pipeline.recipe.from_yaml import load_recipe
from pipeline.starting.columns import columns_of
from pipeline.starting.kinds import reader_of
from pipeline.starting.own_files import find
from tests.support.runs import ROOT

SAMPLES = ROOT / "samples" / "data"
READERS = {
    "arxiv": "arxiv",
    "books": "books",
    "c4": "json_lines",
    "commoncrawl/warc": "warc",
    "commoncrawl/wet": "wet",
    "github": "bigquery_github",
    "stackexchange": "stackexchange",
    "wikipedia": "wikipedia",
}
GERMAN = "Der Regen fiel auf den alten Hof, und niemand hatte die Tür geschlossen. " * 8
ENGLISH = "The rain fell on the old yard, and nobody had thought of closing the door. " * 8


@pytest.mark.parametrize("folder", READERS)
def test_every_sample_is_known_by_its_bytes(folder):
    files = [path for path in (SAMPLES / folder).rglob("*") if path.is_file()]
    assert files and {reader_of(str(path)) for path in files} == {READERS[folder]}


def test_text_and_address_go_by_their_names_or_the_text_by_its_length():
    named = [{"url": "http://a", "text": "short", "note": "x" * 900, "n": 1}]
    assert columns_of(named) == ("text", "url", ("n",))
    longest = [{"title": "A", "story": ENGLISH, "parts": [1]}, {"title": None, "story": ENGLISH}]
    assert columns_of(longest) == ("story", None, ("title",))
    with pytest.raises(ValueError, match="no column holds texts; there are: a, b"):
        columns_of([{"a": 1, "b": "x"}])


def test_folders_of_several_kinds_make_several_sources(tmp_path):
    (tmp_path / "news").mkdir()
    rows = [{"body": GERMAN if i % 3 else ENGLISH, "link": f"http://h/{i}"} for i in range(30)]
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    for name in ("a", "b"):
        (tmp_path / "news" / f"{name}.jsonl.gz").write_bytes(gzip.compress(data))
    pq.write_table(pa.table({"content": [ENGLISH] * 9}), tmp_path / "more.parquet")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(99))
    sources, passed_over = find([str(tmp_path)])
    by_name = {one.name: one for one in sources}
    assert {one.name: one.reader for one in sources} == {
        "news": "json_lines", "more": "huggingface",
    }  # fmt: skip
    assert by_name["news"].inputs == ("news/*.jsonl.gz",) and by_name["news"].n_files == 2
    assert by_name["news"].languages == {"de": 20, "en": 10}
    assert by_name["more"].columns == ("content", None, ())
    assert len(passed_over) == 1 and "photo.jpg" in passed_over[0]


def test_the_recipe_for_all_samples_loads_and_finds_every_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init", str(SAMPLES)]) == 0
    recipe = load_recipe("corpus.yaml")
    assert {source.reader_name for source in recipe.sources} == set(READERS.values())
    planned = {split.path for split in make_plan(recipe).splits if split.holds == "records"}
    planned |= {
        split.path
        for split in make_plan(recipe).documents
        if recipe.source(split.source).reader.join is None
    }
    assert planned == {str(path) for path in SAMPLES.rglob("*") if path.is_file()}
    assert "corpus run --recipe corpus.yaml --output out/corpus" in capsys.readouterr().out
    assert main(["init", str(SAMPLES / "c4"), "--recipe", "c4.yaml", "--json"]) == 0
    (source,) = json.loads(capsys.readouterr().out)["sources"]
    assert (source["name"], source["reader"], source["n_files"]) == ("c4", "json_lines", 2)
    assert main(["init", str(SAMPLES)]) == 2, "a recipe that is there stays"
    assert "is there already" in capsys.readouterr().err


def test_what_cannot_be_read_is_told_in_one_line(tmp_path, capsys):
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(99))
    (tmp_path / "numbers.jsonl").write_text('{"a": 1}\n')
    recipe = ["--recipe", str(tmp_path / "r.yaml")]
    for given, told in (
        (tmp_path / "photo.jpg", "no reader reads such files"),
        (tmp_path / "numbers.jsonl", "no column holds texts; there are: a"),
        (tmp_path / "nowhere", "there is no such file or folder"),
        ("gs://bucket/files", "give files on this machine"),
    ):
        assert main(["init", str(given), *recipe]) == 2
        error = capsys.readouterr().err
        assert told in error and error.count("\n") == 1
    assert not (tmp_path / "r.yaml").exists()


def test_the_recipe_for_json_lines_runs(tmp_path, monkeypatch):
    """Its models are found in the package, whatever the folder."""
    (sample, *_) = sorted((SAMPLES / "c4").glob("*.gz"))
    lines = gzip.decompress(sample.read_bytes()).splitlines(keepends=True)
    (tmp_path / "mine.jsonl").write_bytes(b"".join(lines[:60]))
    monkeypatch.chdir(tmp_path)
    assert main(["init", "mine.jsonl"]) == 0
    command = ["run", "--recipe", "corpus.yaml", "--output", "out/corpus", "--workers", "1"]
    assert main([*command, "--no_report"]) == 0
    assert (tmp_path / "out/corpus/shards/mine/train-00000.bin").stat().st_size > 10_000
    assert verify("out/corpus") == []

"""Exports, read back by the libraries that they are for, and compared with the shards' tokens.

The libraries run in an environment of their own (``tests/export_readers``). The shards' ``.bin``
files and indexes are read by numpy alone.
"""

from __future__ import annotations

import json
import os
import subprocess
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.commands.main import main
from pipeline.exports import hugging_face
from pipeline.exports.chunked import write_litdata, write_mds
from pipeline.exports.corpus_parts import open_corpus
from tests.support.runs import ROOT
from tests.support.samples.corpora import write_corpus

pytestmark = pytest.mark.slow

SCRIPT = ROOT / "tests" / "export_readers" / "read_back.py"
BLOCK = 64
FORMATS = ("olmo", "nanotron", "litdata", "mds", "hf", "megatron")


def documents_of(output, source, part="train"):
    """Yield shard, number and tokens of every document of a source's part."""
    for bin_file in sorted((output / "shards" / source).glob(f"{part}-*.bin")):
        index = bin_file.with_suffix(".idx").read_bytes()
        dtype = {8: "<u2", 4: "<i4"}[index[17]]
        n = int.from_bytes(index[18:26], "little")
        lengths = np.frombuffer(index, "<i4", n, 34)
        cuts = np.cumsum(lengths)[:-1]
        documents = np.split(np.fromfile(bin_file, dtype), cuts)
        yield from ((bin_file.stem, number, d) for number, d in enumerate(documents))


def documents_by_shard(output, source):
    """Return the tokens of every training document of a source, a list for each of its shards."""
    shards = {}
    for shard, _, tokens in documents_of(output, source):
        shards.setdefault(shard, []).append(tokens)
    return list(shards.values())


def ids_of(output, source):
    files = sorted((output / "shards" / source).glob("train-*.docs.parquet"))
    return [i for f in files for i in pq.read_table(f, columns=["id"])["id"].to_pylist()]


def stream(output, source):
    return np.concatenate([tokens for _, _, tokens in documents_of(output, source)])


def rows(tokens, length):
    return tokens[: len(tokens) // length * length].reshape(-1, length)


def sources_of(output):
    return sorted(p.name for p in (output / "shards").iterdir() if list(p.glob("train-*.bin")))


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A corpus of int32 tokens with several shards a source. Some documents have no tokens."""
    folder = tmp_path_factory.mktemp("wide") / "out"
    folder.mkdir()
    rng = np.random.default_rng(5)

    def shard(n):
        return [rng.integers(3, 1 << 17, k).tolist() for k in rng.integers(0, 90, n)]

    train = {"a": [shard(40), [[1, 100_000, 2]], shard(70)], "b": [[[], [7], []], shard(60)]}
    write_corpus(folder, train, {"a": 0.75, "b": 0.25}, 1000, dtype=np.int32)
    return folder


@pytest.fixture(scope="module")
def read_back(demo_run, wide, export_readers, tmp_path_factory):
    """The tokens that the libraries read from exports of both corpora, by output and format."""
    folders = {}
    for output in (demo_run, wide):
        folder = folders[output] = tmp_path_factory.mktemp("exports")
        for name in (*FORMATS, "mds_sequences"):
            if name == "hf" and output == wide:
                continue  # this corpus has no tokenizer
            more = {"mds_sequences": ["--sequence_length", str(BLOCK)], "hf": ["--tokens"]}
            arguments = ["--format", name.split("_")[0], "--to", str(folder / name)]
            assert main(["export", str(output), *arguments, *more.get(name, [])]) == 0
    quiet = {
        **os.environ,
        "PYTHONWARNINGS": "ignore",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
    }
    done = subprocess.run(
        [export_readers, SCRIPT, *folders.values()], env=quiet, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {
        output: {path.stem: dict(np.load(path)) for path in folder.glob("*.npz")}
        for output, folder in folders.items()
    }


@pytest.fixture(params=["demo", "wide"])
def read(request, read_back, demo_run, wide):
    output = {"demo": demo_run, "wide": wide}[request.param]
    return output, read_back[output]


@pytest.mark.slow
def test_megatron_reads_every_document(read):
    output, found = read
    expected = {
        f"{source}/{shard}/{number:06d}": tokens
        for source in sources_of(output)
        for shard, number, tokens in documents_of(output, source)
    }
    assert_same(found["megatron"], expected)


@pytest.mark.slow
def test_olmo_reads_every_document_and_sequence(read):
    output, found = read
    expected = {}
    for source in sources_of(output):
        for shard, number, tokens in documents_of(output, source):
            expected[f"documents/{source}/{shard}/{number:06d}"] = tokens
        # Every file by itself is cut into sequences.
        shards = map(np.concatenate, documents_by_shard(output, source))
        expected[f"sequences/{source}"] = np.concatenate([rows(s, BLOCK) for s in shards])
    assert_same(found["olmo"], expected)


@pytest.mark.slow
def test_nanotron_reads_every_window_and_where_documents_end(read):
    output, found = read
    expected = {}
    for source in sources_of(output):
        windows, positions = [], []
        for documents in documents_by_shard(output, source):
            tokens = np.concatenate(documents)
            windows.append(rows(tokens, BLOCK))
            starts = np.cumsum([0, *map(len, documents)])
            at = np.arange(len(windows[-1]) * BLOCK)
            begin = starts[np.searchsorted(starts, at, side="right") - 1]
            positions.append((at - np.maximum(begin, at // BLOCK * BLOCK)).reshape(-1, BLOCK))
        expected[f"{source}/tokens"] = np.concatenate(windows)
        expected[f"{source}/positions"] = np.concatenate(positions)
    assert_same(found["nanotron"], expected)


@pytest.mark.slow
def test_litdata_reads_every_block(read):
    """Each shard is one chunk. The last tokens of a chunk are not read if they make no block."""
    output, found = read
    expected = {}
    for source in sources_of(output):
        whole = list(map(np.concatenate, documents_by_shard(output, source)))
        expected[f"{source}/{BLOCK}"] = np.concatenate([rows(t, BLOCK).ravel() for t in whole])
        if sum(map(len, whole)) < 20_000:
            expected[f"{source}/1"] = np.concatenate(whole)
    assert_same(found["litdata"], expected)
    assert len(expected) > len(sources_of(output))


@pytest.mark.slow
def test_mosaic_reads_every_document(read):
    output, found = read
    expected = {}
    for source in sources_of(output):
        tokens = [document for _, _, document in documents_of(output, source)]
        named = dict(zip(ids_of(output, source), tokens, strict=True))
        expected |= {f"{source}/{identifier}": document for identifier, document in named.items()}
    first = next(iter(json.loads((output / "manifest.json").read_text())["sources"]))
    for number, (_, _, tokens) in enumerate(documents_of(output, first)):
        expected[f"streamed/{number:06d}"] = tokens
    assert_same(found["mds"], expected)


@pytest.mark.slow
def test_mosaic_reads_every_sequence(read):
    output, found = read
    expected = {source: rows(stream(output, source), BLOCK) for source in sources_of(output)}
    assert_same(found["mds_sequences"], expected)


@pytest.mark.slow
def test_datasets_reads_every_document(read_back, demo_run):
    expected = {}
    for source in sources_of(demo_run):
        tokens = [document for _, _, document in documents_of(demo_run, source)]
        for identifier, document in zip(ids_of(demo_run, source), tokens, strict=True):
            expected[f"default/{identifier}"] = expected[f"{source}/{identifier}"] = document
    assert_same(read_back[demo_run]["hf"], expected)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, tokens in expected.items():
        assert np.array_equal(found[name], tokens), name


@pytest.mark.slow
def test_hugging_face_text_is_the_documents(demo_run, tmp_path, monkeypatch):
    monkeypatch.setattr(hugging_face, "TOKENS", 1000)  # so that there are many row groups
    target = tmp_path / "hf"
    more = ["--source", "c4", "--source", "wikipedia"]
    assert main(["export", str(demo_run), "--format", "hf", "--to", str(target), *more]) == 0
    for source in ("c4", "wikipedia"):
        file = pq.ParquetFile(target / "data" / source / "train-00000.parquet")
        assert file.num_row_groups > 3
        documents = file.read().to_pylist()
        records = pq.read_table(
            demo_run / "shards" / source / "train-00000.docs.parquet"
        ).to_pylist()
        assert [row["id"] for row in documents] == [row["id"] for row in records]
        assert [len(row["text"]) for row in documents] == [row["chars"] for row in records]
        assert "tokens" not in documents[0] and documents[0]["url"] == records[0]["url"]
    assert sorted(p.name for p in (target / "data").iterdir()) == ["c4", "wikipedia"]


def test_files_end_at_the_limit(wide, tmp_path):
    """Limits are small, so sources become many files. Formats are read by their description."""
    corpus = open_corpus(str(wide), None, "train")
    (tmp_path / "lit").mkdir()
    write_litdata(corpus, tmp_path / "lit", chunk_bytes=1000)
    for source in sources_of(wide):
        index = json.loads((tmp_path / "lit" / source / "index.json").read_text())
        assert len(index["chunks"]) > 5
        documents = []
        for chunk in index["chunks"]:
            data = (tmp_path / "lit" / source / chunk["filename"]).read_bytes()
            n = int.from_bytes(data[:4], "little")
            offsets = np.frombuffer(data, "<u4", n + 1, 4)
            assert offsets[0] == 8 + 4 * n and offsets[-1] == len(data) == chunk["chunk_bytes"]
            assert len(data) <= 1008 and n == chunk["chunk_size"]
            documents += [np.frombuffer(data[a:b], "<i4") for a, b in pairwise(offsets)]
        expected = [tokens for _, _, tokens in documents_of(wide, source)]
        assert list(map(list, documents)) == list(map(list, expected))
    (tmp_path / "mds").mkdir()
    write_mds(corpus, tmp_path / "mds", chunk_bytes=1500)
    index = json.loads((tmp_path / "mds" / "a" / "index.json").read_text())
    assert len(index["shards"]) > 5
    assert all(shard["raw_data"]["bytes"] <= 1500 for shard in index["shards"])
    assert sum(shard["samples"] for shard in index["shards"]) == len(ids_of(wide, "a"))


def test_token_files_are_links_unless_copied(wide, tmp_path):
    shard = wide / "shards" / "a" / "train-00000.bin"
    for name, suffix in (("olmo", "npy"), ("nanotron", "ds"), ("megatron", "bin")):
        arguments = ["export", str(wide), "--format", name, "--to"]
        assert main([*arguments, str(tmp_path / name)]) == 0
        assert (tmp_path / name / "a" / f"train-00000.{suffix}").samefile(shard)
        assert main([*arguments, str(tmp_path / f"{name}-copy"), "--copy"]) == 0
        copy = tmp_path / f"{name}-copy" / "a" / f"train-00000.{suffix}"
        assert not copy.samefile(shard) and copy.read_bytes() == shard.read_bytes()


def test_an_export_says_which_ids_are_the_marks(demo_run, wide, tmp_path, capsys):
    """Where the tokenizer is not here, it says that it does not."""
    for output in (demo_run, wide):
        to = tmp_path / f"to-{output.name}"
        assert main(["export", str(output), "--format", "megatron", "--to", str(to)]) == 0
        described = json.loads((to / "export.json").read_text())["tokenizer"]
        said = capsys.readouterr().err
        if output == demo_run:
            assert (described["bos_id"], described["eos_id"], said) == (1, 2, "")
        else:
            assert not {"bos_id", "eos_id"} & described.keys()
            assert "without the ids of begin and end: " in said and said.count("\n") == 1


def test_megatron_weights_are_the_proportions(wide, tmp_path):
    assert main(["export", str(wide), "--format", "megatron", "--to", str(tmp_path / "x")]) == 0
    weights = {}
    for line in (tmp_path / "x" / "data_args.txt").read_text().splitlines():
        weight, prefix = line.split()
        assert (tmp_path / "x") in type(tmp_path)(prefix).parents
        weights.setdefault(prefix.split("/")[-2], []).append(float(weight))
    assert {s: round(sum(w), 9) for s, w in weights.items()} == {"a": 0.75, "b": 0.25}
    assert len(weights["a"]) == 3


def test_mistakes_are_told_in_a_line_and_leave_nothing(wide, tmp_path, capsys):
    there = tmp_path / "there"
    there.mkdir()
    assert main(["export", str(wide), "--format", "olmo", "--to", str(there)]) == 0  # it was empty

    def refused(*arguments):
        assert main(["export", *map(str, arguments)]) == 2
        return capsys.readouterr().err

    to = ["--to", tmp_path / "x"]
    assert "there already" in refused(wide, "--format", "olmo", "--to", there)
    assert "no source c" in refused(wide, "--format", "olmo", *to, "--source", "c")
    assert "no documents" in refused(wide, "--format", "olmo", *to, "--part", "validation")
    assert "--tokens is for --format hf" in refused(wide, "--format", "mds", *to, "--tokens")
    assert "1 or more" in refused(wide, "--format", "mds", *to, "--sequence_length", "0")
    assert "tokenizer of the shards is not there" in refused(wide, "--format", "hf", *to)
    assert "copy the folder" in refused("gs://bucket/out", "--format", "mds", *to)
    assert "no manifest.json" in refused(tmp_path, "--format", "mds", *to)
    assert "on this machine" in refused(wide, "--format", "mds", "--to", "gs://bucket/x")
    spaces = tmp_path / "a b"
    assert "no paths with spaces" in refused(wide, "--format", "megatron", "--to", spaces)
    assert not spaces.exists()
    assert not (tmp_path / "x").exists()


def test_the_folder_may_be_the_current_one(wide, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main(["export", str(wide), "--format", "megatron", "--to", "."]) == 0
    assert (tmp_path / "here" / "data_args.txt").exists()


def test_a_damaged_shard_stops_the_export(wide, tmp_path, capsys):
    write_corpus(tmp_path, {"a": [[[1, 2]], [[3, 4]]]}, {"a": 1.0}, 10)
    shard = tmp_path / "shards" / "a" / "train-00001.bin"
    shard.write_bytes(shard.read_bytes()[:2])
    target = tmp_path / "export"
    assert main(["export", str(tmp_path), "--format", "mds", "--to", str(target)]) == 2
    assert "train-00001.bin: 2 bytes, its index says 4" in capsys.readouterr().err
    assert not target.exists() and not target.with_name("export.unfinished").exists()

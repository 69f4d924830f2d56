"""Remote corpora: files are fetched once and checked, also for several processes at once."""

from __future__ import annotations

import hashlib
import multiprocessing
from pathlib import Path

import fsspec
import numpy as np
import pytest

from tests.support.samples.corpora import write_corpus
from training.data.files import RemoteFiles
from training.data.manifest import CorpusFile, parse_manifest
from training.data.mixture import Mixture


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    shards = [[range(100 * i, 100 * i + 100)] for i in range(5)]
    folder.mkdir()
    write_corpus(folder, {"c4": shards}, {"c4": 1.0}, 500)
    return folder


def in_memory(corpus: Path) -> str:
    """Copy a corpus into fsspec's file system in memory."""
    url = f"memory://{corpus.parent.name}/corpus"
    file_system, folder = fsspec.core.url_to_fs(url)
    file_system.put(str(corpus), folder, recursive=True)
    return url


@pytest.mark.parametrize("where", ["file", "memory"])
def test_a_corpus_elsewhere_has_the_same_samples(corpus, tmp_path, where) -> None:
    url = f"file://{corpus}" if where == "file" else in_memory(corpus)
    here = Mixture(corpus, sequence_length=9, seed=1)
    there = Mixture(url, sequence_length=9, seed=1, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()  # nothing is fetched before it is needed
    there.samples([0])
    assert len(list((tmp_path / "cache").glob("*/*.bin"))) == 1
    positions = np.arange(here.n_samples)
    assert np.array_equal(here.samples(positions), there.samples(positions))
    assert here.documents_of(3) == there.documents_of(3)
    assert not list((tmp_path / "cache").glob("*/*.part"))


def test_what_is_in_the_cache_is_not_fetched_again(corpus, tmp_path) -> None:
    url, cache = f"file://{corpus}", tmp_path / "cache"
    first = Mixture(url, sequence_length=9, seed=1, cache=cache).samples(np.arange(55))
    for path in corpus.glob("shards/*/*.bin"):
        path.unlink()
    again = Mixture(url, sequence_length=9, seed=1, cache=cache)
    assert np.array_equal(again.samples(np.arange(55)), first)


def test_a_damaged_download_is_refused_and_not_kept(corpus, tmp_path) -> None:
    (path,) = corpus.glob("shards/*/train-00003.bin")
    whole = path.read_bytes()
    path.write_bytes(whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
    there = Mixture(f"file://{corpus}", sequence_length=9, seed=1, cache=tmp_path / "cache")
    with pytest.raises(ValueError, match=r"c4/train-00003\.bin: the 200 bytes fetched") as error:
        there.check_files()
    assert "\n" not in str(error.value)
    assert not [p for p in (tmp_path / "cache").glob("*/*") if "00003.bin" in p.name]
    path.write_bytes(whole)
    there.check_files()


def test_a_file_that_is_not_there(corpus, tmp_path) -> None:
    (path,) = corpus.glob("shards/*/train-00002.bin")
    path.unlink()
    there = Mixture(f"file://{corpus}", sequence_length=9, seed=1, cache=tmp_path / "cache")
    with pytest.raises(ValueError, match=r"c4/train-00002\.bin: not there"):
        there.check_files()
    with pytest.raises(ValueError, match=r"no manifest\.json there"):
        Mixture(f"file://{tmp_path}/x", sequence_length=9, seed=1, cache=tmp_path / "cache")


def test_what_a_killed_process_left_is_fetched_anew(corpus, tmp_path) -> None:
    cache = tmp_path / "cache"
    shard = parse_manifest((corpus / "manifest.json").read_bytes(), "train").shards[0]
    target = RemoteFiles(f"file://{corpus}", cache).path(shard.tokens)
    target.unlink()
    target.with_suffix(".part").write_bytes(b"half")
    assert RemoteFiles(f"file://{corpus}", cache).path(shard.tokens) == target
    assert target.read_bytes() == (corpus / shard.tokens.name).read_bytes()


@pytest.mark.parametrize("left", [0, 1, 199])
def test_a_file_of_the_cache_that_was_cut_short_is_fetched_anew(corpus, tmp_path, left) -> None:
    cache = tmp_path / "cache"
    first = Mixture(f"file://{corpus}", sequence_length=9, seed=1, cache=cache).samples([0])
    (path,) = cache.glob("*/*.bin")
    path.write_bytes(path.read_bytes()[:left])
    again = Mixture(f"file://{corpus}", sequence_length=9, seed=1, cache=cache).samples([0])
    assert np.array_equal(again, first) and path.stat().st_size == 200


def _fetch(url: str, cache: Path, file: CorpusFile, barrier, results) -> None:
    barrier.wait()
    results.put(RemoteFiles(url, cache).path(file).read_bytes())


def test_several_processes_at_once(corpus, tmp_path) -> None:
    big = corpus / "big.bin"
    big.write_bytes(np.random.default_rng(0).bytes(20_000_000))
    file = CorpusFile("big.bin", 20_000_000, hashlib.sha256(big.read_bytes()).hexdigest())
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(4), context.Queue()
    processes = [
        context.Process(
            target=_fetch, args=(f"file://{corpus}", tmp_path / "cache", file, barrier, results)
        )
        for _ in range(4)
    ]
    for process in processes:
        process.start()
    read = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert all(data == big.read_bytes() for data in read)


def test_a_url_needs_a_cache() -> None:
    with pytest.raises(ValueError, match="needs a folder here to cache its shards"):
        Mixture("s3://bucket/out", sequence_length=9, seed=1)

"""The SparkRunner on a standalone cluster: the DirectRunner's bytes, whatever dies meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import yaml

from pipeline.verify import verify
from tests.runs import ROOT, digests, run_demo, start
from tests.spark_cluster import Cluster, Program, spark_cluster

FILES = [
    "commoncrawl/wet/readability.warc.wet.gz",
    "commoncrawl/wet/goose3.warc.wet.gz",
    "commoncrawl/wet/newspaper4k.warc.wet.gz",
    "books/pg11-11.txt",
    "books/pg11-11-0.txt",
    "books/pg11-old_alice30.txt",
    "stackexchange/datascience.meta.stackexchange.com_2017-03/Posts.xml",
    "stackexchange/datascience.meta.stackexchange.com_2022-06_a/Posts.xml",
]

SOURCES = "commoncrawl,books,stackexchange"

pytestmark = pytest.mark.slow


class Reference(NamedTuple):
    """The options of a recipe over real samples, and what the DirectRunner makes of it."""

    options: list[str]
    digests: dict[str, str]


@pytest.fixture(scope="module")
def reference(
    shared_data: Path, shared_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Reference:
    """Lines, documents and near-duplicates are deduplicated, and records joined."""
    folder = tmp_path_factory.mktemp("reference")
    for name in FILES:
        (folder / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "data" / name).symlink_to(shared_data / name)
    recipe = yaml.safe_load((ROOT / "recipes" / "samples.yaml").read_text())
    recipe["variables"] = {"data": str(folder / "data"), "models": str(shared_models)}
    recipe["shards"]["target_shard_tokens"] = 100_000
    recipe["sources"]["commoncrawl"]["steps"].insert(0, {"tests.runs.slow": {"seconds": 0.5}})
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    output = folder / "direct"
    options = ["--recipe", str(folder / "recipe.yaml"), "--sources", SOURCES]
    assert run_demo(output, *options) == 0
    assert len(list((output / "ledger").rglob("*.json"))) > 4
    return Reference(options, digests(output))


@pytest.fixture(scope="module")
def cluster(spark_programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for all tests; the last of them leaves it with one worker."""
    with spark_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def start_run(reference: Reference, cluster: Cluster, output: Path) -> subprocess.Popen[bytes]:
    """Start a run on the cluster."""
    settings = [
        "--job_server_jvm_properties=-Dspark.executor.memory=768m",
        "--environment_cache_millis=60000",  # for the test's sake: Python starts once a pass
    ]
    return start(*cluster.options, *settings, *reference.options, "--output", str(output))


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for a run, which must succeed."""
    try:
        printed, _ = process.communicate(timeout=600)
    finally:
        stop(process)
    assert process.returncode == 0, printed.decode()[-3000:]
    assert b"Traceback" not in printed


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a run with its job server, where it has not ended by itself."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def executor_in_the_middle(
    process: subprocess.Popen[bytes], cluster: Cluster, suffix: str
) -> tuple[Program, psutil.Process]:
    """Wait until an executor is at writing a file, and return it with its worker."""
    deadline = time.monotonic() + 300
    while not (found := cluster.executor_that_writes(suffix)):
        assert process.poll() is None, "the run ended before anything was killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def test_a_cluster_writes_the_bytes_of_the_direct_runner(reference, cluster, tmp_path):
    finish(start_run(reference, cluster, tmp_path / "out"))
    assert digests(tmp_path / "out") == reference.digests


def test_spark_itself_makes_up_for_an_executor_and_for_a_worker_that_die(
    reference, cluster, tmp_path
):
    output = tmp_path / "out"
    process = start_run(reference, cluster, output)
    try:
        _, executor = executor_in_the_middle(process, cluster, ".fp")
        executor.kill()  # in the first pass: its worker starts another
        assert not (output / "decisions" / "commoncrawl").exists()
        worker, executor = executor_in_the_middle(process, cluster, ".bin")
        worker.process.kill()  # in the second: what is left of the cluster goes on
        executor.kill()
        assert not (output / "manifest.json").exists()
        finish(process)
    finally:
        stop(process)
    assert digests(output) == reference.digests
    assert verify(str(output)) == []
    assert not (output / "work").exists()

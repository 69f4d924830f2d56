"""The SparkRunner on a local master: the bytes of the DirectRunner, and errors of its setup."""

from __future__ import annotations

import json
import os
import shutil
import signal
from typing import Any

import numpy as np
import pytest

import beam_runner
from pipeline.output.ledger import read_ledger
from pipeline.runners import spark
from tests.support.across_sources import NEAR, write_recipe
from tests.support.edited_recipes import edited
from tests.support.runs import digests, run_demo, start
from tests.support.work import work

pytestmark = pytest.mark.slow

JAR = f"--spark_job_server_jar={__file__}"  # any file that exists will do

ARGUMENTS = ["--sources", "commoncrawl,books,stackexchange"]


def with_domains(raw: dict[str, Any]) -> None:
    """Divide two of the sources, one of them by buckets of two scores."""
    certain = {"score": "language_score", "cutoffs": [0.9, 0.99], "as": "certain"}
    raw["sources"]["commoncrawl"]["steps"].append({"bucket_by_score": certain})
    raw["sources"]["commoncrawl"]["domains"] = {"by": ["bucket", "metadata.certain"]}
    raw["sources"]["stackexchange"]["domains"] = {"by": ["metadata.site"]}


@pytest.mark.slow
def test_a_local_master_writes_the_bytes_of_the_direct_runner(job_server, tmp_path):
    direct, sparked = tmp_path / "direct", tmp_path / "spark"
    arguments = ["--recipe", edited(tmp_path, with_domains), *ARGUMENTS]
    assert run_demo(direct, *arguments) == 0
    sources = json.loads((direct / "manifest.json").read_text())["sources"]
    assert all(len(sources[name]["domains"]) > 1 for name in ("commoncrawl", "stackexchange"))
    process = start("--runner=SparkRunner", "--output", str(sparked), "--workers", "2", *arguments)
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0, printed.decode()[-3000:]
    assert b"Traceback" not in printed
    assert digests(sparked) == digests(direct)


@pytest.mark.slow
def test_comparisons_of_all_kinds_have_the_bytes_of_the_direct_runner(job_server, tmp_path):
    """Spans, clusters, sources and an earlier run's index, in one recipe over real pages."""
    counted = {"index": True, "record": "cluster_size"}

    def recipe(name: str, sources: list[str], cards: list[str]) -> str:
        given = {"sources": sources, **counted}
        exact = {**given, "keep": "first", "against": cards[:1]}
        near = {**given, **NEAR, "against": cards[1:]}
        listed = [{"deduplicate_documents": exact}, {"deduplicate_near": near}]
        return write_recipe(tmp_path / name, listed)

    spans = {"keep": "first", "min_bytes": 100, "max_removed_share": 0.9, "index": True}
    steps = ["--set", f"sources.c4.steps={[{'deduplicate_spans': spans}]}"]
    earlier = tmp_path / "earlier"
    arguments = ["--sources", "c4", "--set", f"sources.c4.input=['{tmp_path}/old/c4/*00000-*']"]
    assert run_demo(earlier, "--recipe", recipe("old", ["c4"], []), *arguments, *steps) == 0
    cards = [f"{earlier}/indexes/c4/step{step}/card.json" for step in (1, 2)]
    path = recipe("new", ["c4", "commoncrawl"], cards)
    direct, sparked = tmp_path / "direct", tmp_path / "spark"
    assert run_demo(direct, "--recipe", path, *steps) == 0
    process = start(
        "--runner=SparkRunner", "--output", str(sparked), "--workers", "2", "--recipe", path, *steps
    )
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0, printed.decode()[-3000:]
    assert digests(sparked) == digests(direct)
    names = " ".join(digests(direct))
    for kind in (".sizes", ".clusters.json", ".survivors", "indexes/c4/step0", "indexes/c4/step2"):
        assert kind in names
    reasons = {row["reason"] for row in read_ledger(str(direct)).to_pylist()}
    assert {"duplicate_document", "near_duplicate", "repeated_spans"} <= reasons


@pytest.mark.slow
def test_full_memory_ends_the_run(job_server, tmp_path):
    """A task emits a gigabyte, the shingles of each page for 120 pairs, with half of it as heap."""
    random = np.random.default_rng(0)
    shared = " ".join(f"shared{i}" for i in range(190))
    (tmp_path / "c4").mkdir()
    with (tmp_path / "c4" / "pages.jsonl").open("w") as file:
        for own in random.integers(10**12, 10**13, (5000, 10)).tolist():
            text = f"{shared} {' '.join(map(str, own))}"
            file.write(json.dumps({"text": text}) + "\n")
    step = {
        "min_overlap": 0.8, "shingle_words": 5, "bands": 20, "rows": 8, "prefer": "longest",
        "max_neighbours": 60, "max_partners": 60,
    }  # fmt: skip
    process = start(
        "--runner=SparkRunner", "--job_server_jvm_properties=-Xmx480m", "--workers", "1",
        "--output", str(tmp_path / "out"), "--sources", "c4",
        "--set", f"sources.c4.input=['{tmp_path}/c4/*.jsonl']",
        "--set", f"sources.c4.steps={json.dumps([{'deduplicate_near': step}])}",
    )  # fmt: skip
    try:
        printed, _ = process.communicate(timeout=240)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 1
    assert b"Java's memory ran out" in printed.splitlines()[-1]


@pytest.mark.slow
def test_a_task_may_put_out_more_than_beams_queue_holds(job_server, tmp_path):
    process = start(str(tmp_path / "workers.log"), module="tests.support.large_output")
    try:
        printed, _ = process.communicate(timeout=240)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, printed.decode()[-3000:]
    assert b"done" in printed.splitlines()


JVM = "--job_server_jvm_properties="
END = "-XX:+ExitOnOutOfMemoryError"
EXECUTORS = "-Dspark.executor.extraJavaOptions="
CLUSTER = [
    JAR, "--spark_master_url=spark://10.0.0.1:7077", "--environment_type=EXTERNAL",
    "--environment_config=localhost:50000",
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ([], {END, EXECUTORS + END}),
        ([JVM + "-Xmx2g", JVM + "-Dspark.executor.memory=2g"], {END, EXECUTORS + END}),
        ([JVM + "-XX:-ExitOnOutOfMemoryError"], {EXECUTORS + END}),
        ([JVM + EXECUTORS + "-Xss4m"], {END}),
    ],
)
def test_java_is_told_to_end_without_memory(monkeypatch, given, added):
    monkeypatch.setattr(spark, "_check_java", lambda launcher: None)
    options = spark.spark_options_by_work([*CLUSTER, *given], None, "unused.log")(work(0, 0))
    properties = [one.removeprefix(JVM) for one in options if one.startswith(JVM)]
    assert len(properties) == len(given) + len(added) and added <= set(properties)


@pytest.mark.parametrize(
    ("plan", "more", "local", "cluster"),
    [
        (work(1, 7), [], None, None),  # Spark uses one task a core
        (work(3, 7), [], "3", None),
        (work(5, 7), [], "5", "7"),
        (work(300, 40), [], "300", "300"),
        (work(300, 90_000), [], "300", "10000"),
        (work(20_000, 90_000), [], "10000", "10000"),
        (work(300, 7), [JVM + "-Dspark.default.parallelism=11"], "11", "11"),
        (work(300, 7), ["--job_server_jvm_property=-Dspark.default.parallelism=11"], None, None),
    ],
)
def test_spark_is_asked_for_the_tasks_that_the_plan_needs(
    tmp_path, monkeypatch, plan, more, local, cluster
):
    monkeypatch.setattr(spark, "_check_java", lambda launcher: None)
    parallelism = JVM + "-Dspark.default.parallelism="
    here = [JAR, "--spark_master_url=local[2]", "--environment_type=LOOPBACK"]
    server = ["--job_endpoint=localhost:8099", "--environment_type=EXTERNAL"]
    server_has = more[0].removeprefix(parallelism) if more and parallelism in more[0] else None
    cases = [([JAR], 2, local), (here, 4, local), (CLUSTER, 4, cluster), (server, 4, server_has)]
    for arguments, workers, expected in cases:
        made = spark.spark_options_by_work([*arguments, *more], workers, str(tmp_path / "log"))(
            plan
        )
        given = [one.removeprefix(parallelism) for one in made if one.startswith(parallelism)]
        assert given == ([] if expected is None else [expected])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--spark_job_server_jar=nowhere.jar"], "there is no file nowhere.jar"),
        (["--job_server_java_launcher=no-java"], "needs Java"),
        (["--spark_master_url=spark://10.0.0.1:7077", JAR], "worker-pool --port"),
        (["--spark_master_url=k8s://https://10.0.0.1", JAR], "--environment_type=EXTERNAL"),
        (["--job_endpoint=localhost:8099"], "beside the executors"),
    ],
)
def test_what_is_missing_is_told_before_any_work(tmp_path, capsys, arguments, expected):
    if shutil.which("java") is None and "needs Java" not in expected:
        pytest.skip("without Java, that is told first")
    output = tmp_path / "out"
    command = ["--runner=SparkRunner", "--output", str(output), *ARGUMENTS, *arguments]
    assert beam_runner.main(command) == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1
    assert not output.exists()


def test_a_job_server_that_was_not_built_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(spark, "JOB_SERVER_JAR", tmp_path / "spark-job-server.jar")
    monkeypatch.setattr(spark, "_check_java", lambda launcher: None)
    output = tmp_path / "out"
    assert beam_runner.main(["--runner=SparkRunner", "--output", str(output), *ARGUMENTS]) == 2
    assert "make spark-job-server" in capsys.readouterr().err and not output.exists()


@pytest.mark.slow
@pytest.mark.parametrize("master", [[], ["--spark_master_url=local[2,3]"]])
def test_a_dry_run_starts_and_writes_nothing(tmp_path, monkeypatch, master):
    monkeypatch.setattr(spark, "_check_java", lambda launcher: None)
    monkeypatch.setattr(spark, "WorkerPool", None)
    output = tmp_path / "out"
    command = ["--runner=SparkRunner", "--dry_run", "--output", str(output), JAR, *master]
    assert beam_runner.main([*command, *ARGUMENTS]) == 0
    assert not output.exists()

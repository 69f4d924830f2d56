"""Runs on Dataflow, which Beam's own code translates and submits to a stand-in of the service.

Buckets are read by Beam's own file system, with a folder in their place.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache_beam.portability.api import beam_runner_api_pb2

from pipeline.files.local_copy import FOLDER
from pipeline.inspection.manifest import load_manifest
from pipeline.output.layout import read_plan
from pipeline.passes.process import read_split
from pipeline.recipe.recipe import recipe_from_mapping
from tests.support.runs import ROOT, digests, run_demo, skip

pytestmark = pytest.mark.slow

ENVIRONMENT = ROOT / "build" / "envs" / "dataflow"
IMAGE = "europe-docker.pkg.dev/project/images/llama-corpus:1"
SOURCES = ["--sources", "commoncrawl,books,c4,stackexchange"]  # lines, near, documents, joined
ON_BUCKET = ["--set", "data=gs://bucket/data", "--set", "models=gs://bucket/models"]
DATAFLOW = [
    "--runner=DataflowRunner", "--project=project", "--region=europe-west1",
    "--temp_location=gs://bucket/temporary", f"--sdk_container_image={IMAGE}", "--no_auth",
    "--sdk_location=container", "--machine_type=n2d-standard-4", "--disk_size_gb=50",
]  # fmt: skip
MAX_GRAPH_BYTES = 100_000
N_JOBS = 3  # records joined, first pass, second pass


@pytest.fixture(scope="module")
def python() -> Path:
    """The Python that has Google's packages."""
    if not (ENVIRONMENT / ".installed").exists():
        skip("needs the environment that 'make build/envs/dataflow/.installed' makes")
    return ENVIRONMENT / "bin" / "python"


def bucket(folder: Path) -> Path:
    """Make a bucket of the demo's data and models."""
    shutil.copytree(ROOT / "samples" / "data", folder / "bucket" / "data")
    shutil.copytree(ROOT / "samples" / "models", folder / "bucket" / "models")
    return folder


def command(python: Path, module: str, folder: Path, *options: str) -> None:
    """Run the main command over a folder's buckets, with temporary files in the folder, too."""
    (folder / "tmp").mkdir(exist_ok=True)
    done = subprocess.run(
        [python, "-m", f"tests.dataflow.{module}", folder, *ON_BUCKET, *options],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(folder / "tmp")}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Path:
    """A run over local files."""
    output = tmp_path_factory.mktemp("local")
    assert run_demo(output, *SOURCES) == 0
    return output


@pytest.fixture(scope="module")
def submitted(python, tmp_path_factory) -> Path:
    """The folder of a complete run on Dataflow."""
    folder = bucket(tmp_path_factory.mktemp("dataflow"))
    command(python, "service", folder, "--output", "gs://bucket/out", *SOURCES, *DATAFLOW)
    return folder


def graphs(folder: Path) -> list[beam_runner_api_pb2.Pipeline]:
    return [
        beam_runner_api_pb2.Pipeline.FromString(path.read_bytes())
        for path in sorted((folder / "jobs").glob("*.pb"))
    ]


def lines_read(output: Path) -> Iterator[tuple[str, str]]:
    """Yield the longer lines of all documents that a local run read, with their source."""
    recipe = recipe_from_mapping(json.loads((output / "run.json").read_text())["recipe"])
    for split in read_plan(str(output)):
        if split.holds == "documents":
            source = recipe.source(split.source)
            for batch in read_split(split, source, recipe.reading, str(output)):
                for text in batch["text"].to_pylist():
                    lines = map(str.strip, (text or "").split("\n"))
                    yield from ((source.name, line) for line in lines if len(line) >= 20)


def results(output: Path) -> dict[str, str]:
    """Return the digests of the files that a run makes of its documents.

    Other files name the paths of its input, and so differ.
    """
    made = ("decisions/", "joined/", "ledger/", "ledger.parquet", "shards/")
    return {name: digest for name, digest in digests(output).items() if name.startswith(made)}


@pytest.mark.slow
def test_the_submitted_graphs_write_the_bytes_of_a_local_run(submitted, local):
    assert results(submitted / "bucket" / "out") == results(local)
    there, here = (load_manifest(str(p)) for p in (submitted / "bucket" / "out", local))
    assert there["sources"] == here["sources"]


@pytest.mark.slow
def test_a_run_is_one_job_a_pass_on_the_machines_that_were_given(submitted):
    jobs = [json.loads(path.read_text()) for path in sorted((submitted / "jobs").glob("*.json"))]
    assert len(jobs) == N_JOBS and {job["type"] for job in jobs} == {"JOB_TYPE_BATCH"}
    for job in jobs:
        (pool,) = job["environment"]["workerPools"]
        (container,) = pool["sdkHarnessContainerImages"]
        assert container["containerImage"] == IMAGE
        assert (pool["machineType"], pool["diskSizeGb"]) == ("n2d-standard-4", 50)
    labels = [{t.unique_name for t in g.components.transforms.values()} for g in graphs(submitted)]
    joined, first, second = labels
    assert "JoinRecords/PartitionRecords" in joined
    assert {"FingerprintSplits/Decide", "FindNearDuplicates/Compare"} <= first
    assert "BuildShards/BuildShard" in second


@pytest.mark.slow
def test_no_text_is_shuffled(submitted, local):
    shuffled = b"".join(p.read_bytes() for p in sorted((submitted / "jobs").glob("*.shuffled")))
    assert b"gs://bucket/data/commoncrawl" in shuffled, "the splits are; else nothing was watched"
    n_lines = dict.fromkeys(SOURCES[1].split(","), 0)
    for source, line in lines_read(local):
        n_lines[source] += 1
        assert line.encode() not in shuffled
    assert min(n_lines.values()) > 50, n_lines


@pytest.mark.slow
def test_models_are_not_in_the_graph(submitted):
    paths = sorted((submitted / "jobs").glob("*.pb"))
    assert len(paths) == N_JOBS
    for path in paths:
        graph = path.read_bytes()
        assert len(graph) < MAX_GRAPH_BYTES
        for model in (ROOT / "samples" / "models").iterdir():
            data = model.read_bytes()
            middle = data[len(data) // 2 : len(data) // 2 + 64]
            assert middle not in graph, f"{model.name} is in {path.name}"


@pytest.mark.slow
def test_models_are_copied_to_a_machine_once(submitted):
    copies = [p for p in (submitted / "tmp" / FOLDER).rglob("*") if p.is_file()]
    notes = (".lock", ".whole.json")  # the latter says which content the copy beside it has
    names = sorted(path.name for path in copies if path.name not in notes)
    assert names == ["en.arpa.bin", "en.sp.model", "lid.176.ftz", "tokenizer.model"]


@pytest.mark.slow
def test_a_job_does_not_grow_with_the_number_of_files(submitted, python, tmp_path):
    folder = bucket(tmp_path)
    c4 = folder / "bucket" / "data" / "c4"
    (c4 / "one.json.gz").write_bytes(gzip.compress(b'{"text": "one document"}\n'))
    for i in range(1_997):
        os.link(c4 / "one.json.gz", c4 / f"c4-train.{i:05d}-of-01997.json.gz")
    command(python, "service", folder, "--output", "gs://bucket/out", *SOURCES, *DATAFLOW)
    few, many = ([len(g.SerializeToString()) for g in graphs(f)] for f in (submitted, folder))
    # The times of models stand in every part of a job, with more digits or fewer.
    assert many == pytest.approx(few, abs=256)


@pytest.mark.slow
def test_start_over_in_a_bucket_leaves_nothing_of_the_run_before(python, local, tmp_path):
    folder = bucket(tmp_path)
    options = ["--output", "gs://bucket/out", "--workers", "1", "--sources", "commoncrawl"]
    step = "sources.commoncrawl.steps.drop_short"
    command(python, "bucket", folder, *options, "--set", f"{step}.min_chars=1000")
    command(python, "bucket", folder, *options, "--start_over")
    expected = {n: d for n, d in results(local).items() if "/commoncrawl/" in n}
    found = results(folder / "bucket" / "out")
    assert {n: d for n, d in found.items() if n != "ledger.parquet"} == expected

"""Input and output on Hadoop's file system: a real name node and data node, on this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.files.storage import BEAM_OPTIONS
from tests.support.runs import ROOT, digests, run_demo, skip

pytestmark = pytest.mark.slow

ENVIRONMENT = ROOT / "build" / "envs" / "dataflow"
HADOOP = ROOT / "build" / "hadoop"
C4 = ["--sources", "c4", "--workers", "1", "--no_report"]
USER = "corpus"

COPY = """
import pathlib, sys, hdfs
client = hdfs.InsecureClient(f"http://127.0.0.1:{sys.argv[1]}", user="corpus")
if len(sys.argv) == 2:
    for path in pathlib.Path("samples/data/c4").iterdir():
        client.write(f"/data/c4/{path.name}", data=path.read_bytes())
else:
    client.download("/out", sys.argv[2])
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The port of a file system that has the demo's C4."""
    if not (shutil.which("java") and (HADOOP / ".installed").exists()):
        skip("needs Java and what 'make build/hadoop/.installed' fetches")
    if not (ENVIRONMENT / ".installed").exists():
        skip("needs the environment that 'make build/envs/dataflow/.installed' makes")
    folder = tmp_path_factory.mktemp("hadoop")
    process = subprocess.Popen(
        ["java", "--add-opens=java.base/java.lang=ALL-UNNAMED", f"-DHADOOP_USER_NAME={USER}",
         "-cp", f"{HADOOP}/*", ROOT / "tests" / "dataflow" / "hadoop" / "MiniCluster.java", folder],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        cwd=folder,
    )  # fmt: skip
    assert process.stdin and process.stdout
    try:
        told = next((line for line in process.stdout if line.startswith("port ")), None)
        assert told, "the file system did not start"
        at = told.split()[1]
        copied = asked("python", "-c", COPY, at)
        assert copied.returncode == 0, copied.stderr[-2000:]
        yield at
    finally:
        process.stdin.close()
        process.wait(timeout=60)


def asked(*command: str | Path, beam: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of the environment that has packages for remote files."""
    return subprocess.run(
        [ENVIRONMENT / "bin" / command[0], *command[1:]],
        cwd=ROOT, env={**os.environ, BEAM_OPTIONS: beam}, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip


def options(port: str) -> list[str]:
    return ["--hdfs_host", "127.0.0.1", "--hdfs_port", port, "--hdfs_user", USER]


def test_input_and_output_on_hdfs_give_the_bytes_of_a_local_run(port: str, tmp_path: Path) -> None:
    run = ["python", "beam_runner.py", *C4, "--set", "data=hdfs://data", "--output", "hdfs://out",
           *options(port)]  # fmt: skip
    ran = asked(*run)
    assert ran.returncode == 0, ran.stderr[-2000:]
    again = asked(*run)
    assert again.returncode == 0 and "nothing to do" in again.stdout + again.stderr
    checked = asked("corpus", "verify", "hdfs://out", beam=shlex.join(options(port)))
    assert "everything is as the manifest says" in checked.stdout, checked.stderr[-2000:]
    copied = asked("python", "-c", COPY, port, str(tmp_path))
    assert copied.returncode == 0, copied.stderr[-2000:]
    assert run_demo(tmp_path / "local", *C4) == 0
    there, here = (
        {name: digest for name, digest in digests(folder).items() if name.startswith("shards/")}
        for folder in (tmp_path / "out", tmp_path / "local")
    )
    assert there == here and len(here) > 3


def test_a_file_system_that_does_not_answer_is_told_in_a_line(port, tmp_path) -> None:
    ended = asked("python", "beam_runner.py", *C4, "--output", str(tmp_path / "out"),
                  "--set", "data=hdfs://data", *options("9"))  # fmt: skip
    assert ended.returncode == 2 and "port=9" in ended.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()

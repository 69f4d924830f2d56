"""Input and output on S3: a real server of its protocol, on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.runs import ROOT, digests, run_demo, skip

pytestmark = pytest.mark.slow

ENVIRONMENT = ROOT / "build" / "envs" / "dataflow"
C4 = ["--sources", "c4", "--workers", "1", "--no_report"]
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}

UPLOAD = """
import pathlib, sys, boto3
client = boto3.client("s3")
client.create_bucket(Bucket="corpus")
for path in pathlib.Path("samples/data/c4").iterdir():
    client.upload_file(str(path), "corpus", f"data/c4/{path.name}")
"""

DOWNLOAD = """
import pathlib, sys, boto3
client = boto3.client("s3")
for one in client.list_objects_v2(Bucket="corpus", Prefix="out/")["Contents"]:
    path = pathlib.Path(sys.argv[1], one["Key"])
    path.parent.mkdir(parents=True, exist_ok=True)
    client.download_file("corpus", one["Key"], str(path))
"""


def asked(server: dict[str, str], *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the environment that has packages for S3."""
    return subprocess.run(
        [ENVIRONMENT / "bin" / command[0], *command[1:]],
        cwd=ROOT, env={**os.environ, **server}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    """The settings by which a server is reached, which has the demo's C4."""
    if not (ENVIRONMENT / ".installed").exists():
        skip("needs the environment that 'make build/envs/dataflow/.installed' makes")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    command = [ENVIRONMENT / "bin" / "python", "-m", "moto.server", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with closing(socket.socket()) as tried:
                if tried.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        assert asked(settings, "python", "-c", UPLOAD).returncode == 0
        yield settings
    finally:
        process.terminate()
        process.wait()


def test_input_and_output_on_s3_give_the_bytes_of_a_local_run(server, tmp_path) -> None:
    ran = asked(server, "python", "beam_runner.py", *C4, "--set", "data=s3://corpus/data",
                "--output", "s3://corpus/out")  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    checked = asked(server, "corpus", "verify", "s3://corpus/out")
    assert "everything is as the manifest says" in checked.stdout, checked.stderr[-2000:]
    assert asked(server, "python", "-c", DOWNLOAD, tmp_path).returncode == 0
    assert run_demo(tmp_path / "local", *C4) == 0
    there, here = (
        {name: digest for name, digest in digests(folder).items() if name.startswith("shards/")}
        for folder in (tmp_path / "out", tmp_path / "local")
    )
    assert there == here and len(here) > 3


@pytest.mark.parametrize(
    ("settings", "arguments", "expected"),
    [
        ({}, ["--set", "data=s3://nothing/data"], "s3://nothing: there is no such bucket"),
        ({}, ["--set", "data=s3://corpus/date"], "no file matches"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, ["--set", "data=s3://corpus/data"],
         "Could not connect to the endpoint"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
         ["--set", "data=s3://corpus/data"], "there are no keys: set AWS_ACCESS_KEY_ID"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_once_in_a_line(server, tmp_path, settings, arguments, expected):
    options = [*C4, *arguments, "--output", str(tmp_path / "out")]
    away = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(tmp_path)}
    ended = asked({**server, **away, **settings}, "python", "beam_runner.py", *options)
    assert ended.returncode == 2 and expected in ended.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()

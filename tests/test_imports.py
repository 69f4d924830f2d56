"""What the main command imports: nothing that its answer does not need."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.runs import ROOT

pytestmark = pytest.mark.slow

NO_RUN = {"apache_beam", "datasets", "fasttext", "grpc", "pandas", "plotly", "pymongo"}


@pytest.mark.parametrize(
    ("arguments", "status", "spared"),
    [
        (["--help"], 0, NO_RUN | {"numba", "numpy", "psutil", "pyarrow", "yaml"}),
        (["--set", "shards.target_shard_token=1"], 2, NO_RUN | {"numba"}),
        (["--dry_run"], 0, NO_RUN - {"pandas"}),  # pyarrow takes it in with the first array
    ],
)
def test_an_answer_without_a_run_imports_little(tmp_path, arguments, status, spared):
    command = [sys.executable, "-X", "importtime", "beam_runner.py", "--output", str(tmp_path)]
    ended = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == status, ended.stderr[-500:]
    imported = set(re.findall(r"^import time:.*\| +(\w+)", ended.stderr, re.MULTILINE))
    assert "argparse" in imported
    assert imported & spared == set()

"""Reads that fail. A passing error changes nothing, and a lasting error stops the run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.faults.runs import Run, errors
from tests.support.runs import digests

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    """The preloaded library whose ``read`` fails now and then."""
    path = tmp_path_factory.mktemp("library") / "failing_reads.so"
    source = Path(__file__).with_name("failing_reads.cpp")
    compiler = os.environ.get("CXX", "c++")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", path, source, "-ldl"], check=True)
    return path


def _read_badly(
    run: Run, library: Path, *, seed: int, per_mille: int, in_a_row: int
) -> tuple[int, str, int]:
    """Run the command; return its exit status, its output, and the number of failed reads."""
    log = run.output.with_suffix(".failures")
    log.unlink(missing_ok=True)
    process = run.start(
        LD_PRELOAD=str(library), FAILING_READS_FOLDER=str(run.data), FAILING_READS_LOG=str(log),
        FAILING_READS_SEED=str(seed), FAILING_READS_PER_MILLE=str(per_mille),
        FAILING_READS_IN_A_ROW=str(in_a_row),
    )  # fmt: skip
    printed, _ = process.communicate(timeout=300)
    return process.returncode, printed, log.stat().st_size if log.exists() else 0


@pytest.mark.slow
def test_reads_that_fail_now_and_then_change_nothing(whole_run, expected, library, tmp_path):
    run = whole_run._replace(output=tmp_path / "out")
    status, printed, failures = _read_badly(run, library, seed=1, per_mille=150, in_a_row=1)
    assert status == 0, printed
    assert failures > 2
    assert digests(run.output) == expected


@pytest.mark.slow
def test_an_input_that_cannot_be_read_stops_the_run_and_is_not_damaged(
    whole_run, expected, library, tmp_path
):
    run = whole_run._replace(output=tmp_path / "out")
    for seed in range(2):
        status, printed, _ = _read_badly(run, library, seed=seed, per_mille=40, in_a_row=9)
        (error,) = errors(printed)
        assert status == 1 and "the same command goes on from here" in error
        assert "Input/output error" in error and str(run.data) in error
        assert not (run.output / "manifest.json").exists()
    process = run.start()
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    assert digests(run.output) == expected
    shutil.rmtree(run.output)

"""A full disk. The run stops with one line, and continues when there is room."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.runs import Run, errors
from tests.support.runs import digests, skip

pytestmark = pytest.mark.slow

SIZES = ("200k", "900k", "64m")
"""Sizes of the disk, one after the other. The last one has room for all files."""


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A very small disk for the test alone."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZES[0]}", "tmpfs", folder], capture_output=True
    )
    if done.returncode:
        skip(f"needs to mount a disk: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
def test_a_full_disk_stops_the_run_in_a_line_and_room_lets_it_go_on(whole_run, expected, disk):
    run: Run = whole_run._replace(output=disk / "out")
    stops = 0
    for size in SIZES:
        subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)
        process = run.start()
        printed, _ = process.communicate(timeout=300)
        if process.returncode == 0:
            break
        stops += 1
        (error,) = errors(printed)
        assert "No space left on device" in error and str(run.output) in error, printed
        assert "the same command goes on from here" in error and "Traceback" not in printed
        for name, sha256 in digests(run.output).items():
            if name not in (".lock", "error.txt") and not name.startswith("work/"):
                assert sha256 == expected[name], f"{name} is not whole"
        assert not list(run.output.glob("work/tmp/*"))
    assert stops > 1
    assert digests(run.output) == expected

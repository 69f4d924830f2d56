"""A process that hangs: it ends, and says where it stood."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.runs import ROOT
from training.stepping.hangs import ended_if_hung

HANGING = """
import sys, threading, time
from pathlib import Path
from training.stepping.hangs import ended_if_hung

def reads_from_a_dead_disk():
    threading.Event().wait()

with ended_if_hung(1, Path(sys.argv[1]), 7) as gets_on:
    for _ in range(4):
        time.sleep(0.5)
        gets_on()
    print("four steps", flush=True)
    reads_from_a_dead_disk()
"""


def test_a_process_that_hangs_ends_and_says_where_it_stood(tmp_path: Path) -> None:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "rank-7.txt").write_text("of an earlier run\n")
    ended = subprocess.run(
        [sys.executable, "-c", HANGING, str(tmp_path)], cwd=ROOT, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stdout == "four steps\n"
    written = (tmp_path / "stacks" / "rank-7.txt").read_text()
    assert written.startswith("of an earlier run\n")
    assert written.count("in reads_from_a_dead_disk") == 1


def test_a_process_that_gets_on_leaves_nothing(tmp_path: Path) -> None:
    with ended_if_hung(100, tmp_path, 0) as gets_on:
        gets_on()
    assert not list((tmp_path / "stacks").iterdir())
    with ended_if_hung(0, tmp_path / "never", 0) as gets_on:
        gets_on()
    assert not (tmp_path / "never").exists()

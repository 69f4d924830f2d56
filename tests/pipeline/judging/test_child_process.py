"""A program that works for another one ends with it, whatever ends that."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline.judging.child_process import run_to_end
from tests.support.runs import ROOT

CHILD = """
import signal, subprocess, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
def end(number, frame):
    (folder / "checkpoint").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
(folder / "started").touch()
time.sleep(600)
"""

PARENT = """
import sys
from pathlib import Path
from pipeline.judging.child_process import run_to_end
folder = Path(sys.argv[1])
run_to_end([sys.executable, str(folder / "child.py"), str(folder)], folder / "log", {})
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_program_and_what_it_started_end_with_the_one_that_waits(tmp_path: Path, number):
    (tmp_path / "child.py").write_text(CHILD)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists():
        assert parent.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    started = psutil.Process(parent.pid).children(recursive=True)
    assert len(started) == 3  # the guard, the program, and its helper
    parent.send_signal(number)  # to it alone
    parent.wait(60)
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive
    assert (tmp_path / "checkpoint").exists() == (number == signal.SIGINT)


def test_the_exit_status_and_what_is_printed_are_those_of_the_program(tmp_path: Path):
    code = "import os, sys; print(os.environ['NAME']); sys.exit(3)"
    log = tmp_path / "log"
    assert run_to_end([sys.executable, "-c", code], log, {"NAME": "value"}) == 3
    assert log.read_text() == "value\n"

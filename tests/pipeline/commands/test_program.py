"""Programs that are not asked to end: closed pipes, Ctrl-C, terminals without colours."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.changing import arguments, write_lines
from tests.support.runs import ROOT, digests, run_demo, start

pytestmark = pytest.mark.slow

CORPUS = [sys.executable, "-m", "pipeline.commands.main"]


def closed_after(lines: int, *given: str) -> tuple[int, bytes]:
    """Run ``corpus`` into a pipe that is closed after some lines; return status and errors."""
    process = subprocess.Popen(
        [*CORPUS, *given], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()
    process.stdout.close()
    _, said = process.communicate(timeout=60)
    return process.returncode, said


def test_a_closed_pipe_changes_no_status(demo_run, tmp_path):
    output, other = str(demo_run), str(tmp_path / "other")
    assert run_demo(Path(other), "--sources", "c4", "--set", "tokenizer.eos=false") == 0
    for given in (["ls", output], ["ls", output, "--json"], ["stats", output], ["--help"],
                  ["search", output, "the", "--limit", "0"], ["diff", output, output]):  # fmt: skip
        for lines in (0, 1):
            assert closed_after(lines, *given) == (0, b""), given
    for more in ([], ["--ids"], ["--json"]):
        assert closed_after(0, "diff", output, other, *more) == (1, b""), more
    assert closed_after(0, "ls", str(tmp_path / "nothing"))[0] == 2


def on_a_terminal(*given: str, **environment: str) -> str:
    """Run ``corpus`` on a terminal; return what it shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*CORPUS, *given], cwd=ROOT, stdout=theirs, stderr=theirs, stdin=theirs,
        env={**os.environ, "TERM": "xterm-256color", "NO_COLOR": "", **environment},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 1 << 16):
            shown += data
    except OSError:  # of a terminal whose program has ended
        pass
    os.close(ours)
    assert process.wait(60) == 0
    return shown.decode()


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_what_colours_say_is_said_without_them(demo_run, environment):
    tokens = ["tokens", str(demo_run), "c4/train-00000", "0"]
    search = ["search", str(demo_run), "the", "--limit", "1"]
    with_colours = on_a_terminal(*tokens)
    assert "\x1b[" in with_colours and "|" not in with_colours.split("\n")[2]
    without = on_a_terminal(*tokens, **environment)
    assert without.count("|") > 20
    assert "«" in on_a_terminal(*search, **environment) and "«" not in on_a_terminal(*search)


def test_a_report_that_was_not_made_is_not_listed(tmp_path, capsys):
    assert run_demo(tmp_path / "out", "--sources", "c4", "--no_report") == 0
    said = capsys.readouterr().out
    assert "report.html" not in said and f"report {tmp_path}/out" in said
    assert run_demo(tmp_path / "out", "--sources", "c4") == 0
    assert f"{tmp_path}/out/report.html" in capsys.readouterr().out


def test_a_run_that_keeps_nothing_of_a_source_has_a_status_of_its_own(tmp_path, capsys):
    given = ["--sources", "c4,books", "--set", "sources.c4.steps=[drop_short: {min_chars: 999999}]"]
    for _ in range(2):
        assert run_demo(tmp_path / "out", *given, "--no_report") == 3
        said = capsys.readouterr().out
        assert re.search(r"warning: c4: none of its \d+ records is a document that was kept", said)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_stops_a_run_with_a_line_and_it_goes_on(tmp_path, workers):
    data, output = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    for i in range(6):
        write_lines(data / f"{i}.json", [f"A page in English, of number {i}, as many are."])
    given = arguments(
        data, output, "--workers", workers, "--set", "shards.target_shard_tokens=1",
        steps="[tests.support.runs.slow: {seconds: 1}]",
    )  # fmt: skip
    process = start(*given, "--start_over")
    deadline = time.monotonic() + 120
    while not list(output.glob("ledger/**/*.json")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    others = ("warning: ", "first pass", "second pass")
    (line,) = [line for line in said.decode().splitlines() if not line.startswith(others)]
    assert line.startswith("stopped; to go on from here: python ") and "--start_over" not in line
    assert "Traceback" not in said.decode() and not (output / "error.txt").exists()
    made = digests(output / "ledger")
    assert 0 < len(made) < 6
    again = subprocess.run(
        ["sh", "-c", line.partition(": ")[2].replace("python", sys.executable, 1)],
        cwd=ROOT, capture_output=True, timeout=120,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert made.items() <= digests(output / "ledger").items()

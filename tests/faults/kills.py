"""Kill a run at random, give its command again until it is complete, compare what came out.

A seed determines runner, victim and moment. The moment is a pass and a time behind its beginning;
the pass that the run was really in when the signal was sent is told in the outcome.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import psutil

from tests.faults.runs import PASSES, Run, current_pass, errors
from tests.runs import digests


class Runner(NamedTuple):
    """A way to run, and whom a signal can hit there."""

    name: str
    workers: int
    victims: tuple[str, ...]  # the driver's process group, or one process


RUNNERS = {
    "memory": Runner("DirectRunner", 1, ("driver",)),
    "processes": Runner("DirectRunner", 2, ("group", "driver", "worker")),
    "spark": Runner("SparkRunner", 2, ("group", "driver", "worker", "JVM")),
}

_CASE = "TEST_FAULTS_CASE"  # in the environment of every process of a case
_WITHIN_SECONDS = {
    "join": 2.0,
    "first pass": 2.0,
    "near-duplicates, first shuffle": 1.0,
    "near-duplicates, second shuffle": 1.5,
    "second pass": 4.0,
    "mix": 0.3,
}
_RUN_SECONDS = 300  # however loaded the machine is; a run that hangs takes for ever
_STOP_SECONDS = 120  # from the death of a worker to the end of the command
_ORPHAN_SECONDS = 10


class Command(Protocol):
    """A command that was given: ``subprocess.Popen`` is one."""

    pid: int
    returncode: int | Any

    def poll(self) -> int | None: ...
    def kill(self) -> None: ...
    def communicate(self, *, timeout: float | None = None) -> tuple[str, Any]: ...


Start = Callable[[Run, dict[str, str]], Command]


def whole_command(run: Run, environment: dict[str, str]) -> Command:
    """Start the command as a user gives it."""
    return run.start(**environment)


class Kill(NamedTuple):
    """Whom to kill and when."""

    victim: str
    pass_name: str
    seconds: float  # behind the beginning of the pass
    which: float  # of several such processes, in [0, 1): the share of them with smaller ids


class Case(NamedTuple):
    """What a seed stands for: a run, and the kills on the way to its end."""

    seed: int
    runner: str  # of RUNNERS
    kills: tuple[Kill, ...]


class Killed(NamedTuple):
    """A kill that was done."""

    victim: str
    pass_name: str  # that the run was in
    seconds: float  # since the command was given
    error: str  # what the command said, where it was not the one killed


class Outcome(NamedTuple):
    """What became of a case; it is as it should be where ``problems`` is empty."""

    case: Case
    killed: list[Killed]
    resumed: int  # how often the command was given again
    problems: list[str]


def case_of(seed: int, runners: Sequence[str] = tuple(RUNNERS)) -> Case:
    """Draw runner, victims and moments: one to three kills, each in a later try of the run."""
    draw = random.Random(seed)
    runner = draw.choice(runners)
    passes = sorted(draw.choices(PASSES, k=draw.choice((1, 2, 3))), key=PASSES.index)
    moments = [
        (draw.choice(RUNNERS[runner].victims), name, draw.uniform(0, _WITHIN_SECONDS[name]))
        for name in passes
    ]
    return Case(seed, runner, tuple(Kill(*moment, draw.random()) for moment in moments))


def try_case(
    case: Case, run: Run, expected: dict[str, str], start: Start = whole_command
) -> Outcome:
    """Run a case in its own output folder; ``expected`` are the digests of an undisturbed run."""
    mark = uuid.uuid4().hex
    runner = RUNNERS[case.runner]
    run = run._replace(runner=runner.name, workers=runner.workers)
    killed: list[Killed] = []
    problems: list[str] = []
    commands = 0
    for kill in case.kills:
        if not is_complete(run):
            one, wrong = _killed_run(run, kill, mark, start)
            killed += one
            problems += wrong
            commands += 1
    if not is_complete(run):
        problems += _completed(run, mark, start)
        commands += 1
    problems += differences(digests(run.output), expected)
    return Outcome(case, killed, commands - 1, problems)


def is_complete(run: Run) -> bool:
    """Tell whether the command has done all that it does."""
    return (run.output / "manifest.json").exists() and not (run.output / "work").exists()


def differences(found: dict[str, str], expected: dict[str, str]) -> Iterator[str]:
    """Say, a line each, in which files a run is not like the undisturbed one."""
    for name in sorted(found.keys() | expected.keys()):
        if name not in expected:
            yield f"{name} is left over"
        elif name not in found:
            yield f"{name} is missing"
        elif found[name] != expected[name]:
            yield f"{name} differs"


def processes_of(mark: str) -> list[psutil.Process]:
    """Find the processes of a case."""
    return [process for process in psutil.process_iter() if _environment(process) == mark]


def _environment(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(_CASE)
    except psutil.Error:
        return None


def _killed_run(run: Run, kill: Kill, mark: str, start: Start) -> tuple[list[Killed], list[str]]:
    """Give the command and kill; returns what was killed, if the run got that far, and problems."""
    started, started_at = time.monotonic(), time.time()
    process = start(run, _surroundings(run, mark))
    deadline = started + _RUN_SECONDS
    behind = PASSES[PASSES.index(kill.pass_name) :]
    while process.poll() is None and not (
        _is_locked_since(run.output, started_at) and current_pass(run.output) in behind
    ):
        if time.monotonic() > deadline:
            _end(process, mark)
            return [], [f"hangs before {kill.pass_name}"]
        time.sleep(0.01)
    time.sleep(kill.seconds)
    pass_name, when = current_pass(run.output) or "end", time.monotonic() - started
    if process.poll() is not None or not _send(process, kill):
        printed, _ = process.communicate()
        return [], [] if process.returncode == 0 else [f"ended by itself: {printed[-500:]}"]
    try:
        printed, _ = process.communicate(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        _end(process, mark)
        return [], [f"hangs after the death of its {kill.victim} in {pass_name}"]
    told = errors(printed)
    problems = []
    if kill.victim in ("group", "driver"):
        told = []
    elif process.returncode and not (len(told) == 1 and "the same command goes on" in told[0]):
        problems.append(f"says of its dead {kill.victim}: {printed[-500:]}")
    problems += _orphans(mark)
    return [Killed(kill.victim, pass_name, when, "".join(told))], problems


def _is_locked_since(output: Path, started_at: float) -> bool:
    """Tell whether a command has opened the output folder, and not only one that was killed."""
    lock = output / ".lock"
    return lock.exists() and lock.stat().st_mtime > started_at - 0.02


def _send(process: Command, kill: Kill) -> bool:
    """Send SIGKILL; returns whether there was someone to get it."""
    if kill.victim == "group":
        os.killpg(process.pid, signal.SIGKILL)
        return True
    if kill.victim == "driver":
        process.kill()
        return True
    candidates = [
        child.pid
        for child in psutil.Process(process.pid).children(recursive=True)
        if _is(kill.victim, child)
    ]
    if candidates:
        os.kill(sorted(candidates)[int(kill.which * len(candidates))], signal.SIGKILL)
    return bool(candidates)


def _is(victim: str, process: psutil.Process) -> bool:
    try:
        command = " ".join(process.cmdline())
    except psutil.Error:
        return False
    if victim == "JVM":
        return process.name() == "java"
    return "apache_beam.runners.worker" in command


def _orphans(mark: str) -> list[str]:
    """Wait for the end of what a dead command has left; returns what does not end."""
    deadline = time.monotonic() + _ORPHAN_SECONDS
    while left := processes_of(mark):
        if time.monotonic() > deadline:
            names = []
            for process in left:
                names.append(f"process {process.pid} is left: {process.cmdline()[:4]}")
                process.kill()
            return names
        time.sleep(0.05)
    return []


def _completed(run: Run, mark: str, start: Start) -> list[str]:
    """Give the command undisturbed; returns problems."""
    process = start(run, _surroundings(run, mark))
    try:
        printed, _ = process.communicate(timeout=_RUN_SECONDS)
    except subprocess.TimeoutExpired:
        _end(process, mark)
        return ["hangs when it is given again"]
    if process.returncode:
        return [f"does not go on: {printed[-500:]}"]
    return _orphans(mark)


def _end(process: Command, mark: str) -> None:
    process.kill()  # a fork has the environment that its parent began with, and no mark
    for left in processes_of(mark):
        left.kill()
    process.communicate()


def _surroundings(run: Run, mark: str) -> dict[str, str]:
    """Return the environment of a case: a mark, and temporary folders that go with the case."""
    folder = run.output.with_suffix(".tmp")
    folder.mkdir(exist_ok=True)
    return {_CASE: mark, "TMPDIR": str(folder), "SPARK_LOCAL_DIRS": str(folder)}


def undisturbed(run: Run, start: Start = whole_command) -> dict[str, str]:
    """Run to the end without a fault; returns the digests of all files."""
    problems = _completed(run, uuid.uuid4().hex, start)
    assert not problems, problems
    return digests(run.output)


def remove_run(run: Run) -> None:
    """Remove what a case has written."""
    for folder in (run.output, run.output.with_suffix(".tmp")):
        shutil.rmtree(folder, ignore_errors=True)


def table_line(number: int, outcome: Outcome) -> str:
    """Return a line of the table of kills, in Markdown."""
    victims = ", ".join(one.victim for one in outcome.killed) or "-"
    moments = ", ".join(f"{one.pass_name} ({one.seconds:.1f} s)" for one in outcome.killed) or "-"
    identical = "no: " + "; ".join(outcome.problems) if outcome.problems else "yes"
    case = outcome.case
    return (
        f"| {number} | {case.seed} | {case.runner} | {victims} | {moments} "
        f"| {outcome.resumed} | {identical} |"
    )


TABLE_HEAD = (
    "| kills | seed | runner | victim | pass (since the command) | resumed | identical |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)

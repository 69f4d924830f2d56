"""Kill a run at random, give its command again until it is complete, compare what came out.

A seed determines runner, victim and moment. The moment is a pass and a time behind its beginning;
the pass that the run was really in when the signal was sent is told in the outcome.
"""

from __future__ import annotations

import functools
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
from tests.support.runs import digests
from tests.support.spark_cluster import KEEP_PYTHON, Cluster


class Runner(NamedTuple):
    """A way to run, and whom a signal can hit there."""

    name: str
    workers: int
    victims: tuple[str, ...]  # the driver's process group, or one process
    more: tuple[str, ...] = ()  # options


RUNNERS = {
    "memory": Runner("DirectRunner", 1, ("driver",)),
    "processes": Runner("DirectRunner", 2, ("group", "driver", "worker")),
    "spark": Runner("SparkRunner", 2, ("group", "driver", "worker", "JVM")),
    "cluster": Runner(
        "SparkRunner", 2, ("group", "driver", "executor", "Spark worker"), (KEEP_PYTHON,)
    ),
    "cluster-python": Runner("SparkRunner", 2, ("Python worker", "executor")),
}
CLUSTER_RUNNERS = tuple(name for name in RUNNERS if name.startswith("cluster"))

_REPLACED = ("executor", "Python worker", "Spark worker")
"""Of whom a cluster has others: the command goes on by itself, or says that it gives up."""

_CASE = "TEST_FAULTS_CASE"  # in the environment of every process of a case
_WITHIN_SECONDS = {
    "join": 2.0,
    "first pass": 2.0,
    "near-duplicates, sketches": 1.0,
    "near-duplicates, comparison": 1.5,
    "second pass": 4.0,
    "mix": 0.3,
}
_RUN_SECONDS = 300  # however loaded the machine is; a run that hangs takes for ever
_STOP_SECONDS = 120  # from the death of a worker to the end of the command
_ORPHAN_SECONDS = 10
_BUSY_SECONDS = 75  # a Python worker whose executor died before it called looks for it for 60


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
    case: Case, run: Run, expected: dict[str, str], start: Start = whole_command,
    cluster: Cluster | None = None,
) -> Outcome:  # fmt: skip
    """Run a case in its own output folder; ``expected`` are the digests of an undisturbed run.

    ``cluster`` is the one that the runners of a cluster run on.
    """
    assert (cluster is not None) == (case.runner in CLUSTER_RUNNERS)
    mark = uuid.uuid4().hex
    runner = RUNNERS[case.runner]
    run = run._replace(runner=runner.name, workers=runner.workers, more=(*run.more, *runner.more))
    if cluster is not None:
        run = run._replace(more=(*run.more, *cluster.options))
    killed: list[Killed] = []
    problems: list[str] = []
    commands = 0
    kills = list(case.kills)
    while kills and not is_complete(run):
        done, wrong = _killed_run(run, kills, mark, start, cluster)
        killed += done
        problems += wrong
        commands += 1
        kills = kills[max(len(done), 1) :]
    if not is_complete(run):
        problems += _completed(run, mark, start)
        commands += 1
    if cluster is not None:
        problems += _busy(cluster)
    problems += differences(digests(run.output), expected)
    return Outcome(case, killed, commands - 1, problems)


def is_complete(run: Run) -> bool:
    """Tell whether the command has done all that it does."""
    left = any((run.output / name).exists() for name in ("work", ".lock"))
    return (run.output / "manifest.json").exists() and not left


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


def _killed_run(
    run: Run, kills: Sequence[Kill], mark: str, start: Start, cluster: Cluster | None
) -> tuple[list[Killed], list[str]]:
    """Give the command and kill, as long as it goes on; returns what was killed, and problems."""
    started, started_at = time.monotonic(), time.time()
    process = start(run, _surroundings(run, mark))
    killed: list[Killed] = []
    for kill in kills:
        try:
            victim = _victim(kill, run, process, started_at, cluster)
        except TimeoutError:
            _end(process, mark)
            return killed, [f"hangs before {kill.pass_name}"]
        if victim is None:
            break
        moment = current_pass(run.output) or "end", time.monotonic() - started
        victim()
        killed.append(Killed(kill.victim, *moment, ""))
        if kill.victim not in _REPLACED:
            break
    goes_on = not killed or killed[-1].victim in _REPLACED
    try:
        printed, _ = process.communicate(timeout=_RUN_SECONDS if goes_on else _STOP_SECONDS)
    except subprocess.TimeoutExpired:
        _end(process, mark)
        return killed, [f"hangs after {_told(killed)}"]
    problems = _orphans(mark)
    if killed and killed[-1].victim in ("group", "driver"):
        return killed, problems
    if process.returncode:
        said = errors(printed)
        if not (killed and len(said) == 1 and "the same command goes on" in said[0]):
            problems.append(f"says after {_told(killed)}: {printed[-500:]}")
        else:
            killed[-1] = killed[-1]._replace(error=said[0])
    return killed, problems


def _told(killed: list[Killed]) -> str:
    return (
        ", ".join(f"the death of its {one.victim} in {one.pass_name}" for one in killed) or "none"
    )


def _victim(
    kill: Kill, run: Run, process: Command, started_at: float, cluster: Cluster | None
) -> Callable[[], None] | None:
    """Wait for the moment of a kill; returns what does it, or None where the command has ended.

    Raises TimeoutError where neither comes.
    """
    behind = PASSES[PASSES.index(kill.pass_name) :]
    pause = kill.seconds
    deadline = time.monotonic() + _RUN_SECONDS
    while process.poll() is None:
        if time.monotonic() > deadline:
            raise TimeoutError
        if _is_locked_since(run.output, started_at) and current_pass(run.output) in behind:
            time.sleep(pause)
            pause = 0.0
            candidates = _candidates(kill.victim, process, cluster)
            if candidates:
                return candidates[int(kill.which * len(candidates))]
        time.sleep(0.01)
    return None


def _is_locked_since(output: Path, started_at: float) -> bool:
    """Tell whether a command has opened the output folder, and not only one that was killed."""
    lock = output / ".lock"
    return lock.exists() and lock.stat().st_mtime > started_at - 0.02


def _candidates(victim: str, process: Command, cluster: Cluster | None) -> list[Callable[[], None]]:
    """Return, for each that a kill can hit now, what sends SIGKILL."""
    if victim == "group":
        return [lambda: os.killpg(process.pid, signal.SIGKILL)]
    if victim == "driver":
        return [process.kill]
    if victim == "Spark worker":
        assert cluster is not None
        return [functools.partial(cluster.kill_worker, n) for n in range(len(cluster.workers))]
    if cluster is not None:
        found = cluster.executors() if victim == "executor" else cluster.python_workers()
    else:
        children = psutil.Process(process.pid).children(recursive=True)
        found = [child for child in children if _is(victim, child)]
    return [one.kill for one in sorted(found, key=lambda one: one.pid)]


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


def _busy(cluster: Cluster) -> list[str]:
    """Wait for the end of all tasks on a cluster; returns what does not end."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while left := [*cluster.executors(), *cluster.python_workers()]:
        if time.monotonic() > deadline:
            return [f"process {one.pid} of the cluster goes on" for one in left]
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

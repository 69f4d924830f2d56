"""Kills of a run at random. Its command is given again until the run is complete.

A seed determines runner, victim and moment. The moment is a pass, and a time after its beginning.
The outcome names the pass that the run was really in when the signal was sent.
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
    """A runner with its options, and the victims that a signal can hit there."""

    name: str
    workers: int
    victims: tuple[str, ...]  # "group" is the driver's process group; others are one process
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
"""Victims that a cluster can replace. The command continues by itself, or says that it gives up."""

_CASE = "TEST_FAULTS_CASE"  # environment variable that marks every process of a case
_WITHIN_SECONDS = {
    "join": 2.0,
    "first pass": 2.0,
    "near-duplicates, sketches": 1.0,
    "near-duplicates, comparison": 1.5,
    "second pass": 4.0,
    "mix": 0.3,
}
_RUN_SECONDS = 300  # longest run on a loaded machine; a longer one hangs
_STOP_SECONDS = 120  # longest time from the death of a worker to the end of the command
_ORPHAN_SECONDS = 10
_BUSY_SECONDS = 75  # a Python worker looks for a dead executor for 60 seconds


class Command(Protocol):
    """A running command, such as ``subprocess.Popen``."""

    pid: int
    returncode: int | Any

    def poll(self) -> int | None: ...
    def kill(self) -> None: ...
    def communicate(self, *, timeout: float | None = None) -> tuple[str, Any]: ...


Start = Callable[[Run, dict[str, str]], Command]


def whole_command(run: Run, environment: dict[str, str]) -> Command:
    """Start the command as a user does."""
    return run.start(**environment)


class Kill(NamedTuple):
    """A planned kill: its victim and its moment."""

    victim: str
    pass_name: str
    seconds: float  # after the beginning of the pass
    which: float  # chooses among several such processes, in [0, 1): the share with smaller ids


class Case(NamedTuple):
    """A case, which a seed determines: a runner, and the kills before the end of the run."""

    seed: int
    runner: str  # a key of RUNNERS
    kills: tuple[Kill, ...]


class Killed(NamedTuple):
    """A kill that happened."""

    victim: str
    pass_name: str  # the pass that the run was in
    seconds: float  # since the start of the command
    error: str  # the command's message, if the command itself was not killed


class Outcome(NamedTuple):
    """The outcome of a case. It is right if ``problems`` is empty."""

    case: Case
    killed: list[Killed]
    resumed: int  # number of times that the command was given again
    problems: list[str]


def case_of(seed: int, runners: Sequence[str] = tuple(RUNNERS)) -> Case:
    """Draw a runner and one to three kills. Each kill hits a later attempt of the run."""
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
    """Run a case in its own output folder. ``expected`` are the digests of an undisturbed run.

    ``cluster`` is used by the runners that need one.
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
    """Tell whether the command has done all its work, of which the report is the last."""
    left = any((run.output / name).exists() for name in ("work", ".lock"))
    written = all((run.output / name).exists() for name in ("manifest.json", "report.html"))
    return written and not left


def differences(written: dict[str, str], expected: dict[str, str]) -> Iterator[str]:
    """Yield a line for every file in which a run differs from the undisturbed one."""
    for name in sorted(written.keys() | expected.keys()):
        if name not in expected:
            yield f"{name} is left over"
        elif name not in written:
            yield f"{name} is missing"
        elif written[name] != expected[name]:
            yield f"{name} differs"


def processes_of(mark: str) -> list[psutil.Process]:
    """Return the processes of a case."""
    return [process for process in psutil.process_iter() if _environment(process) == mark]


def _environment(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(_CASE)
    except psutil.Error:
        return None


def _killed_run(
    run: Run, kills: Sequence[Kill], mark: str, start: Start, cluster: Cluster | None
) -> tuple[list[Killed], list[str]]:
    """Give the command and carry out kills while it runs; return the kills and the problems."""
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
        return killed, [f"hangs after {_kills_in_words(killed)}"]
    problems = _orphans(mark)
    if killed and killed[-1].victim in ("group", "driver"):
        return killed, problems
    if process.returncode:
        said = errors(printed)
        if not (killed and len(said) == 1 and "the same command goes on" in said[0]):
            problems.append(f"says after {_kills_in_words(killed)}: {printed[-500:]}")
        else:
            killed[-1] = killed[-1]._replace(error=said[0])
    return killed, problems


def _kills_in_words(killed: list[Killed]) -> str:
    deaths = (f"the death of its {kill.victim} in {kill.pass_name}" for kill in killed)
    return ", ".join(deaths) or "none"


def _victim(
    kill: Kill, run: Run, process: Command, started_at: float, cluster: Cluster | None
) -> Callable[[], None] | None:
    """Wait for the moment of a kill; return the function that kills.

    Returns None where the command ends before, and raises TimeoutError where it hangs.
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
    """Tell whether the command has locked the output folder, not only a killed one before."""
    lock = output / ".lock"
    return lock.exists() and lock.stat().st_mtime > started_at - 0.02


def _candidates(victim: str, process: Command, cluster: Cluster | None) -> list[Callable[[], None]]:
    """Return a function that sends SIGKILL for each process that a kill can hit now."""
    if victim == "group":
        return [lambda: os.killpg(process.pid, signal.SIGKILL)]
    if victim == "driver":
        return [process.kill]
    if victim == "Spark worker":
        assert cluster is not None
        return [functools.partial(cluster.kill_worker, n) for n in range(len(cluster.workers))]
    if cluster is not None:
        processes = cluster.executors() if victim == "executor" else cluster.python_workers()
    else:
        children = psutil.Process(process.pid).children(recursive=True)
        processes = [child for child in children if _is(victim, child)]
    return [process.kill for process in sorted(processes, key=lambda process: process.pid)]


def _is(victim: str, process: psutil.Process) -> bool:
    try:
        command = " ".join(process.cmdline())
    except psutil.Error:
        return False
    if victim == "JVM":
        return process.name() == "java"
    return "pipeline.runners.zygote" in command  # a worker, or the process that forks them


def _orphans(mark: str) -> list[str]:
    """Wait for the end of a dead command's processes; return problems of those that do not end."""
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
    """Wait for the end of all tasks on a cluster; return a problem for those that do not end."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while left := [*cluster.executors(), *cluster.python_workers()]:
        if time.monotonic() > deadline:
            return [f"process {one.pid} of the cluster goes on" for one in left]
        time.sleep(0.05)
    return []


def _completed(run: Run, mark: str, start: Start) -> list[str]:
    """Give the command without disturbing it; return the problems."""
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
    process.kill()  # a fork has its parent's first environment, without the mark
    for left in processes_of(mark):
        left.kill()
    process.communicate()


def _surroundings(run: Run, mark: str) -> dict[str, str]:
    """Return the environment of a case: its mark, and temporary folders in the case's folder."""
    folder = run.output.with_suffix(".tmp")
    folder.mkdir(exist_ok=True)
    return {_CASE: mark, "TMPDIR": str(folder), "SPARK_LOCAL_DIRS": str(folder)}


def undisturbed(run: Run, start: Start = whole_command) -> dict[str, str]:
    """Run to the end without a fault; return the digests of all files."""
    problems = _completed(run, uuid.uuid4().hex, start)
    assert not problems, problems
    return digests(run.output)


def remove_run(run: Run) -> None:
    """Remove the files that a case wrote."""
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

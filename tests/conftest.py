"""Fixtures: real samples and models, KenLM, Chromium, runs. Tests without what they need skip."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from playwright.sync_api import Browser

from pipeline.errors import RunError
from pipeline.models.lm_training import kenlm_tools
from pipeline.runners.spark import JOB_SERVER_JAR
from tests.support.browser import chromium
from tests.support.runs import run_demo, run_samples, skip

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

# How long an example takes is the machine's matter, and the first one may compile a kernel.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

SLOW_FIXTURES = {"browser", "changed_demo_run", "export_readers", "job_server", "samples_run"}
"""Fixtures that take long to be made: what uses one of them is slow."""


@pytest.hookimpl(tryfirst=True)  # ahead of the choice by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and SLOW_FIXTURES.intersection(item.fixturenames):
            item.add_marker(pytest.mark.slow)


def _folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        skip(f"needs the real samples in ../shared/{name}, which are not here")
    return folder


def _once(temporary: pytest.TempPathFactory, name: str, make: Callable[[Path], int]) -> Path:
    """Return a folder that pytest's processes share. The first one that needs it makes it."""
    base = temporary.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    made = base / f"{name}.made"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            assert make(base / name) == 0
            made.touch()
    return base / name


@pytest.fixture(scope="session")
def kenlm_programs() -> Path:
    """The folder of KenLM's programs, which ``make test`` builds."""
    try:
        return kenlm_tools(None)
    except RunError as error:
        skip(str(error))


@pytest.fixture(scope="session")
def export_readers() -> Path:
    """The Python with the libraries that read exports, which ``make test`` installs."""
    python = ROOT / "build" / "envs" / "readers" / "bin" / "python"
    if not python.exists():
        skip("needs other trainers' readers: make build/envs/readers/.installed")
    return python


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real samples of the sources."""
    return _folder("data")


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """The folder of the models for tests and benchmarks."""
    return _folder("models")


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the demo, which tests must not change."""
    return _once(tmp_path_factory, "demo", run_demo)


@pytest.fixture(scope="session")
def changed_demo_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of some of the demo's sources with one threshold changed. Tests must not change it."""
    threshold = "sources.commoncrawl.steps.drop_short.min_chars=900"
    options = ["--sources", "commoncrawl,github,stackexchange", "--set", threshold]
    return _once(tmp_path_factory, "changed", lambda output: run_demo(output, *options))


@pytest.fixture(scope="session")
def samples_run(
    tmp_path_factory: pytest.TempPathFactory, shared_data: Path, shared_models: Path
) -> Path:
    """A run over the real samples of all sources, which tests must not change."""
    return _once(
        tmp_path_factory, "samples", lambda output: run_samples(output, shared_data, shared_models)
    )


@pytest.fixture(scope="module")  # a longer scope keeps its event loop, which disturbs other tests
def browser() -> Iterator[Browser]:
    """A headless Chromium, which ``make test`` installs."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def job_server() -> None:
    """Java and Spark's job server."""
    if not (shutil.which("java") and JOB_SERVER_JAR.exists()):
        skip("needs Java and the jar that 'make spark-job-server' builds")


@pytest.fixture(scope="session")
def spark_programs(job_server: None) -> None:
    """The programs of a Spark cluster, beside the job server."""
    if importlib.util.find_spec("pyspark") is None:
        skip("needs the package pyspark")

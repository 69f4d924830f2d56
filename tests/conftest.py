"""Where the real samples and models and KenLM are; tests skip where what they need is not."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from pipeline.execution import RunError
from pipeline.lm_training import kenlm_tools
from pipeline.spark import JOB_SERVER_JAR

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


def _folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        _skip(f"needs the real samples in ../shared/{name}, which are not here")
    return folder


def _skip(reason: str) -> NoReturn:
    """Skip the test, but fail it in CI, where all that tests need is there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def kenlm_programs() -> Path:
    """The folder of KenLM's programs, which ``make test`` builds."""
    try:
        return kenlm_tools(None)
    except RunError as error:
        _skip(str(error))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real samples of the sources."""
    return _folder("data")


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """The folder of models that tests and benchmarks run with."""
    return _folder("models")


@pytest.fixture(scope="session")
def job_server() -> None:
    """Java and Spark's job server."""
    if not (shutil.which("java") and JOB_SERVER_JAR.exists()):
        _skip("needs Java and the jar that 'make spark-job-server' builds")


@pytest.fixture(scope="session")
def spark_programs(job_server: None) -> None:
    """What a Spark cluster is made of, beside the job server."""
    if importlib.util.find_spec("pyspark") is None:
        _skip("needs the package pyspark")

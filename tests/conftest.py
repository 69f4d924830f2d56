"""Where the real samples and models and KenLM are; tests skip where what they need is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import beam_runner
from pipeline.execution import RunError
from pipeline.lm_training import kenlm_tools

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


def _folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        reason = f"needs the real samples in ../shared/{name}, which are not here"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def kenlm_programs() -> Path:
    """The folder of KenLM's programs, which ``make test`` builds."""
    try:
        return kenlm_tools(None)
    except RunError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of the demo, which is for reading."""
    output = tmp_path_factory.mktemp("demo") / "out"
    assert beam_runner.main(["--output", str(output), "--workers", "1"]) == 0
    return output


@pytest.fixture(scope="session")
def export_readers() -> Path:
    """The Python with the libraries that exports are for, which ``make test`` installs."""
    python = ROOT / "build" / "envs" / "readers" / "bin" / "python"
    if not python.exists():
        reason = "needs other trainers' readers: make build/envs/readers/.installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return python


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real samples of the sources."""
    return _folder("data")


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """The folder of models that tests and benchmarks run with."""
    return _folder("models")

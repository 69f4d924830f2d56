"""Where the real samples and models and KenLM are; tests skip where what they need is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
def shared_data() -> Path:
    """The folder of real samples of the sources."""
    return _folder("data")


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """The folder of models that tests and benchmarks run with."""
    return _folder("models")

"""Where the real samples and models are; tests that need them skip where they are absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
def shared_data() -> Path:
    """The folder of real samples of the sources."""
    return _folder("data")


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """The folder of models that tests and benchmarks run with."""
    return _folder("models")

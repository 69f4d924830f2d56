"""A corpus that the tests of training share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runs import run_demo


@pytest.fixture(scope="session")
def demo_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of the demo's run; tests must leave it as it is."""
    output = tmp_path_factory.mktemp("demo") / "out"
    assert run_demo(output) == 0
    return output

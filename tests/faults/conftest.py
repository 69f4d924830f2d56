"""Fixtures: an undisturbed run, which every disturbed run must equal in the end."""

from __future__ import annotations

import pytest

from tests.faults.kills import undisturbed
from tests.faults.runs import Run, copy_inputs


@pytest.fixture(scope="session")
def whole_run(shared_data, shared_models, tmp_path_factory) -> Run:
    """A run over real files in a folder in memory, which is not started yet."""
    folder = tmp_path_factory.mktemp("faults")
    data = copy_inputs(shared_data, folder / "data")
    return Run(folder / "undisturbed", data, shared_models, workers=1)


@pytest.fixture(scope="session")
def expected(whole_run: Run) -> dict[str, str]:
    """The SHA-256 of every file of the undisturbed run."""
    return undisturbed(whole_run)

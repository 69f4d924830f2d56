"""Every benchmark can be imported: what it measures has not moved away."""

from __future__ import annotations

import importlib

import pytest

from tests.support.runs import ROOT

MODULES = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_is_imported(name: str) -> None:
    importlib.import_module(f"benchmarks.{name}")

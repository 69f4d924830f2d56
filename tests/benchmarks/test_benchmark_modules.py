"""Every benchmark can be imported: what it measures has not moved away."""

from __future__ import annotations

import importlib

import pytest

from tests.support.runs import ROOT

FOLDER = ROOT / "benchmarks"
MODULES = sorted(
    ".".join(path.relative_to(FOLDER).with_suffix("").parts)
    for folder in ("", "dedup", "web", "wikipedia")
    for path in (FOLDER / folder).glob("*.py")
)


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_is_imported(name: str) -> None:
    importlib.import_module(f"benchmarks.{name}")

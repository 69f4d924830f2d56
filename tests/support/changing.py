"""Small runs whose files change while they work."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import beam_runner
from pipeline.passes import run
from pipeline.passes.shards import build
from tests.support.runs import ROOT

STEPS = "[deduplicate_documents: {keep: first}]"


def write_lines(path: Path, texts: list[str]) -> None:
    """Write texts as a file of C4's."""
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


def arguments(data: Path, output: Path, *more: str, steps: str = STEPS) -> list[str]:
    """Return the arguments of the main command for a folder of such files."""
    return [
        "--recipe", str(ROOT / "recipes" / "demo.yaml"), "--sources", "c4", "--no_report",
        "--set", f"sources.c4.input=[{data}/*.json]", "--set", f"sources.c4.steps={steps}",
        "--set", "shards.validation_fraction=0", "--output", str(output), "--workers", "1", *more,
    ]  # fmt: skip


def command(data: Path, output: Path, *more: str, steps: str = STEPS) -> int:
    """Run over a folder of such files in this process; return the exit status."""
    return beam_runner.main(arguments(data, output, *more, steps=steps))


def between_the_passes(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something once, between the first pass and the second."""

    def acting(session: object) -> None:
        monkeypatch.setattr(run, "build_shards", build.build_shards)
        act()
        build.build_shards(session)

    monkeypatch.setattr(run, "build_shards", acting)


def errors(said: str) -> list[str]:
    """Return the lines of a command's errors, without those of its progress."""
    return [line for line in said.splitlines() if line.startswith("error:")]

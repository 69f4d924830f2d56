"""Runs of the samples' recipe in this process, on one core."""

from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path
from typing import Any

logging.basicConfig(level=logging.ERROR)

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipeline.passes.run import run
from pipeline.recipe.from_yaml import load_recipe
from pipeline.recipe.recipe import Recipe
from pipeline.runners.execution import Execution


def make_recipe(data: Path, models: Path, source: str, *settings: str) -> Recipe:
    """Load the samples' recipe for one source alone."""
    path = str(ROOT / "recipes" / "samples.yaml")
    return load_recipe(path, [f"data={data}", f"models={models}", *settings], [source])


def in_memory() -> Execution:
    """Return the setting to run Beam in this process, on one core."""
    options = PipelineOptions(["--direct_running_mode=in_memory", "--direct_num_workers=1"])
    return Execution(lambda _: beam.Pipeline(FnApiRunner(), options), True, 1 << 36)


def run_pipeline(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Run all passes into an empty folder; return the manifest."""
    shutil.rmtree(folder, ignore_errors=True)
    return run(recipe, str(folder), in_memory()).manifest

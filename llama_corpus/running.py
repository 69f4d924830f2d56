"""Runs of recipes on this machine, from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_corpus.corpus import Corpus, open_corpus
from pipeline.recipe.from_yaml import load_recipe
from pipeline.runners.choose import available_memory, direct_execution


def run(
    recipe: str, output: str, *, settings: Mapping[str, Any] | None = None,
    sources: Sequence[str] | None = None, workers: int | None = None,
) -> Corpus:  # fmt: skip
    """Run a recipe into the folder ``output``, or go on with the run there; return what came out.

    ``settings`` fill variables and override values by their dotted names, as ``--set`` does, and
    ``sources`` are some of the recipe's. No report is written: ``corpus report`` does that. Raises
    ValueError, in a line, for what is a mistake.
    """
    from pipeline.passes.run import run as run_recipe  # imports Beam, which takes seconds

    given = [f"{name}={value}" for name, value in (settings or {}).items()]
    loaded = load_recipe(recipe, given, sources)
    run_recipe(loaded, output, direct_execution(workers, [], output, available_memory()))
    return open_corpus(output)

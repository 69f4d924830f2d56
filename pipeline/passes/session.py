"""A run's folder while a command writes to it: opened in one way by all that run passes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import apache_beam as beam

from pipeline.errors import ERROR_NAME, ChangedError
from pipeline.files import storage
from pipeline.files.trusted import FILE_STATES, Seal, expect, seals_of
from pipeline.output import output_folder, whole_files
from pipeline.output.again import COMMAND_NAME, again
from pipeline.output.differences import one_path
from pipeline.output.layout import MANIFEST_NAME, RUN_NAME, Split
from pipeline.output.opt_out import digest_of_list, given_list, list_of_run, replace_list
from pipeline.output.progress import ProgressDisplay
from pipeline.passes.kept_documents import stay_kept
from pipeline.passes.plan import Plan, make_plan
from pipeline.passes.process import CODE, SEALS
from pipeline.recipe.code import code_digest
from pipeline.recipe.recipe import Recipe
from pipeline.runners.execution import Execution

Describe = Callable[[Recipe, list[Split]], dict[str, Any]]
"""Says what a run depends on, of a recipe and the splits of its plan."""


@dataclass(frozen=True)
class Session:
    """A folder that is locked and holds this run: of which recipe, by which plan, run where."""

    recipe: Recipe
    plan: Plan
    output: str
    execution: Execution
    described: Mapping[str, Any]  # what run.json holds
    seals: Mapping[str, Seal]  # of the models and lists, by their paths in the recipe

    @cached_property
    def recipe_json(self) -> str:
        """The recipe for workers, which build it once a process, with the seals of its files."""
        told = {SEALS: dict(self.seals), CODE: code_digest(self.described["code"])}
        return json.dumps({**self.recipe.mapping, **told})

    def has(self, name: str) -> bool:
        """Tell whether a file is there."""
        return storage.exists(storage.join(self.output, name))

    def attempt(self) -> AbstractContextManager[None]:
        """Let this command alone write files within the block: workers of earlier ones stop."""
        return output_folder.attempt(self.output)

    @contextmanager
    def pipeline(
        self, name: str, label: str, total_bytes: int, already: int = 0
    ) -> Iterator[beam.Pipeline]:
        """Give an empty pipeline, which runs as the block ends, and show how far it is.

        The workers mark their progress under ``name``, and people read ``label``. ``total_bytes``
        is the size of all splits, ``already`` that of those which are done.
        """
        display = ProgressDisplay(self.output, name, label, total_bytes, already)
        with display, self.execution.make_pipeline(self.plan) as pipeline:
            yield pipeline


@contextmanager
def opened(
    recipe: Recipe, output: str, execution: Execution, *, start_over: bool,
    describe: Describe = output_folder.describe, products: Sequence[str] = (),
    opt_out_removed: bool = False, advice: str = output_folder.START_OVER,
) -> Iterator[Session]:  # fmt: skip
    """Open the folder ``output`` for a run of ``recipe``, or to go on with one that was stopped.

    ``start_over`` removes what an earlier run left there, and ``products``, the files that the
    command makes beside those of every run. The opt-out list of a run that is there stays in force
    where the recipe names none, unless ``opt_out_removed`` takes it back. When the block ends well,
    what a run needs while it runs is removed. Raises RunError, before any work, where the folder
    holds a run of something else, as ``describe`` tells it, or where a shuffle does not fit in
    memory. ``advice`` says what else to do in the first case.
    """
    plan = make_plan(recipe)
    plan.check_shuffle(execution.shuffle_limit)
    opt_out_list = given_list(recipe)
    described = describe(recipe, plan.splits)
    if recipe.opt_out and digest_of_list(opt_out_list) != described["opt_out"]:
        raise ChangedError(f"{recipe.opt_out} was written anew while it was read; try again")
    seals = seals_of(described)
    expect(seals)
    with output_folder.locked(output):
        if start_over:
            for name in products:
                storage.remove(output, name)
        output_folder.open_output(output, described, plan.splits, start_over, advice)
        if recipe.opt_out is None and not opt_out_removed:
            opt_out_list = list_of_run(output)
            described["opt_out"] = digest_of_list(opt_out_list)
        replace_list(output, opt_out_list)
        there = storage.read_json(storage.join(output, RUN_NAME))
        # It is the same run, but may have been begun with another mixture, which a manifest has.
        # Its paths may be spelt in another way; what they lead to is the same.
        described.update(
            (key, there[key]) for key in ("recipe", "plan_fingerprint", "files") if key in there
        )
        described[FILE_STATES] = _as_spelt(described.get(FILE_STATES, {}), there["files"])
        if there != described:
            whole_files.write_bytes(output, RUN_NAME, storage.json_bytes(described))
        if not storage.exists(storage.join(output, MANIFEST_NAME)):
            whole_files.write_bytes(output, COMMAND_NAME, f"{again()}\n".encode())
        try:
            yield Session(recipe, plan, output, execution, described, seals)
        finally:
            execution.close()
        output_folder.remove_work(output, but_documents=stay_kept(recipe.reading))
        storage.remove(output, ERROR_NAME)


def _as_spelt(states: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """Return the states of files by the paths to them that a run has noted."""
    by_file = {one_path(path): state for path, state in states.items()}
    return {path: by_file[one_path(path)] for path in paths if one_path(path) in by_file}

"""A run from beginning to end: first passes, build, mixture; or what is left of these to do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from pipeline.files import storage
from pipeline.output.again import again
from pipeline.output.events import logged, tell
from pipeline.output.layout import MANIFEST_NAME
from pipeline.output.mixtures import NewMixture, change_mixture, has_mixture
from pipeline.output.output_folder import START_OVER
from pipeline.output.run_times import timed
from pipeline.passes.first.first_passes import first_passes
from pipeline.passes.mix import mix
from pipeline.passes.session import Session, opened
from pipeline.passes.shards.build import build_shards
from pipeline.recipe.recipe import Recipe
from pipeline.runners.execution import Execution

REBUILD = "--rebuild_changed to keep the sources that are as they were"


class Finished(NamedTuple):
    """A complete run."""

    manifest: dict[str, Any]  # its sources in the recipe's order
    was_complete: bool  # before the command was given
    mixture: NewMixture | None  # where a complete run was given another mixture


def run(
    recipe: Recipe, output: str, execution: Execution, *, start_over: bool = False,
    opt_out_removed: bool = False,
) -> Finished:  # fmt: skip
    """Run a recipe into the folder ``output``, or go on with a run that was stopped there.

    A finished run is given the recipe's mixture, if it has another one: its shards stay. Its
    opt-out list stays in force where the recipe names none, unless ``opt_out_removed``. Raises
    RunError, before any work, where the folder holds another run or a shuffle does not fit in
    memory.
    """
    with opened(
        recipe, output, execution, start_over=start_over, opt_out_removed=opt_out_removed,
        advice=f"{REBUILD}, {START_OVER}",
    ) as session:  # fmt: skip
        was_complete, mixture = session.has(MANIFEST_NAME), None
        if not was_complete:
            with session.attempt(), timed(output), logged(output), _told(session):
                first_passes(session)
                build_shards(session)
                mix(session)
        elif not has_mixture(storage.read_json(storage.join(output, MANIFEST_NAME)), recipe):
            with session.attempt():
                mixture = change_mixture(output, recipe)
        manifest = storage.read_json(storage.join(output, MANIFEST_NAME))
    made = manifest["sources"]  # in the order of the alphabet
    manifest["sources"] = {source.name: made[source.name] for source in recipe.sources}
    return Finished(manifest, was_complete, mixture)


@contextmanager
def _told(session: Session) -> Iterator[None]:
    """Tell that a run begins or goes on, and how it ends."""
    splits = session.plan.documents
    tell("run", command=again(), sources=[source.name for source in session.recipe.sources],
         splits=len(splits), bytes=sum(split.n_bytes for split in splits))  # fmt: skip
    started = time.monotonic()
    try:
        yield
    except BaseException as error:
        tell("stopped", error=f"{type(error).__name__}: {error}")
        raise
    tell("done", seconds=round(time.monotonic() - started, 3))

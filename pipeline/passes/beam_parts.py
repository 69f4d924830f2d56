"""What the DoFns of all passes that write, and the transforms around them, have in common."""

from __future__ import annotations

import apache_beam as beam

from pipeline.output import whole_files
from pipeline.passes.process import cached_recipe
from pipeline.recipe.recipe import Recipe


class WritingDoFn(beam.DoFn):
    """A DoFn that writes to ``output`` as long as the attempt that it was made in is the last."""

    def __init__(self, output: str) -> None:
        self.output = output
        self._attempt = whole_files.attempt_of(output)

    def start_bundle(self) -> None:
        """Write for the attempt, in whatever process this is."""
        whole_files.join_attempt(self.output, self._attempt)


class RecipeDoFn(WritingDoFn):
    """A DoFn that writes what a recipe says; the graph holds the recipe as JSON."""

    def __init__(self, recipe_json: str, output: str) -> None:
        super().__init__(output)
        self.recipe_json = recipe_json

    @property
    def recipe(self) -> Recipe:
        """The recipe, which a process makes once."""
        return cached_recipe(self.recipe_json)


class RecipeTransform(beam.PTransform):
    """A PTransform that knows the recipe, as JSON, and the output folder for its DoFns."""

    def __init__(self, recipe_json: str, output: str) -> None:
        super().__init__()
        self.recipe_json = recipe_json
        self.output = output

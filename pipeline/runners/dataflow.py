"""Checks before a run on Google Cloud Dataflow.

Dataflow's workers see buckets and what is installed in their container. They see no file of the
machine that the command runs on.
"""

from __future__ import annotations

from collections.abc import Iterator

from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    WorkerOptions,
)

from pipeline.errors import RecipeError, RunError
from pipeline.files import storage
from pipeline.recipe.recipe import Recipe


def check_options(arguments: list[str], output: str) -> None:
    """Raise RunError if an option or package that Dataflow needs is missing.

    ``arguments`` are the options for Beam, ``output`` the command's output folder.
    """
    try:
        import apache_beam.runners.dataflow.internal.apiclient  # noqa: F401  (imports Google's packages)
    except ImportError:
        raise RunError("the DataflowRunner needs Google's packages: pip install '.[gcp]'") from None
    options = PipelineOptions(arguments)
    google = options.view_as(GoogleCloudOptions)
    given = {
        "--project=PROJECT": google.project,
        "--region=REGION": google.region,
        "--temp_location=gs://BUCKET/FOLDER": google.temp_location,
    }
    missing = [option for option, value in given.items() if not value]
    if missing:
        raise RunError(f"the DataflowRunner needs {' and '.join(missing)}")
    if not str(google.temp_location).startswith("gs://"):
        raise RunError(f"--temp_location: expected gs://BUCKET/FOLDER, not {google.temp_location}")
    setup = options.view_as(SetupOptions)
    image = options.view_as(WorkerOptions).sdk_container_image
    if not (image or setup.setup_file or setup.extra_packages):
        raise RunError(
            "Dataflow's workers need this package: build the Dockerfile and give its image with "
            "--sdk_container_image (docs/dataflow.md)"
        )
    if not storage.is_remote(output):
        raise RunError(
            f"--output: Dataflow's workers cannot write to {output}; give gs://BUCKET/FOLDER"
        )


def check_paths(recipe: Recipe, *, with_files: bool) -> None:
    """Raise RecipeError if a recipe names local files, which Dataflow's workers cannot see.

    ``with_files`` checks models and lists besides the inputs.
    """
    for where, path in _paths(recipe, with_files):
        if not storage.is_remote(path):
            raise RecipeError(
                f"{where}: Dataflow's workers cannot see {path}; copy it to a bucket "
                "and give gs://BUCKET/..."
            )


def _paths(recipe: Recipe, with_files: bool) -> Iterator[tuple[str, str]]:
    for source in recipe.sources:
        for pattern in source.input:
            yield f"sources.{source.name}.input", pattern
        for step in source.steps:
            for file in step.files() if with_files else ():
                yield f"sources.{source.name}.steps.{step.name}", file
    if with_files and not recipe.shards.is_text:
        yield "tokenizer.model", recipe.tokenizer.model

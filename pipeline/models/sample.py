"""A sample of every source's documents, as they are after its steps: what models are made of.

The sample of a source is a deterministic reservoir: the documents whose ids have the smallest
hashes, in that order, as many as it takes to fill a budget of bytes (the document that fills it is
the last). So it is a function of the inputs, the steps and the budget alone, the same on every
runner with any number of workers.

Every split is read once and writes the documents that can be among them to a file of its own: those
under a bound for the hash, which follows from the budget and the size of the input, and of these no
more than fill the budget. Then the hashes are compared, and only the documents that are in the
sample are read again. No text is shuffled; what lies on the disk meanwhile is a few budgets. If the
steps drop so much that the bound was too low, the pass is made once more with a higher one.

The folder of a sample looks like that of a run that has ended after its first pass:
``samples/SOURCE.parquet`` holds the documents, ``samples/SOURCE.json`` what is known of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa

from pipeline.errors import RunError, nearest
from pipeline.files import storage
from pipeline.models.reservoir import (
    CANDIDATE_SCHEMA,
    LARGEST_HASH,
    RUN_BYTES,
    Draw,
    candidates,
    index,
    smallest,
    take,
)
from pipeline.output import whole_files
from pipeline.output.documents import parquet_writer, read_documents, write_row_groups
from pipeline.output.layout import RUN_NAME, Split, read_plan
from pipeline.output.ledger import Tally
from pipeline.output.output_folder import describe
from pipeline.output.progress import ProgressLog
from pipeline.passes.beam_parts import RecipeDoFn
from pipeline.passes.estimates import unpacked_bytes
from pipeline.passes.first.first_passes import first_passes
from pipeline.passes.from_plan import FromPlan
from pipeline.passes.plan import Plan
from pipeline.passes.process import process_split
from pipeline.passes.session import Session, opened
from pipeline.recipe.from_yaml import check_models
from pipeline.recipe.mixture import DOMAINS_KEY
from pipeline.recipe.recipe import Recipe
from pipeline.runners.execution import Execution
from transforms.documents import SCHEMA

SAMPLES = "samples"

OVERSAMPLING = 4
"""The first bound lets so many times the budget through, if the steps drop nothing."""


class Sample(NamedTuple):
    """What was drawn from a source."""

    source: str
    path: str  # of the Parquet file
    documents: int
    text_bytes: int  # UTF-8; at least the budget, or all that the source has
    is_whole_source: bool  # all its documents do not fill the budget

    def read(self) -> Iterator[pa.RecordBatch]:
        """Yield the documents in the order of their hashes, in batches of a few megabytes."""
        return read_documents(self.path)


def sample_documents(
    recipe: Recipe,
    output: str,
    execution: Execution,
    budget_bytes: Mapping[str, int],
    *,
    until: Mapping[str, str] | None = None,
    start_over: bool = False,
    where: str = "recipe",
) -> dict[str, Sample]:
    """Draw a sample of documents from some sources, or go on with one that was stopped.

    ``budget_bytes`` names the sources and the bytes of text wanted of each. Documents are taken as
    they are after all steps of their source, or ahead of the step that ``until`` names for it, and
    without those of the recipe's opt-out list; the tokenizer is not looked at. ``output`` is a
    folder of this sample alone; a finished one is returned as it is. ``where`` is the recipe's name
    in messages.

    Raises RecipeError where a model of those steps is missing, with the command that makes it, and
    RunError where the folder holds a sample of something else or a shuffle does not fit in memory.
    """
    narrowed = _narrowed(recipe, budget_bytes, until or {})
    check_models(narrowed, where, with_tokenizer=False)

    def described(recipe: Recipe, splits: list[Split]) -> dict[str, Any]:
        whole = describe(recipe, splits, with_tokenizer=False)
        whole["recipe"] = {
            "reading": recipe.mapping_of_results["reading"],
            "sources": recipe.mapping["sources"],
            "sample_bytes": dict(budget_bytes),
            "opt_out": whole["opt_out"],
        }
        del whole["plan_fingerprint"]  # of all of the recipe
        return whole

    with opened(
        narrowed, output, execution, start_over=start_over, describe=described, products=[SAMPLES]
    ) as session:
        if not all(_is_there(output, source) for source in budget_bytes):
            with session.attempt():
                first_passes(session)
                _draw(session, budget_bytes)
        for name in ("decisions", "joined"):
            storage.remove(output, name)
    return {source: load_sample(output, source) for source in budget_bytes}


def load_sample(output: str, source: str) -> Sample:
    """Return the sample of a source that a folder holds."""
    summary = storage.read_json(storage.join(output, _summary_name(source)))
    return Sample(source, storage.join(output, _sample_name(source)), **summary)


def card_data(recipe: str, output: str, samples: Mapping[str, Sample]) -> dict[str, Any]:
    """Return what a model's card says of samples.

    That is the recipe's name, the fingerprint of the inputs (their names, sizes and cuts), and for
    every source what was drawn.
    """
    return {
        "recipe": recipe,
        "inputs_sha256": storage.read_json(storage.join(output, RUN_NAME))["inputs"],
        "sources": {
            name: {
                "documents": sample.documents,
                "text_bytes": sample.text_bytes,
                "is_whole_source": sample.is_whole_source,
            }
            for name, sample in samples.items()
        },
    }


def _sample_name(source: str) -> str:
    return f"{SAMPLES}/{source}.parquet"


def _summary_name(source: str) -> str:
    """Return the file that says that a sample is whole; it is written last."""
    return f"{SAMPLES}/{source}.json"


def _is_there(output: str, source: str) -> bool:
    return storage.exists(storage.join(output, _summary_name(source)))


def _narrowed(recipe: Recipe, budget_bytes: Mapping[str, int], until: Mapping[str, str]) -> Recipe:
    """Return a recipe of the sampled sources alone, with the steps that are wanted.

    Their proportions and domains have no meaning in it, so that a sample does not depend on them.
    """
    known = {source.name: source for source in recipe.sources}
    sources = {}
    for name, budget in budget_bytes.items():
        if name not in known:
            raise RunError(f"the recipe has no source {name!r}{nearest(name, known)}")
        if budget <= 0:
            raise RunError(f"source {name}: expected a sample above 0 bytes, found {budget}")
        entry = dict(recipe.mapping["sources"][name])
        if name in until:
            steps = [step.name for step in known[name].steps]
            if until[name] not in steps:
                raise RunError(
                    f"source {name} has no step {until[name]!r}{nearest(until[name], steps)}"
                )
            entry["steps"] = entry["steps"][: steps.index(until[name])]
        undivided = {key: value for key, value in entry.items() if key != DOMAINS_KEY}
        sources[name] = {**undivided, "proportion": 1 / len(budget_bytes)}
    return recipe.with_sources(sources)


def _draw(session: Session, budget_bytes: Mapping[str, int]) -> None:
    """Make the samples that are not there, with as many tries as it takes."""
    output = session.output
    draws = [
        Draw(source, budget, _first_bound(session.plan, source, budget))
        for source, budget in budget_bytes.items()
    ]
    attempt = 0
    while draws := [draw for draw in draws if not _is_there(output, draw.source)]:
        if attempt:
            draws = [_with_higher_bound(draw, output) for draw in draws]
        name = f"sample-{attempt}"
        wanted = {draw.source for draw in draws}
        total = sum(split.n_bytes for split in session.plan.documents if split.source in wanted)
        with session.pipeline(name, "sampling", total) as pipeline:
            _ = pipeline | SampleSources(session.recipe_json, output, draws, name)
        attempt += 1


def _first_bound(plan: Plan, source: str, budget_bytes: int) -> int:
    total = sum(unpacked_bytes(split) for split in plan.documents if split.source == source)
    return min(LARGEST_HASH, int(LARGEST_HASH * (OVERSAMPLING * budget_bytes / max(total, 1))))


def _with_higher_bound(draw: Draw, output: str) -> Draw:
    """Raise a bound that let too little through: by what is known now, doubled."""
    found = storage.read_json(storage.join(output, _found_name(draw)))["text_bytes"]
    factor = max(4, 2 * draw.budget_bytes // max(found, draw.budget_bytes // 32, 1))
    return draw._replace(bound=min(LARGEST_HASH, draw.bound * factor))


def _found_name(draw: Draw) -> str:
    return f"{draw.folder}/found.json"


def splits_of_sources(output: str, sources: set[str]) -> Iterator[Split]:
    """Yield every split of some sources' documents."""
    for split in read_plan(output):
        if split.source in sources and split.holds == "documents":
            yield split


class SamplingDoFn(RecipeDoFn):
    """A DoFn that is told what is drawn of each source."""

    def __init__(self, recipe_json: str, output: str, draws: list[Draw], progress: str) -> None:
        super().__init__(recipe_json, output)
        self.draws = {draw.source: draw for draw in draws}
        self.progress_name = progress


class WriteCandidates(SamplingDoFn):
    """Read a split and write the documents that can be in the sample."""

    def process(self, element: Split) -> Iterator[tuple[str, int]]:
        """Yield the split's number when its file is there, keyed by the source."""
        split = Split(*element)
        draw = self.draws[split.source]
        name = _candidates_name(draw, split.split)
        if not storage.exists(storage.join(self.output, name)):
            progress = ProgressLog(self.output, self.progress_name, split)
            batches = process_split(split, self.recipe, self.output, Tally())
            with (
                whole_files.write_whole(self.output, name) as file,
                parquet_writer(file, CANDIDATE_SCHEMA) as writer,
            ):
                for run in candidates(progress.watch(batches), draw):
                    write_row_groups(writer, run, self.recipe.reading.batch_bytes)
            progress.done()
        yield split.source, split.split


def _candidates_name(draw: Draw, split: int) -> str:
    return f"{draw.folder}/split{split:06d}.parquet"


class WriteSample(SamplingDoFn):
    """Write the sample of a source from the candidates of its splits."""

    def process(self, element: tuple[str, Iterable[int]]) -> None:
        """Write the sample and what is known of it, or, if it is too small, how much was found."""
        draw = self.draws[element[0]]
        paths = [
            storage.join(self.output, _candidates_name(draw, split)) for split in sorted(element[1])
        ]
        hashes, n_bytes, places = index(paths)
        order = smallest(hashes, n_bytes, draw.budget_bytes)
        total = int(n_bytes[order].sum())
        if total < draw.budget_bytes and draw.bound < LARGEST_HASH:
            found = storage.json_bytes({"text_bytes": total})
            whole_files.write_bytes(self.output, _found_name(draw), found)
            return
        with (
            whole_files.write_whole(self.output, _sample_name(draw.source)) as file,
            parquet_writer(file, SCHEMA) as writer,
        ):
            parts = np.cumsum(n_bytes[order]) // RUN_BYTES
            for part in np.unique(parts):
                batch = take(paths, places[order[parts == part]])
                write_row_groups(writer, batch, self.recipe.reading.batch_bytes)
        summary = {
            "documents": len(order),
            "text_bytes": total,
            "is_whole_source": total < draw.budget_bytes,
        }
        whole_files.write_bytes(
            self.output, _summary_name(draw.source), storage.json_bytes(summary)
        )


class SampleSources(beam.PTransform):
    """From the output folder's plan to the samples of some sources."""

    def __init__(self, recipe_json: str, output: str, draws: list[Draw], progress: str) -> None:
        super().__init__()
        self.arguments = recipe_json, output, draws, progress

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Read every split, keep what can be in the sample, choose by source."""
        _, output, draws, _ = self.arguments
        sources = {draw.source for draw in draws}
        return (
            root
            | "ListSampledSplits" >> FromPlan(output, splits_of_sources, sources)
            | "WriteCandidates" >> beam.ParDo(WriteCandidates(*self.arguments))
            | "GroupBySource" >> beam.GroupByKey()
            | "WriteSample" >> beam.ParDo(WriteSample(*self.arguments))
        )

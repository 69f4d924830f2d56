"""The second pass: every output shard from its splits, in the order of the input.

A shard's worker reads the splits again, applies the decisions of the first pass, filters,
tokenises, and writes. No text is shuffled. Files get their names when they are whole; the shard's
own ledger comes last, so a shard without one is not there, and is built again.
"""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam

from pipeline.files import storage
from pipeline.output.layout import (
    Shard,
    Split,
    read_shards,
    shard_ledger_name,
    shard_of_file,
)
from pipeline.passes.beam_parts import FromPlan, WritingDoFn
from pipeline.passes.process import cached_recipe
from pipeline.passes.session import Session
from pipeline.passes.write_shard import build_shard


def build_shards(session: Session) -> None:
    """Build the shards that are not there."""
    output = session.output
    there = storage.list_names(output, "ledger")
    documents = session.plan.documents
    built = [s for s in documents if shard_ledger_name(s.source, s.shard) in there]
    if len(built) == len(documents):
        return
    _remove_shards_without_ledger(output, there)
    total, already = (sum(split.n_bytes for split in splits) for splits in (documents, built))
    with session.pipeline("build", "second pass (build)", total, already) as pipeline:
        _ = pipeline | BuildShards(session.recipe_json, output)


def _remove_shards_without_ledger(output: str, ledgers: set[str]) -> None:
    """Remove what an earlier build has left, which may have had parts that the next one has not."""
    for name in storage.list_names(output, "shards"):
        source, shard = shard_of_file(name)
        if shard_ledger_name(source, shard) not in ledgers:
            storage.remove(output, name)


def missing_shards(output: str) -> Iterator[Shard]:
    """Yield every shard of the plan that has no ledger."""
    there = storage.list_names(output, "ledger")
    for shard in read_shards(output):
        if shard_ledger_name(shard.source, shard.shard) not in there:
            yield shard


class BuildShard(WritingDoFn):
    """Build one shard."""

    def __init__(self, recipe_json: str, output: str) -> None:
        super().__init__(output)
        self.recipe_json = recipe_json

    def process(self, element: Shard) -> None:
        """Build the shard that the element describes."""
        source, number, splits = element
        build_shard(
            Shard(source, number, [Split(*split) for split in splits]),
            cached_recipe(self.recipe_json),
            self.output,
        )


class BuildShards(beam.PTransform):
    """From the output folder's plan to all its shards."""

    def __init__(self, recipe_json: str, output: str) -> None:
        super().__init__()
        self.recipe_json = recipe_json
        self.output = output

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """List what is missing, spread it over the workers, build."""
        return (
            root
            | "ListMissingShards" >> FromPlan(self.output, missing_shards)
            | "BuildShard" >> beam.ParDo(BuildShard(self.recipe_json, self.output))
        )

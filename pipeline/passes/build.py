"""Second pass: every output shard is built from its splits, in the order of the input.

A shard's worker reads the splits again, applies the decisions of the first pass, filters,
tokenises, and writes. No text is shuffled. Files get their names when they are whole; the shard's
own ledger comes last, so a shard without one is not there, and is built again.
"""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam

from pipeline.files import storage
from pipeline.output.layout import Shard, Split, read_shards, shard_ledger_name
from pipeline.passes.process import cached_recipe
from pipeline.passes.write_shard import build_shard
from pipeline.passes.writing import WritingDoFn


class MissingShards(beam.DoFn):
    """Lists the shards of the plan that are not there yet."""

    def process(self, output: str) -> Iterator[Shard]:
        """Yield every shard without a ledger."""
        there = storage.list_names(output, "ledger")
        for shard in read_shards(output):
            if shard_ledger_name(shard.source, shard.shard) not in there:
                yield shard


class BuildShard(WritingDoFn):
    """Builds one shard."""

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
    """The second pass: from the output folder's plan to all its shards."""

    def __init__(self, recipe_json: str, output: str) -> None:
        super().__init__()
        self.recipe_json = recipe_json
        self.output = output

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """List what is missing, spread it over the workers, build."""
        return (
            root
            | "Start" >> beam.Create([self.output])
            | "ListMissingShards" >> beam.ParDo(MissingShards())
            | "SpreadShards" >> beam.Reshuffle()
            | "BuildShard" >> beam.ParDo(BuildShard(self.recipe_json, self.output))
        )

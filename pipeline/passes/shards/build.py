"""Second pass: every output shard is built from its splits, in the order of the input.

A shard's worker reads the splits again, applies the decisions of the first pass, filters,
tokenises, and writes. No text is shuffled. Files get their names when they are whole; the shard's
own ledger comes last, so a shard without one is not there, and is built again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.files import storage
from pipeline.files.trusted import check_trusted, trusted
from pipeline.output import whole_files
from pipeline.output.documents import parquet_writer
from pipeline.output.layout import (
    DROPPED,
    DROPPED_SCHEMA,
    PARTS,
    Shard,
    dropped_name,
    is_validation,
    observed_name,
    read_shards,
    shard_ledger_name,
    shard_of,
    shard_of_file,
)
from pipeline.output.ledger import Tally, check_balance
from pipeline.output.opt_out import list_of_run
from pipeline.output.progress import ProgressLog
from pipeline.passes.beam_parts import RecipeDoFn, RecipeTransform
from pipeline.passes.from_plan import FromPlan
from pipeline.passes.kept_documents import is_kept, times_when_kept
from pipeline.passes.process import characters, process_split
from pipeline.passes.session import Session
from pipeline.passes.shards.dropped import DroppedDocuments
from pipeline.passes.shards.grouped_part import GroupedPart
from pipeline.passes.shards.observe_shard import ShardObserver
from pipeline.passes.shards.part_files import PartWriter, describe_files
from pipeline.passes.shards.text_part import TextPartWriter
from pipeline.passes.shards.units import TEXT_UNITS, open_part, token_units
from pipeline.recipe.recipe import Recipe
from transforms.privacy.opt_out import parse_opt_out


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


class BuildShard(RecipeDoFn):
    """Builds one shard."""

    def process(self, element: Shard) -> None:
        """Build the shard that the element describes."""
        build_shard(shard_of(element), self.recipe, self.output)


class BuildShards(RecipeTransform):
    """The second pass: from the output folder's plan to all its shards."""

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """List what is missing, spread it over the workers, build."""
        return (
            root
            | "ListMissingShards" >> FromPlan(self.output, missing_shards)
            | "BuildShard" >> beam.ParDo(BuildShard(self.recipe_json, self.output))
        )


def build_shard(shard: Shard, recipe: Recipe, output: str) -> None:
    """Read, filter, tokenise (shards of tokens) and write a shard, and its ledger last.

    Raises ValueError where the shard's counts do not add up, and ChangedError where the tokenizer
    has changed.
    """
    tokenizer = [] if recipe.shards.is_text else [recipe.tokenizer.model]
    units = token_units(recipe.tokenizer, trusted(*tokenizer)) if tokenizer else TEXT_UNITS
    rows: list[dict[str, Any]] = []
    parts: dict[str, PartWriter | TextPartWriter | GroupedPart] = {}
    with ExitStack() as stack:
        name_of_dropped = dropped_name(shard.source, shard.shard)
        file_of_dropped = stack.enter_context(whole_files.write_whole(output, name_of_dropped))
        dropped = DroppedDocuments(
            stack.enter_context(parquet_writer(file_of_dropped, DROPPED_SCHEMA))
        )
        left_out = parse_opt_out(list_of_run(output))
        keeps = is_kept(recipe.source(shard.source), recipe.reading, is_last=True)
        observer = ShardObserver(left_out, dropped.observe)
        for split in shard.splits:
            tally = Tally()
            progress = ProgressLog(output, "build", split)
            earlier = times_when_kept(output, split)
            observer.times.restart()
            batches = process_split(
                split, recipe, output, tally,
                observer=observer.observe, left_out=left_out, keeps=keeps,
            )  # fmt: skip
            for batch in progress.watch(batches):
                for part, documents in _divided(batch, recipe.shards.validation_fraction):
                    if part not in parts:
                        parts[part] = open_part(part, shard, recipe, output, stack, units)
                    n_characters = int(pc.sum(characters(documents)).as_py())
                    tally.add("write", "out", part, documents.num_rows, n_characters)
                    observer.kept(part, documents)
                    tokens = units.encode(documents["text"])
                    if not recipe.shards.is_text:
                        observer.times.lap("tokenise", documents)
                    parts[part].append(documents, *tokens)
                    observer.times.lap("write", documents)
            observer.times.add(earlier)
            place = {
                "source": shard.source,
                "file": split.name,
                "split": split.split,
                "shard": shard.shard,
            }
            rows += [{**place, **row} for row in tally.rows()]
            check_balance(tally.rows(), split.name)
            progress.done()
        for writer in parts.values():
            writer.finish()
        dropped.finish()
        observer.times.lap("write")
    for part, writer in parts.items():
        counted = [r for r in rows if r["outcome"] == "out" and r["reason"] == part]
        expected = sum(r["documents"] for r in counted), sum(r["characters"] for r in counted)
        if expected != (writer.n_documents, writer.n_characters):
            raise ValueError(
                f"{shard.source} shard {shard.shard}: {writer.n_documents} documents written, "
                f"{expected[0]} in the ledger"
            )
    check_trusted(tokenizer)
    summary = {part: writer.summary() for part, writer in sorted(parts.items())}
    observed = storage.json_bytes(observer.result())
    whole_files.write_bytes(output, observed_name(shard.source, shard.shard), observed)
    ledger = {
        "source": shard.source,
        "shard": shard.shard,
        "parts": summary,
        DROPPED: {
            "documents": dropped.n_documents,
            "files": describe_files({name_of_dropped: file_of_dropped}),
        },
        "rows": rows,
    }
    whole_files.write_bytes(
        output, shard_ledger_name(shard.source, shard.shard), storage.json_bytes(ledger)
    )


def _divided(batch: pa.RecordBatch, fraction: float) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Divide a batch into its training and its validation documents; empty parts are left out."""
    ids = batch["id"].to_pylist()
    held_out = pa.array([is_validation(identifier, fraction) for identifier in ids], pa.bool_())
    for part, mask in zip(PARTS, (pc.invert(held_out), held_out), strict=True):
        documents = batch.filter(mask)
        if documents.num_rows:
            yield part, documents

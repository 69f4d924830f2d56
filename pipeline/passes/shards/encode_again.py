"""The pass that encodes the documents of finished shards with another tokenizer.

Shards are independent of each other, as in the build: a worker writes one after another, and a
shard's ledger last. One that an earlier attempt has written is read, and kept where it is whole.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import apache_beam as beam

from pipeline.files import storage
from pipeline.files.trusted import check_trusted, trusted
from pipeline.output import whole_files
from pipeline.output.layout import (
    PARTS,
    Shard,
    read_shards,
    shard_file,
    shard_ledger_name,
    shard_of,
)
from pipeline.output.progress import ProgressLog
from pipeline.passes.beam_parts import RecipeDoFn
from pipeline.passes.from_plan import FromPlan
from pipeline.passes.shards.finished_texts import finished_documents
from pipeline.passes.shards.units import open_part, token_units
from pipeline.recipe.recipe import Recipe
from tokenizer.opening import open_encoder

PASS = "encode"
"""Name of the pass, under which its progress is marked."""


class EncodeAgain(beam.PTransform):
    """The pass: from the run ``first`` to the shards of ``output``, which has its plan.

    ``decoder`` is the tokenizer of the shards, None where they hold text.
    """

    def __init__(self, first: str, output: str, recipe_json: str, decoder: str | None) -> None:
        super().__init__()
        self.arguments = first, output, recipe_json, decoder
        self.output = output

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """List the shards, spread them over the workers, encode."""
        return (
            root
            | "ListShards" >> FromPlan(self.output, read_shards)
            | "EncodeShard" >> beam.ParDo(EncodeShard(*self.arguments))
        )


class EncodeShard(RecipeDoFn):
    """Encodes the documents of one shard."""

    def __init__(self, first: str, output: str, recipe_json: str, decoder: str | None) -> None:
        super().__init__(recipe_json, output)
        self.first, self.decoder = first, decoder

    def process(self, element: Shard) -> None:
        """Encode the shard that the element describes."""
        shard = shard_of(element)
        encode_shard(shard, self.first, self.output, self.recipe, self.decoder)
        for split in shard.splits:
            ProgressLog(self.output, PASS, split).done()


def encode_shard(
    shard: Shard, first: str, output: str, recipe: Recipe, decoder: str | None
) -> None:
    """Encode the documents that a shard has in ``first``; write its ledger last.

    A shard that is whole is left as it is. Raises ChangedError where a tokenizer has changed, or a
    text does not come back.
    """
    name = shard_ledger_name(shard.source, shard.shard)
    ledger = storage.read_json(storage.join(first, name))
    if _is_whole(output, name, ledger):
        return
    units = token_units(recipe.tokenizer, trusted(recipe.tokenizer.model))
    opened = None if decoder is None else open_encoder(trusted(decoder))
    summaries = {}
    for part in PARTS:
        if part not in ledger["parts"]:
            continue
        with ExitStack() as stack:
            writer = open_part(part, shard, recipe, output, stack, units)
            prefix = shard_file(shard.source, part, shard.shard, "bin").removesuffix(".bin")
            for batch in finished_documents(Path(first, prefix), opened):
                writer.append(batch, *units.encode(batch["text"]))
            writer.finish()
        summaries[part] = writer.summary()
    check_trusted([recipe.tokenizer.model, *([] if decoder is None else [decoder])])
    whole_files.write_bytes(output, name, storage.json_bytes({**ledger, "parts": summaries}))


def _is_whole(output: str, name: str, first: dict[str, Any]) -> bool:
    """Tell whether a shard has the documents of its ledger in the first run, and all its bytes."""
    if not storage.exists(storage.join(output, name)):
        return False
    ledger = storage.read_json(storage.join(output, name))
    if _documents_of(ledger) != _documents_of(first):
        return False
    files = {
        n: one["sha256"] for part in ledger["parts"].values() for n, one in part["files"].items()
    }
    return all(storage.has_sha256(storage.join(output, n), sha) for n, sha in files.items())


def _documents_of(ledger: dict[str, Any]) -> dict[str, Any]:
    """Return what of a shard's ledger does not depend on the tokenizer."""
    counts = {
        name: [part["documents"], part["characters"]] for name, part in ledger["parts"].items()
    }
    return {**ledger, "parts": counts}

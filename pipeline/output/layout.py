"""Layout of the output folder of a run: the names of its files and what they hold.

=============================================  ====================================================
``run.json``                                   recipe, inputs and models of the run, fingerprinted
``plan.jsonl``                                 one split of an input file a line
``opt_out.txt``                                the opt-out list that the run is made with
``decisions/SOURCE/stepN-splitN.sizes``        how many documents equal those that stay
``indexes/SOURCE/stepN/``                      keys that later runs compare with, and a card
``joined/SOURCE/part-N.parquet``               documents joined from several records
``decisions/SOURCE/stepN-splitN.bits``         lines or documents that deduplication drops
``decisions/SOURCE/stepN-splitN.survivors``    what documents fell to
``shards/SOURCE/PART-N.{bin,idx,docs.parquet}``  tokens, their index, one row a document
``shards/SOURCE/PART-N.text.parquet``          in their place: one row a document, with text
``shards/SOURCE/dropped-N.parquet``            one row a document that a step dropped
``ledger/SOURCE/N.json``                       what became of a shard's documents; written last
``ledger.parquet``                             the ledgers of all shards
``manifest.json``                              totals, mixture, SHA-256 of every file
``mixtures/NAME.json``                         manifests of this mixture and of earlier ones
``observed/SOURCE/N.json``                     times, samples and frequent lines, for the report
``observed/run.json``                          when commands ended the run, and how long they took
``observed/events.jsonl``                      what commands told while they ran, a line each
``report.html``, ``DATACARD.md``               the report and the data card, to read
``work/``                                      temporary files of a run
``work/documents/SOURCE/splitN.arrow``         documents that are kept between the passes
=============================================  ====================================================
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

import pyarrow as pa

from pipeline.files import storage

PLAN_NAME = "plan.jsonl"
RUN_NAME = "run.json"
MANIFEST_NAME = "manifest.json"
MANIFEST_FORMAT = "llama-corpus manifest, version 1"
MIXTURES_FOLDER = "mixtures"
OPT_OUT_NAME = "opt_out.txt"
OBSERVED_FOLDER = "observed"
EVENTS_NAME = f"{OBSERVED_FOLDER}/events.jsonl"
RUN_TIMES_NAME = f"{OBSERVED_FOLDER}/run.json"
INDEXES_FOLDER = "indexes"
KEPT_FOLDER = "work/documents"
REPORT_NAME = "report.html"
DATA_CARD_NAME = "DATACARD.md"
OPT_OUT_STEP = "opt_out"
"""Name of the opt-out list in the ledger, where it stands among the steps of the recipe."""

PARTS = ("train", "validation")
"""Parts of a shard, each with files of its own."""

DROPPED = "dropped"
"""Name under which a shard's dropped documents are listed, beside its parts."""

DOCS_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("token_offset", pa.int64()),
        ("token_count", pa.int64()),
        ("chars", pa.int64()),
        ("url", pa.string()),
        ("language", pa.string()),
        ("language_score", pa.float64()),
        ("perplexity", pa.float64()),
        ("bucket", pa.string()),
        ("metadata", pa.string()),
    ]
)
"""Columns of ``docs.parquet``. ``token_offset`` and ``token_count`` are in tokens."""

DOMAIN_SCHEMA = DOCS_SCHEMA.append(pa.field("domain", pa.string()))
"""Columns of ``docs.parquet`` of a source that is divided into domains."""

TEXT_SUFFIX = "text.parquet"
"""Suffix of the file of a part of a shard of text, the only one that it has."""

TEXT_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        *list(DOCS_SCHEMA)[DOCS_SCHEMA.get_field_index("chars") :],
    ]
)
"""Columns of ``text.parquet``: those of ``docs.parquet`` with the text in place of tokens."""

TEXT_DOMAIN_SCHEMA = TEXT_SCHEMA.append(pa.field("domain", pa.string()))
"""Columns of ``text.parquet`` of a source that is divided into domains."""


def kept_schema(*, is_text: bool, is_divided: bool) -> pa.Schema:
    """Return the columns of documents that were kept: with their text, with their domain."""
    if is_text:
        return TEXT_DOMAIN_SCHEMA if is_divided else TEXT_SCHEMA
    return DOMAIN_SCHEMA if is_divided else DOCS_SCHEMA


DROPPED_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("step", pa.string()),
        ("reason", pa.string()),
        *list(DOCS_SCHEMA)[DOCS_SCHEMA.get_field_index("chars") :],
    ]
)
"""Columns of ``dropped-N.parquet``. ``chars`` is the length before the step that dropped it."""


class Split(NamedTuple):
    """An input file, or a range of its bytes, that one task reads."""

    source: str
    split: int  # number within the source, in reading order
    path: str
    name: str  # SOURCE/FILE, the beginning of its documents' ids
    start: int  # in bytes; 0 in files that are not cut
    end: int | None  # in bytes; None: to the end of the file
    n_bytes: int  # size as stored, compressed or not
    modified: float  # time of the file, in seconds since 1970
    file: int  # number of the input file within the source
    shard: int  # number of the output shard within the source
    holds: str  # "documents", or "records" to be joined into documents first
    file_bytes: int | None = None  # size of the whole file; None: not known, or not an input
    checksum: str | None = None  # of the whole file, where it is remote


def plan_bytes(plan: Iterable[Split]) -> bytes:
    """Serialise a plan, one JSON object a line."""
    return "".join(json.dumps(split._asdict()) + "\n" for split in plan).encode()


def read_plan(output: str) -> Iterator[Split]:
    """Read ``plan.jsonl`` a line at a time."""
    with storage.open_read(storage.join(output, PLAN_NAME)) as file:
        for line in file:
            yield Split(**json.loads(line))


class Shard(NamedTuple):
    """One output shard and the splits that go into it."""

    source: str
    shard: int
    splits: list[Split]


def read_shards(output: str) -> Iterator[Shard]:
    """Read the plan, shard by shard."""
    documents = (split for split in read_plan(output) if split.holds == "documents")
    for (source, shard), splits in groupby(documents, lambda s: (s.source, s.shard)):
        yield Shard(source, shard, list(splits))


def shard_of(element: Shard) -> Shard:
    """Return a shard that came as an element of a pipeline, whose coders leave plain tuples."""
    source, number, splits = element
    return Shard(source, number, [Split(*split) for split in splits])


def joined_folder(source: str) -> str:
    """Return the folder of a source's documents that were joined from several records."""
    return f"joined/{source}"


def joined_name(source: str, number: int) -> str:
    """Return the name of the file of one partition of joined documents."""
    return f"{joined_folder(source)}/part-{number:05d}.parquet"


def kept_name(split: Split) -> str:
    """Return the name of the file in which a split's documents are kept between the passes."""
    return f"{KEPT_FOLDER}/{split.source}/split{split.split:06d}.arrow"


def shard_ledger_name(source: str, shard: int) -> str:
    """Return the name of a shard's ledger; the shard is complete once this file exists."""
    return f"ledger/{source}/{shard:05d}.json"


def dropped_name(source: str, shard: int) -> str:
    """Return the name of the file with one row for each document that a shard dropped."""
    return f"shards/{source}/dropped-{shard:05d}.parquet"


def dropped_summary(shard: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the manifest's summary of the documents that a shard dropped.

    It is empty for runs of versions before 0.2, which kept no record of them.
    """
    return shard.get(DROPPED, {"documents": 0, "files": {}})


def observed_name(source: str, shard: int) -> str:
    """Return the name of the file with the statistics observed while a shard was built."""
    return f"{OBSERVED_FOLDER}/{source}/{shard:05d}.json"


def shard_file(source: str, part: str, shard: int, suffix: str) -> str:
    """Return the name of one of a shard's files by its suffix.

    It is ``bin``, ``idx`` or ``docs.parquet``, or :data:`TEXT_SUFFIX` for a shard of text.
    """
    return f"shards/{source}/{part}-{shard:05d}.{suffix}"


def shard_title(source: str, part: str, shard: int) -> str:
    """Return the name by which people call a part of a shard, ``SOURCE/PART-NNNNN``."""
    return f"{source}/{part}-{shard:05d}"


def holds_text(manifest: Mapping[str, Any]) -> bool:
    """Tell whether the shards of a manifest hold text, and no tokens."""
    return manifest["recipe"]["shards"].get("format") == "text"


def refuse_text(output: str, manifest: Mapping[str, Any]) -> None:
    """Raise ValueError, which says what to do, where a run's shards hold text."""
    if holds_text(manifest):
        raise ValueError(
            f"{output}: its shards are text; 'corpus retokenize {output} --tokenizer FILE "
            "--output OUT2' makes tokens of them"
        )


def shard_of_file(name: str) -> tuple[str, int]:
    """Return the source and the number of the shard from the name of a file in ``shards/``."""
    _, source, file = name.split("/")
    return source, int(file.split(".")[0].rsplit("-", 1)[1])


def is_validation(identifier: str, fraction: float) -> bool:
    """Say whether a document belongs to the validation part: a matter of its id alone."""
    digest = hashlib.blake2b(identifier.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < fraction * 2.0**64


def mixture_name(name: str) -> str:
    """Return the name of the file that keeps the manifest of a mixture."""
    return f"{MIXTURES_FOLDER}/{name}.json"


def sealed(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest with the field ``sha256``: the digest of all its other fields."""
    body = {key: value for key, value in manifest.items() if key != "sha256"}
    return {**body, "sha256": hashlib.sha256(storage.json_bytes(body)).hexdigest()}

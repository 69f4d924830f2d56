"""What lies where in the output folder of a run.

=============================================  ====================================================
``run.json``                                   recipe, inputs and models of the run, fingerprinted
``plan.jsonl``                                 one split of an input file a line
``opt_out.txt``                                the opt-out list that the run is made with
``joined/SOURCE/part-N.parquet``               documents made of records that stood apart
``decisions/SOURCE/stepN-splitN.bits``         which lines or documents the first pass lets stay
``shards/SOURCE/PART-N.{bin,idx,docs.parquet}``  tokens, their index, one row a document
``shards/SOURCE/dropped-N.parquet``            one row a document that a step dropped
``ledger/SOURCE/N.json``                       what became of a shard's documents; written last
``ledger.parquet``                             the ledgers of all shards
``manifest.json``                              totals, mixture, SHA-256 of every file
``observed/SOURCE/N.json``                     times, samples and frequent lines, for the report
``report.html``, ``DATACARD.md``               what a run made, for people
``work/``                                      what a run needs while it runs
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
OPT_OUT_NAME = "opt_out.txt"
OBSERVED_FOLDER = "observed"
REPORT_NAME = "report.html"
DATA_CARD_NAME = "DATACARD.md"
OPT_OUT_STEP = "opt_out"
"""What the opt-out list goes by in the ledger, beside the steps of a recipe."""

PARTS = ("train", "validation")
DROPPED = "dropped"
"""Goes for a part of a shard: the documents that its build dropped."""

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
"""The columns of ``docs.parquet``; token offsets and counts are in tokens."""

DROPPED_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("step", pa.string()),
        ("reason", pa.string()),
        *list(DOCS_SCHEMA)[DOCS_SCHEMA.get_field_index("chars") :],
    ]
)
"""The columns of ``dropped-N.parquet``; ``chars`` are those ahead of the step that dropped it."""


class Split(NamedTuple):
    """A part of an input file that one worker reads in one go."""

    source: str
    split: int  # number within the source, in reading order
    path: str
    name: str  # SOURCE/FILE, the beginning of its documents' ids
    start: int  # bytes of an uncompressed file
    end: int | None  # None: to the end
    n_bytes: int  # as stored
    modified: float  # of the file, seconds since 1970
    file: int  # number of the file within the source
    shard: int
    holds: str  # "documents"; "records" are to be joined first, into splits of documents


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


def joined_folder(source: str) -> str:
    """Return where a source's documents are that were made of joined records."""
    return f"joined/{source}"


def joined_name(source: str, number: int) -> str:
    """Return the file of the documents of a partition of joined records."""
    return f"{joined_folder(source)}/part-{number:05d}.parquet"


def shard_ledger_name(source: str, shard: int) -> str:
    """Return the file whose presence says that a shard is whole."""
    return f"ledger/{source}/{shard:05d}.json"


def dropped_name(source: str, shard: int) -> str:
    """Return the file of the documents that the build of a shard dropped."""
    return f"shards/{source}/dropped-{shard:05d}.parquet"


def dropped_summary(shard: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a manifest says of the documents that the build of a shard dropped.

    Runs of versions before 0.2 kept no record of them.
    """
    return shard.get(DROPPED, {"documents": 0, "files": {}})


def observed_name(source: str, shard: int) -> str:
    """Return the file of what was observed while a shard was built."""
    return f"{OBSERVED_FOLDER}/{source}/{shard:05d}.json"


def shard_file(source: str, part: str, shard: int, suffix: str) -> str:
    """Return the name of one of a shard's files: ``bin``, ``idx`` or ``docs.parquet``."""
    return f"shards/{source}/{part}-{shard:05d}.{suffix}"


def shard_of_file(name: str) -> tuple[str, int]:
    """Return the source and number of the shard that a file of ``shards/`` belongs to."""
    _, source, file = name.split("/")
    return source, int(file.split(".")[0].rsplit("-", 1)[1])


def is_validation(identifier: str, fraction: float) -> bool:
    """Say whether a document belongs to the validation part: a matter of its id alone."""
    digest = hashlib.blake2b(identifier.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < fraction * 2.0**64


def sealed(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest with the SHA-256 of its own serialisation without that field."""
    body = {key: value for key, value in manifest.items() if key != "sha256"}
    return {**body, "sha256": hashlib.sha256(storage.json_bytes(body)).hexdigest()}

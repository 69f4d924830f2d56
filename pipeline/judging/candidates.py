"""What is compared: whole runs, or the parts of runs by source, domain, bucket or step.

The documents of a candidate are those of the part ``train``. By step, the documents that each step
dropped are a candidate beside those that its source kept. By domain, a source that is not divided
is one part.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.inspection.document_rows import DocumentFile, document_files, row_groups
from pipeline.inspection.manifest import load_manifest
from pipeline.output.layout import DROPPED, refuse_text
from pipeline.recipe.mixture import DOMAINS_KEY

By = Literal["source", "domain", "bucket", "step"]

NO_BUCKET = "no bucket"


class Candidate(NamedTuple):
    """Documents that are compared with those of other candidates.

    Those of a step that dropped them are not in the shards. Their number of tokens is estimated
    from their characters.
    """

    name: str
    output: str
    manifest: dict[str, Any]
    files: tuple[DocumentFile, ...]
    file: npt.NDArray[np.int32]  # index into ``files`` of each document
    row: npt.NDArray[np.int64]  # the document's row in that file
    tokens: npt.NDArray[np.int64]  # without marks of begin and end
    key: npt.NDArray[np.uint64]  # hash of its id

    @property
    def n_tokens(self) -> int:
        """The number of tokens of all its documents."""
        return int(self.tokens.sum())


class _Row(NamedTuple):
    """The columns of some documents of a file that belong to one candidate."""

    name: str
    file: DocumentFile
    rows: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64]


def candidates_of(outputs: Sequence[str], by: By | None) -> list[Candidate]:
    """Return the candidates of some runs, in the order of the runs and their sources.

    Raises ValueError where a folder holds no finished run, or one of text, or the same run is given
    twice.
    """
    if len(set(outputs)) < len(outputs):
        raise ValueError("a run is given twice; a comparison with itself tells nothing")
    found: list[Candidate] = []
    for output in outputs:
        manifest = load_manifest(output)
        refuse_text(output, manifest)
        if by is None:
            parts: Iterable[_Row] = (r._replace(name=output) for r in _kept(output, manifest, None))
        else:
            kept = _kept(output, manifest, by)
            parts = [*kept, *(_dropped(output, manifest) if by == "step" else [])]
        prefix = f"{output}: " if by is not None and len(outputs) > 1 else ""
        found += _joined(output, manifest, parts, prefix)
    return found


def domains_of(manifest: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return what a manifest says of each domain of a source; nothing where it is not divided."""
    return manifest["sources"][source].get(DOMAINS_KEY) or {}


def part_name(source: str, domain: str | None) -> str:
    """Name a part of a run: a domain of a source, or a source that is not divided."""
    return source if domain is None else f"{source}/{domain}"


def _kept(output: str, manifest: dict[str, Any], by: By | None) -> Iterator[_Row]:
    marks = manifest["tokenizer"]["bos"] + manifest["tokenizer"]["eos"]
    for file in document_files(output, manifest, parts=("train",)):
        is_divided = by == "domain" and bool(domains_of(manifest, file.source))
        named_by = ["bucket"] if by == "bucket" else ["domain"] if is_divided else []
        for first, rows in row_groups(file, ["id", "token_count", *named_by]):
            names = [file.source + (" kept" if by == "step" else "")] * rows.num_rows
            if by == "bucket":
                names = [bucket or NO_BUCKET for bucket in rows["bucket"].to_pylist()]
            elif is_divided:
                names = [part_name(file.source, domain) for domain in rows["domain"].to_pylist()]
            tokens = np.array(rows["token_count"].to_pylist(), np.int64) - marks
            yield from _by_name(names, file, first, tokens, rows["id"])


def _dropped(output: str, manifest: dict[str, Any]) -> Iterator[_Row]:
    for file in document_files(output, manifest, parts=(DROPPED,)):
        counts = manifest["sources"][file.source]
        if not counts["train_characters"]:
            continue
        rate = counts["train_tokens"] / counts["train_characters"]
        for first, rows in row_groups(file, ["id", "step", "chars"]):
            names = [f"{file.source} dropped by {step}" for step in rows["step"].to_pylist()]
            chars = np.array([count or 0 for count in rows["chars"].to_pylist()], np.float64)
            tokens = np.floor(chars * rate).astype(np.int64)
            yield from _by_name(names, file, first, tokens, rows["id"])


def _by_name(
    names: Sequence[str],
    file: DocumentFile,
    first: int,
    tokens: npt.NDArray[np.int64],
    ids: pa.ChunkedArray,
) -> Iterator[_Row]:
    keys = np.array([_key(identifier) for identifier in ids.to_pylist()], np.uint64)
    labels = np.array(names)
    for name in dict.fromkeys(names):
        at = np.flatnonzero((labels == name) & (tokens > 0))
        yield _Row(name, file, first + at, tokens[at], keys[at])


def _key(identifier: str) -> int:
    return int.from_bytes(hashlib.blake2b(identifier.encode(), digest_size=8).digest(), "big")


def _joined(
    output: str, manifest: dict[str, Any], parts: Iterable[_Row], prefix: str
) -> Iterator[Candidate]:
    rows_of: dict[str, list[_Row]] = defaultdict(list)
    for row in parts:
        rows_of[row.name].append(row)
    for name, rows in rows_of.items():
        files = tuple(dict.fromkeys(row.file for row in rows))
        numbers = [np.full(len(r.rows), files.index(r.file), np.int32) for r in rows]
        yield Candidate(
            prefix + name,
            output,
            manifest,
            files,
            np.concatenate(numbers),
            np.concatenate([r.rows for r in rows]),
            np.concatenate([r.tokens for r in rows]),
            np.concatenate([r.keys for r in rows]),
        )

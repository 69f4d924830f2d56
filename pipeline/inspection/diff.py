"""Comparison of two runs: what became of every document in each.

Documents are joined by their ids, source by source. If both runs put the same input splits into the
same shards, a source is joined shard by shard, and shards with the same files in both runs are not
read. Otherwise the whole source is joined at once. If a join has more than
:data:`JOINED_DOCUMENTS` documents, it is divided into parts by a hash of the ids, and the files are
read once for each part. A document takes about 250 bytes of memory for its rows in both runs.
Tokens take a few megabytes besides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.inspection.document_rows import DocumentFile, document_files, open_tokens, row_groups
from pipeline.inspection.text_shards import TextReader
from pipeline.output.arrow_values import int32_values, mask, numbers, repeated, scalar, truths
from pipeline.output.layout import DROPPED, PARTS, holds_text, read_plan, refuse_text
from tokenizer.shards import ShardReader

JOINED_DOCUMENTS = 2_000_000
"""Most documents of a run that are joined at once; they take about half a gigabyte."""

COMPARED_TOKENS = 1 << 21
"""Tokens of each run that are compared at a time."""

ABSENT = "not in the input"
UNKNOWN = "not kept"
OTHER_TOKENS = "kept, with other tokens"
"""Outcomes of documents that a run has no row of, or that have other tokens."""


class Change(NamedTuple):
    """Documents of a source with one outcome in the first run and another in the second."""

    source: str
    first: str
    second: str
    ids: pa.StringArray


class _Side(NamedTuple):
    """The documents of one run in a join; kept ones come first."""

    ids: pa.StringArray
    outcomes: pa.StringArray  # "kept in train", "dropped by STEP: REASON"
    readers: list[ShardReader | TextReader]
    reader: npt.NDArray[np.int32]  # index in ``readers`` of each kept document
    start: npt.NDArray[np.int64]  # first token of each kept document in its shard
    n_tokens: npt.NDArray[np.int64]


def diff_documents(
    outputs: tuple[str, str], manifests: tuple[dict[str, Any], dict[str, Any]],
    source: str | None = None,
) -> Iterator[tuple[str, int, list[Change]]]:  # fmt: skip
    """Yield, for each join, the source, the number of documents alike, and the changes.

    Documents are alike if they have the same outcome, and the same tokens, in both runs, or the
    same text where both hold text; ValueError says what to do where one does. A change
    lists the ids of all its documents. The same change of a source may occur in several joins.
    """
    if holds_text(manifests[0]) != holds_text(manifests[1]):
        for output, manifest in zip(outputs, manifests, strict=True):
            refuse_text(output, manifest)
    names = [name for name in manifests[0]["sources"] if name in manifests[1]["sources"]]
    names += [n for m in manifests for n in m["sources"] if n not in names]
    if source is not None and source not in names:
        raise ValueError(f"neither run has a source {source!r}; they have {', '.join(names)}")
    same_places = _same_places(outputs)
    sums = _checksums(manifests[0]), _checksums(manifests[1])
    for name in names if source is None else [source]:
        files = [
            _files(output, manifest, name)
            for output, manifest in zip(outputs, manifests, strict=True)
        ]
        shards: list[int | None] = [None]
        if name in same_places:
            shards = [*sorted({file.shard for side in files for file in side})]
        for shard in shards:
            here = [[f for f in side if shard in (None, f.shard)] for side in files]
            if _are_same(here, sums):
                yield name, sum(file.documents for file in here[0]), []
                continue
            n_parts = -(-max(sum(f.documents for f in side) for side in here) // JOINED_DOCUMENTS)
            for part in range(n_parts):
                first, second = (
                    _read_side(output, side, part, n_parts)
                    for output, side in zip(outputs, here, strict=True)
                )
                yield name, *_compare(name, first, second, _absent(manifests))


def _absent(manifests: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """Return, for each run, the outcome of a document that the run has no row of."""
    first, second = (
        ABSENT if all(DROPPED in shard for shard in manifest["shards"]) else UNKNOWN
        for manifest in manifests
    )
    return first, second


def _files(output: str, manifest: dict[str, Any], source: str) -> list[DocumentFile]:
    if source not in manifest["sources"]:
        return []
    has_dropped = all(DROPPED in shard for shard in manifest["shards"])
    parts = (*PARTS, DROPPED) if has_dropped else PARTS
    return document_files(output, manifest, source=source, parts=parts)


def _same_places(outputs: tuple[str, str]) -> set[str]:
    """Return the sources whose splits are the same, and in the same shards, in both runs."""
    plans: list[dict[str, list[tuple[Any, ...]]]] = []
    for output in outputs:
        plans.append({})
        for split in read_plan(output):
            place = split.name, split.start, split.end, split.n_bytes, split.shard, split.holds
            plans[-1].setdefault(split.source, []).append(place)
    return {name for name, places in plans[0].items() if places == plans[1].get(name)}


def _checksums(manifest: dict[str, Any]) -> dict[tuple[str, int], dict[str, str]]:
    """Map every shard to the SHA-256 digests of its files, by their paths."""
    return {
        (shard["source"], shard["shard"]): {
            path: file["sha256"]
            for summary in [*shard["parts"].values(), shard.get(DROPPED, {"files": {}})]
            for path, file in summary["files"].items()
        }
        for shard in manifest["shards"]
    }


def _are_same(
    sides: Sequence[Sequence[DocumentFile]],
    sums: Sequence[dict[tuple[str, int], dict[str, str]]],
) -> bool:
    """Tell whether two runs' files of the same shards have the same digests."""
    shards = [{(file.source, file.shard) for file in side} for side in sides]
    return shards[0] == shards[1] and all(sums[0][shard] == sums[1][shard] for shard in shards[0])


def _read_side(output: str, files: Sequence[DocumentFile], part: int, n_parts: int) -> _Side:
    """Read one part of a run's documents: ids, outcomes, and the places of kept tokens."""
    ids, outcomes = [], []
    readers: list[ShardReader | TextReader] = []
    of_reader = [np.zeros(0, np.int32)]
    starts, counts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for file in sorted(files, key=lambda file: file.part == DROPPED):
        if file.part != DROPPED:
            readers.append(open_tokens(output, file))
            lengths = readers[-1].lengths.astype(np.int64)
            begins = np.cumsum(lengths) - lengths
        columns = ["id", "step", "reason"] if file.part == DROPPED else ["id"]
        for first, group in row_groups(file, columns):
            chosen = _part_of(group["id"].combine_chunks(), part, n_parts)
            rows = group.take(numbers(chosen))
            ids.append(rows["id"])
            if file.part == DROPPED:
                outcomes.append(_dropped_by(rows))
            else:
                outcomes.append(repeated(f"kept in {file.part}", rows.num_rows))
                of_reader.append(np.full(rows.num_rows, len(readers) - 1, np.int32))
                starts.append(begins[first + chosen])
                counts.append(lengths[first + chosen])
    return _Side(
        _joined(ids), _joined(outcomes), readers,
        np.concatenate(of_reader), np.concatenate(starts), np.concatenate(counts),
    )  # fmt: skip


def _part_of(ids: pa.StringArray, part: int, n_parts: int) -> npt.NDArray[np.int64]:
    """Return the indices of the ids that belong to part ``part`` of ``n_parts``."""
    if n_parts == 1:
        return np.arange(len(ids))
    from transforms.kernels.lines import document_keys

    return np.flatnonzero(document_keys(ids) % np.uint64(n_parts) == part)


def _dropped_by(rows: pa.Table) -> pa.ChunkedArray:
    step = pc.binary_join_element_wise(scalar("dropped by "), rows["step"], scalar(""))
    return pc.binary_join_element_wise(step, rows["reason"], scalar(": "))


def _joined(parts: Sequence[pa.Array | pa.ChunkedArray]) -> pa.StringArray:
    chunks = [
        chunk
        for part in parts
        for chunk in (part.chunks if isinstance(part, pa.ChunkedArray) else [part])
    ]
    return pa.chunked_array(chunks, pa.string()).combine_chunks()


def _compare(
    source: str, first: _Side, second: _Side, absent: tuple[str, str]
) -> tuple[int, list[Change]]:
    """Join two sides by id; returns the number of documents alike, and the changes."""
    place = pc.index_in(first.ids, value_set=second.ids)
    is_in_both = truths(place.is_valid())
    mine = np.flatnonzero(is_in_both)
    its = int32_values(place.drop_null()).astype(np.int64)
    here, there = first.outcomes.take(numbers(mine)), second.outcomes.take(numbers(its))
    # Kept documents come first on either side; rows after them are dropped ones.
    both_kept = (mine < len(first.n_tokens)) & (its < len(second.n_tokens))
    other_tokens = np.zeros(len(mine), bool)
    other_tokens[both_kept] = ~_same_tokens(first, mine[both_kept], second, its[both_kept])
    there = pc.if_else(mask(other_tokens), scalar(OTHER_TOKENS), there)
    differ = truths(pc.not_equal(here, there))
    only_first = np.flatnonzero(~is_in_both)
    is_new = np.ones(len(second.ids), bool)
    is_new[its] = False
    only_second = np.flatnonzero(is_new)
    was = [here.filter(mask(differ)), first.outcomes.take(numbers(only_first)),
           repeated(absent[0], len(only_second))]  # fmt: skip
    now = [there.filter(mask(differ)), repeated(absent[1], len(only_first)),
           second.outcomes.take(numbers(only_second))]  # fmt: skip
    ids = [first.ids.take(numbers(mine[differ])), first.ids.take(numbers(only_first)),
           second.ids.take(numbers(only_second))]  # fmt: skip
    changes = _grouped(source, _joined(was), _joined(now), _joined(ids))
    return len(mine) - int(differ.sum()), list(changes)


def _grouped(
    source: str, was: pa.StringArray, now: pa.StringArray, ids: pa.StringArray
) -> Iterator[Change]:
    """Group documents by their outcomes in the two runs, in the order of each group's first one.

    ``pa.Table.group_by`` would do the same but import pandas.
    """
    before, after = was.dictionary_encode(), now.dictionary_encode()
    if not len(ids):
        return
    codes = int32_values(before.indices).astype(np.int64) * len(after.dictionary)
    codes += int32_values(after.indices)
    _, firsts, of_row = np.unique(codes, return_index=True, return_inverse=True)
    for group in np.argsort(firsts).tolist():
        row = int(firsts[group])
        rows = np.flatnonzero(of_row == group)
        yield Change(source, was[row].as_py(), now[row].as_py(), ids.take(numbers(rows)))


def _same_tokens(
    first: _Side, mine: npt.NDArray[np.int64], second: _Side, its: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return for each pair of kept documents whether their tokens are the same."""
    same = np.asarray(first.n_tokens[mine] == second.n_tokens[its])
    shards = first.reader[mine].astype(np.int64) * len(second.readers) + second.reader[its]
    order = np.argsort(shards, kind="stable")
    order = order[same[order]]
    cuts = np.flatnonzero(np.diff(shards[order])) + 1
    for pairs in np.split(order, cuts):
        for some in _runs(pairs, first.n_tokens[mine[pairs]]):
            counts = first.n_tokens[mine[some]]
            one, other = mine[some[0]], its[some[0]]
            tokens = _gathered(first.readers[first.reader[one]], first.start[mine[some]], counts)
            others = _gathered(
                second.readers[second.reader[other]], second.start[its[some]], counts
            )
            same[some] = _all_of_each(tokens == others, counts)
    return same


def _runs(
    pairs: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> Iterator[npt.NDArray[np.int64]]:
    """Divide pairs of documents into runs of about :data:`COMPARED_TOKENS` tokens."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    cuts = np.searchsorted(ends, np.arange(COMPARED_TOKENS, total, COMPARED_TOKENS))
    return (run for run in np.split(pairs, cuts) if len(run))


def _gathered(
    reader: ShardReader | TextReader, starts: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> npt.NDArray[Any]:
    """Return the concatenated tokens of documents of a shard."""
    firsts = np.cumsum(counts) - counts
    return np.asarray(reader.tokens[np.arange(counts.sum()) + np.repeat(starts - firsts, counts)])


def _all_of_each(
    equal: npt.NDArray[np.bool_], counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return for each document whether all its tokens are equal; true for one without tokens."""
    wrong = np.concatenate([[0], np.cumsum(~equal)])
    ends = np.cumsum(counts)
    return np.asarray(wrong[ends] == wrong[ends - counts])

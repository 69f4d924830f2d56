"""Random documents of a run, kept or dropped, that match a filter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.inspection.document_rows import (
    DocumentFile,
    Filter,
    document_files,
    open_tokens,
    read_rows,
    row_groups,
)
from pipeline.output.layout import DROPPED, PARTS, shard_title


def sample_documents(
    output: str,
    manifest: dict[str, Any],
    *,
    n: int,
    seed: int,
    wanted: Filter,
    source: str | None = None,
    part: str | None = None,
) -> tuple[int, list[dict[str, Any]]]:
    """Draw ``n`` of the matching documents, uniformly and without replacement.

    ``part`` is ``train``, ``validation`` or ``dropped``; None stands for all kept documents.
    Returns the number of documents that match, and the drawn ones in the order of the shards, with
    their texts. The text of a dropped document is read again from the input, as it was when it was
    dropped. The same seed draws the same documents of the same run. One row group and the sample
    are in memory at a time.
    """
    if n < 1:
        raise ValueError(f"-n {n}: draw one document at the least")
    parts = PARTS if part is None else (part,)
    files = document_files(output, manifest, source=source, parts=parts)
    if wanted.domain is not None:
        files = _files_with_domain(output, manifest, files, wanted.domain)
    counts = [_count(file, wanted) for file in files]
    ends = np.cumsum(np.array(counts, np.int64))
    total = int(ends[-1]) if len(ends) else 0
    if not total:
        _check_values(files, wanted)
        return 0, []
    generator = np.random.default_rng(seed)
    drawn = np.sort(generator.choice(total, size=min(n, total), replace=False))
    of_file = np.searchsorted(ends, drawn, side="right")
    documents = []
    for i in np.unique(of_file).tolist():
        places = drawn[of_file == i] - (ends[i] - counts[i])
        numbers = _numbers(files[i], wanted, places)
        rows = read_rows(files[i], numbers)
        documents += [
            {"shard": files[i].name, "number": number, "record": rows[number]} for number in numbers
        ]
    if part == DROPPED:
        _add_input_texts(output, documents)
    else:
        _add_shard_texts(output, manifest, files, documents)
    return total, documents


def _files_with_domain(
    output: str, manifest: dict[str, Any], files: Sequence[DocumentFile], domain: str
) -> list[DocumentFile]:
    """Return those files that hold documents of a domain. Raises ValueError if there is none."""
    there: dict[str, set[str]] = {
        shard_title(shard["source"], part, shard["shard"]): {one["domain"] for one in groups}
        for shard in manifest["shards"]
        for part, summary in shard["parts"].items()
        if (groups := summary.get("domains")) is not None
    }
    found = [file for file in files if domain in there.get(file.name, ())]
    if not found:
        known = sorted({name for file in files for name in there.get(file.name, ())})
        shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
        raise ValueError(f"{output} has no domain {domain!r}; there are: {shown or 'none'}")
    return found


def _check_values(files: Sequence[DocumentFile], wanted: Filter) -> None:
    """Raise ValueError if no row of the files has a value of the filter."""
    for name in wanted.columns:
        there: set[str] = set()
        for file in files:
            for _, rows in row_groups(file, [name]):
                there.update(rows[name].unique().to_pylist())
        if (value := getattr(wanted, name)) not in there:
            known = ", ".join(sorted(there - {None})) or "none"
            raise ValueError(f"no document has the {name} {value!r}; there are: {known}")


def _count(file: DocumentFile, wanted: Filter) -> int:
    if not wanted.columns:
        return file.documents
    groups = row_groups(file, wanted.columns)
    return sum(int(wanted.matches(rows).sum()) for _, rows in groups)


def _numbers(file: DocumentFile, wanted: Filter, places: npt.NDArray[np.int64]) -> list[int]:
    """Turn indices among the matching documents into numbers of rows; both ascend."""
    if not wanted.columns:
        return [int(place) for place in places]
    numbers: list[int] = []
    before = 0
    for first, rows in row_groups(file, wanted.columns):
        matching = first + np.flatnonzero(wanted.matches(rows))
        here = places[(places >= before) & (places < before + len(matching))] - before
        numbers += matching[here].tolist()
        before += len(matching)
    return numbers


def _add_shard_texts(
    output: str,
    manifest: dict[str, Any],
    files: Sequence[DocumentFile],
    drawn: Sequence[dict[str, Any]],
) -> None:
    """Add the texts of kept documents, which are decoded from their tokens if they have these."""
    from pipeline.inspection.piece_table import document_text, load_piece_table

    table = load_piece_table(manifest)
    file_of = {file.name: file for file in files}
    for shard, documents in groupby(drawn, key=lambda document: str(document["shard"])):
        reader = open_tokens(output, file_of[shard])
        for document in documents:
            document["text"] = document_text(table, reader[document["number"]])


def _add_input_texts(output: str, drawn: Sequence[dict[str, Any]]) -> None:
    """Add the texts of dropped documents, for which each split they come from is read once."""
    from pipeline.inspection.dropped_texts import texts_when_dropped

    of_shard = defaultdict(list)
    for document in drawn:
        of_shard[document["shard"]].append(document)
    for name, documents in of_shard.items():
        source, _, rest = name.partition("/")
        step_of = {one["record"]["id"]: one["record"]["step"] for one in documents}
        texts = texts_when_dropped(output, source, int(rest.rpartition("-")[2]), step_of)
        for document in documents:
            document["text"] = texts[document["record"]["id"]]

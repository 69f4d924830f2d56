"""The plan: which input files there are, how they are cut into splits, and splits put into shards.

The plan depends on the input files and the recipe alone, never on workers or runners, so the same
input gives the same shards everywhere. It is written to ``plan.jsonl``, one split a line, which the
workers read: the list of files is never part of the Beam graph.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline import storage
from pipeline.checked import RecipeError
from pipeline.layout import Split, joined_name
from pipeline.readers.decompress import SEVEN_ZIP_MAGIC, is_compressed
from pipeline.recipe import Recipe, Source
from transforms.deduplicate import DeduplicateLines
from transforms.near_duplicates import DeduplicateNear

# Estimates for --dry_run and for the refusal of a shuffle that does not fit; measured on the
# samples, with what is typical of each format (readers.Typical).
UNPACKED_BYTES_PER_COMPRESSED_BYTE = 3.0
UNPACKED_BYTES_PER_7Z_BYTE = 7.0
TEXT_BYTES_PER_LINE = 45
FINGERPRINT_BYTES_PER_UNIT = 12
BAND_KEY_BYTES = 24


def make_plan(recipe: Recipe) -> list[Split]:
    """List the inputs of every source and cut them up. Raises RecipeError where there are none."""
    return [split for source in recipe.sources for split in _plan_source(recipe, source)]


def _plan_source(recipe: Recipe, source: Source) -> Iterator[Split]:
    try:
        inputs = _inputs(source)
    except RecipeError as error:
        raise RecipeError(f"{recipe.path}: sources.{source.name}.input: {error}") from None
    join = source.reader.join
    if join is None:
        yield from _in_shards(
            recipe, source, list(_read_splits(recipe, source, inputs, "documents"))
        )
        return
    sizes = {name: info.n_bytes for name, info in inputs}
    try:
        chosen = join.choose(sizes, source.reader_options)
    except ValueError as error:
        raise RecipeError(f"{recipe.path}: sources.{source.name}.reader: {error}") from None
    raw = list(
        _read_splits(recipe, source, [pair for pair in inputs if pair[0] in chosen], "records")
    )
    yield from raw
    yield from _in_shards(recipe, source, list(_joined_splits(recipe, source, raw)))


def _read_splits(
    recipe: Recipe, source: Source, inputs: list[tuple[str, storage.FileInfo]], holds: str
) -> Iterator[Split]:
    """Cut input files into splits; they are put into shards later."""
    number = 0
    for file_number, (name, info) in enumerate(inputs):
        for start, end in _cuts(info, source.reader.splits, recipe.reading.split_bytes):
            n_bytes = (info.n_bytes if end is None else end) - start
            yield Split(
                source.name, number, info.path, name, start, end, n_bytes, info.modified,
                file_number, 0, holds,
            )  # fmt: skip
            number += 1


def _joined_splits(recipe: Recipe, source: Source, raw: list[Split]) -> Iterator[Split]:
    """Make one split of each partition that joined documents are written in."""
    total = sum(split.n_bytes for split in raw)
    n_partitions = max(
        1, math.ceil(sum(map(unpacked_bytes, raw)) / recipe.reading.joined_part_bytes)
    )
    for number in range(n_partitions):
        path = joined_name(source.name, number)
        yield Split(
            source.name, number, path, f"{source.name}/part-{number:05d}", 0, None,
            total // n_partitions, 0.0, number, 0, "documents",
        )  # fmt: skip


def _in_shards(recipe: Recipe, source: Source, splits: list[Split]) -> Iterator[Split]:
    """Put consecutive splits into shards of about the recipe's size."""
    shard = 0
    shard_tokens = 0.0
    for split in splits:
        tokens = split.n_bytes * source.expected_tokens_per_input_byte
        if shard_tokens and shard_tokens + tokens > recipe.shards.target_shard_tokens:
            shard += 1
            shard_tokens = 0.0
        shard_tokens += tokens
        yield split._replace(shard=shard)


def _inputs(source: Source) -> list[tuple[str, storage.FileInfo]]:
    """Return the files of a source and their names, sorted by name."""
    found: dict[str, storage.FileInfo] = {}
    for pattern in source.input:
        base = _fixed_folder(pattern)
        for info in storage.match(pattern):
            name = f"{source.name}/{info.path[len(base) :].lstrip('/')}"
            if found.setdefault(name, info).path != info.path:
                raise RecipeError(
                    f"{found[name].path} and {info.path} would both be called {name}; "
                    "give them by one pattern that begins above both"
                )
    if not found:
        raise RecipeError(
            f"no file matches {', '.join(source.input)}; relative patterns begin in {Path.cwd()}"
        )
    return sorted(found.items())


def _fixed_folder(pattern: str) -> str:
    """Return the folder of a pattern before its first wildcard."""
    fixed = pattern
    for wildcard in "*?[":
        fixed = fixed.split(wildcard, 1)[0]
    return fixed.rsplit("/", 1)[0] if "/" in fixed else ""


def _cuts(
    info: storage.FileInfo, splits: frozenset[str], split_bytes: int
) -> list[tuple[int, int | None]]:
    if info.n_bytes <= split_bytes or not splits or _compression(info.path) not in splits:
        return [(0, None)]
    starts = range(0, info.n_bytes, split_bytes)
    return [(start, min(start + split_bytes, info.n_bytes)) for start in starts]


def _compression(path: str) -> str:
    """Return ``plain``, ``bzip2`` or ``other``, by the file's first bytes."""
    with storage.open_read(path) as file:
        head = file.read(16)
    if head.startswith(b"BZh"):
        return "bzip2"
    return "other" if is_compressed(head) or head.startswith(SEVEN_ZIP_MAGIC) else "plain"


class Estimate(NamedTuple):
    """What a source's work will take, by the figures measured on the samples."""

    source: str
    files: int
    n_bytes: int
    splits: int
    shards: int
    shuffle_bytes: int  # of all windows and deduplications together
    largest_window_bytes: int  # of one window of one deduplication: what must fit at a time
    core_hours: float


def unpacked_bytes(split: Split) -> float:
    """Estimate the size of a split without its compression, by its name's suffix."""
    if split.path.endswith(".7z"):
        return split.n_bytes * UNPACKED_BYTES_PER_7Z_BYTE
    compressed = split.path.endswith((".gz", ".zst", ".bz2"))
    return split.n_bytes * (UNPACKED_BYTES_PER_COMPRESSED_BYTE if compressed else 1.0)


def shuffle_bytes(source: Source, step: int, unpacked_bytes: float) -> int:
    """Estimate the fingerprints that a deduplication of so much input shuffles."""
    target, parameters = source.steps[step].target, source.steps[step].parameters
    typical = source.reader.typical
    text_bytes = unpacked_bytes * typical.text_fraction
    if target is DeduplicateNear:
        n_documents = text_bytes / typical.document_bytes
        return int(n_documents * parameters["bands"] * BAND_KEY_BYTES)
    unit_bytes = TEXT_BYTES_PER_LINE if target is DeduplicateLines else typical.document_bytes
    return int(text_bytes / unit_bytes * FINGERPRINT_BYTES_PER_UNIT)


def window_of(source: Source, step: int, split: Split) -> int:
    """Return the number of the window of a deduplication that a split belongs to."""
    window_files = source.steps[step].parameters.get("window_files")
    return 0 if window_files is None else split.file // window_files


def window_sizes(
    source: Source, plan: list[Split], step: int, window_files: int | None = None
) -> dict[int, int]:
    """Estimate the shuffle bytes of each window, of the recipe's size or of another."""
    unpacked: dict[int, float] = {}
    for split in plan:
        if split.source == source.name and split.holds == "documents":
            window = split.file // window_files if window_files else window_of(source, step, split)
            unpacked[window] = unpacked.get(window, 0.0) + unpacked_bytes(split)
    return {window: shuffle_bytes(source, step, size) for window, size in unpacked.items()}


def estimate(source: Source, plan: list[Split]) -> Estimate:
    """Add up a source's plan."""
    mine = [split for split in plan if split.source == source.name]
    raw = [split for split in mine if split.holds == "records"]
    splits = [split for split in mine if split.holds == "documents"]
    sizes = [
        size
        for step in source.shuffle_positions
        for size in window_sizes(source, plan, step).values()
    ]
    read = raw or splits
    core_seconds = sum(map(unpacked_bytes, read)) / 1e6 * source.reader.typical.core_seconds_per_mb
    return Estimate(
        source=source.name,
        files=len({split.file for split in read}),
        n_bytes=sum(split.n_bytes for split in read),
        splits=len(splits),
        shards=len({split.shard for split in splits}),
        shuffle_bytes=sum(sizes),
        largest_window_bytes=max(sizes, default=0),
        core_hours=core_seconds / 3600,
    )

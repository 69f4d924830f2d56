"""Estimates of a plan: sizes unpacked, shuffles by window, tasks, core-hours."""

from __future__ import annotations

import math
from typing import NamedTuple

from pipeline.errors import RunError
from pipeline.output.layout import (
    Split,
)
from pipeline.recipe.recipe import Recipe, Source
from pipeline.runners.execution import Execution, Tasks

PARTITION_BYTES = 64 << 20
"""Fingerprints that one reducer holds and sorts; Spark holds a key's values in memory."""


# Estimates for --dry_run and for the refusal of a shuffle that does not fit; measured on the
# samples, with what is typical of each format (readers.Typical).
UNPACKED_BYTES_PER_COMPRESSED_BYTE = 3.0


UNPACKED_BYTES_PER_7Z_BYTE = 7.0


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
    typical = source.reader.typical
    text_bytes = unpacked_bytes * typical.text_fraction
    return source.steps[step].deduplication.shuffle_bytes(text_bytes, typical.document_bytes)


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


SHUFFLE_MEMORY_FACTOR = 3
"""Memory that the DirectRunner takes for a byte of shuffle: elements, groups and copies between."""


COMPARED_TEXT_BYTES = 4 * PARTITION_BYTES
"""Text that a task of a near-duplicate step reads, on the average. Where a tenth of the documents
have likenesses, the shingles that it puts out are as many bytes."""


def check_shuffle(recipe: Recipe, plan: list[Split], execution: Execution) -> None:
    """Refuse a deduplication whose fingerprints do not fit where they are held in memory."""
    if not execution.holds_shuffle_in_memory:
        return
    limit = execution.memory_bytes // SHUFFLE_MEMORY_FACTOR
    for source in recipe.sources:
        for step in source.shuffle_positions:
            sizes = window_sizes(source, plan, step)
            if max(sizes.values()) > limit:
                raise RunError(_too_large(source, plan, step, max(sizes.values()), limit))


def tasks_of(recipe: Recipe, plan: list[Split]) -> Tasks:
    """Return how many tasks have each put out about a partition of the shuffle, on the average."""
    documents = [split for split in plan if split.holds == "documents"]
    tasks = 0.0
    for source in recipe.sources:
        for step in source.shuffle_positions:
            tasks += sum(window_sizes(source, documents, step).values()) / PARTITION_BYTES
            if source.steps[step].deduplication.compares_texts:
                unpacked = sum(
                    unpacked_bytes(one) for one in documents if one.source == source.name
                )
                tasks += unpacked * source.reader.typical.text_fraction / COMPARED_TEXT_BYTES
    return Tasks(math.ceil(tasks), max(len(documents), len(plan) - len(documents)))


def _too_large(source: Source, plan: list[Split], step: int, size: int, limit: int) -> str:
    """Say that a shuffle does not fit, with the largest window that would."""
    name = source.steps[step].name
    files = 1 + max(split.file for split in plan if split.source == source.name)
    window = files
    while window and max(window_sizes(source, plan, step, window).values()) > limit:
        window //= 2
    advice = f"set a window, --set sources.{source.name}.steps.{name}.window_files={window}, or "
    return (
        f"source {source.name}: {name} would shuffle {size:,} bytes at a time, and the "
        f"DirectRunner, which holds them in memory, has room for {limit:,}; "
        f"{advice if window else 'not even one file fits: '}run on Spark or Dataflow"
    )

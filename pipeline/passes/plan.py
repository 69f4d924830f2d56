"""The plan: which input files there are, how they are cut into splits, and what these add up to.

Splits are put into shards, and into the windows that a deduplication compares. The plan depends on
the input files and the recipe alone, never on workers or runners, so the same input gives the same
shards everywhere. Its splits are written to ``plan.jsonl``, one a line, which the workers read: the
list of files is never part of the Beam graph.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import RecipeError, RunError
from pipeline.files import storage
from pipeline.output.decisions import clusters_name, decision_name
from pipeline.output.layout import Split, joined_name
from pipeline.passes.estimates import Estimate, shuffle_bytes, unpacked_bytes, window_of
from pipeline.passes.kept_documents import is_kept
from pipeline.readers.containers.decompress import SEVEN_ZIP_MAGIC, is_compressed
from pipeline.recipe.recipe import Recipe, Source
from pipeline.runners.execution import PARTITION_BYTES

MIN_PARTITIONS = 8
"""Fewest partitions of a shuffle, so that a small one is worked on side by side as well."""


class Window(NamedTuple):
    """Files of a source among which one of its deduplications compares, or files of several."""

    source: Source  # of several, the most preferred
    step: int  # the deduplication's position among the source's steps
    number: int  # in the order of the files
    splits: list[Split]
    shuffle_bytes: int  # by estimate

    @property
    def n_partitions(self) -> int:
        """How many partitions its shuffle has."""
        return max(MIN_PARTITIONS, -(-self.shuffle_bytes // PARTITION_BYTES))

    @property
    def decision_names(self) -> set[str]:
        """The files of its decisions."""
        step_of = dict(self.source.places(self.step))
        return {decision_name(s.source, step_of[s.source], s.split) for s in self.splits}

    @property
    def measures_clusters(self) -> bool:
        """Whether the sizes of clusters are looked for behind the decisions."""
        deduplication = self.source.steps[self.step].deduplication
        return deduplication.finds_near_duplicates and deduplication.records_sizes

    @property
    def names(self) -> set[str]:
        """The files of its decisions, and the one that is written last where it has clusters."""
        last = {clusters_name(self.source.name, self.step, self.number)}
        return self.decision_names | (last if self.measures_clusters else set())


@dataclass(frozen=True)
class Plan:
    """The splits of all sources of a recipe, and what their sizes tell of the work."""

    recipe: Recipe
    splits: list[Split]  # source by source, in reading order

    @cached_property
    def documents(self) -> list[Split]:
        """The splits that hold documents."""
        return [split for split in self.splits if split.holds == "documents"]

    @cached_property
    def windows(self) -> dict[tuple[str, int], list[Window]]:
        """The windows of every deduplication, by the source's name and the step's position.

        Those of a deduplication across sources are by its place in the most preferred of them.
        """
        return {
            (source.name, step): self._windows(source, step)
            for source in self.recipe.sources
            for step in source.shuffle_positions
            if source.places(step)[0].source == source.name
        }

    @cached_property
    def shuffle_bytes(self) -> int:
        """Fingerprints that all deduplications together shuffle, by estimate."""
        return sum(one.shuffle_bytes for windows in self.windows.values() for one in windows)

    @cached_property
    def compared_text_bytes(self) -> float:
        """Text that near-duplicate steps read again to compare documents, by estimate."""
        return sum(
            unpacked_bytes(split) * self.recipe.source(split.source).reader.typical.text_fraction
            for windows in self.windows.values()
            for window in windows
            if window.source.steps[window.step].deduplication.compares_texts
            for split in window.splits
        )

    @cached_property
    def n_splits(self) -> int:
        """Splits that the longest stage reads: those of documents, or of records to be joined."""
        return max(len(self.documents), len(self.splits) - len(self.documents))

    @cached_property
    def core_seconds(self) -> float:
        """Processor time of all passes together, by estimate."""
        return sum(3600 * self.estimate(source).core_hours for source in self.recipe.sources)

    def check_shuffle(self, limit: float) -> None:
        """Raise RunError where a deduplication shuffles more than ``limit`` bytes at a time."""
        for (name, step), windows in self.windows.items():
            size = max((window.shuffle_bytes for window in windows), default=0)
            if size > limit:
                raise RunError(self._too_large(self.recipe.source(name), step, size, limit))

    def estimate(self, source: Source) -> Estimate:
        """Add up a source's splits."""
        mine = [split for split in self.splits if split.source == source.name]
        splits = [split for split in mine if split.holds == "documents"]
        read = [split for split in mine if split.holds == "records"] or splits
        unpacked = sum(map(unpacked_bytes, read))
        sizes = [
            window.shuffle_bytes
            for step in source.shuffle_positions
            for window in self.windows.get((source.name, step), [])
        ]
        kept = is_kept(source, self.recipe.reading, is_last=not source.shuffle_positions)
        return Estimate(
            source=source.name,
            files=len({split.file for split in read}),
            n_bytes=sum(split.n_bytes for split in read),
            splits=len(splits),
            shards=len({split.shard for split in splits}),
            shuffle_bytes=sum(sizes),
            largest_window_bytes=max(sizes, default=0),
            kept_bytes=round(unpacked * source.reader.typical.kept_fraction) if kept else 0,
            core_hours=unpacked / 1e6 * source.reader.typical.core_seconds_per_mb / 3600,
        )

    def _windows(self, source: Source, step: int, window_files: int | None = None) -> list[Window]:
        """Divide the documents that are compared into windows, of the recipe's size or another."""
        step_of = dict(source.places(step))
        by_number: dict[int, list[Split]] = {}
        for split in self.documents:
            if split.source in step_of:
                own = window_of(source, step, split)
                number = split.file // window_files if window_files else own
                by_number.setdefault(number, []).append(split)
        return [
            Window(source, step, number, splits, self._shuffle_bytes(step_of, splits))
            for number, splits in by_number.items()
        ]

    def _shuffle_bytes(self, step_of: Mapping[str, int], splits: list[Split]) -> int:
        """Estimate what a window shuffles, of one source or of several."""
        sizes: dict[str, float] = {}
        for split in splits:
            sizes[split.source] = sizes.get(split.source, 0) + unpacked_bytes(split)
        return sum(
            shuffle_bytes(self.recipe.source(name), step_of[name], size)
            for name, size in sizes.items()
        )

    def _too_large(self, source: Source, step: int, size: int, limit: float) -> str:
        """Say that a shuffle does not fit, with the largest window that would."""
        name = source.steps[step].name
        refusal = (
            f"{name} would shuffle {size:,} bytes at a time, and the DirectRunner, which holds "
            f"them in memory, has room for {limit:,}; "
        )
        names = [place.source for place in source.places(step)]
        if source.steps[step].across is not None:
            return f"sources {', '.join(names)}: {refusal}run on Spark or Dataflow"
        files = 1 + max(split.file for split in self.splits if split.source == source.name)
        while files and any(w.shuffle_bytes > limit for w in self._windows(source, step, files)):
            files //= 2
        advice = f"set a window, --set sources.{source.name}.steps.{name}.window_files={files}, or "
        advice = advice if files else "not even one file fits: "
        return f"source {source.name}: {refusal}{advice}run on Spark or Dataflow"


def make_plan(recipe: Recipe, *, with_checksums: bool = True) -> Plan:
    """List the inputs of every source and cut them up. Raises RecipeError where there are none.

    The checksums of remote files take a request each. They are for those who read the files.
    """
    splits = (
        split
        for source in recipe.sources
        for split in _plan_source(recipe, source, with_checksums=with_checksums)
    )
    return Plan(recipe, list(splits))


def _plan_source(recipe: Recipe, source: Source, *, with_checksums: bool) -> Iterator[Split]:
    try:
        inputs = _inputs(source)
        checksums = storage.checksums([info.path for _, info in inputs]) if with_checksums else {}
        if source.reader.check_files is not None:
            source.reader.check_files(name for name, _ in inputs)
    except ValueError as error:
        raise RecipeError(f"{recipe.path}: sources.{source.name}.input: {error}") from None
    join = source.reader.join
    if join is None:
        yield from _in_shards(
            recipe, source, list(_read_splits(recipe, source, inputs, checksums, "documents"))
        )
        return
    sizes = {name: info.n_bytes for name, info in inputs}
    try:
        chosen = join.choose(sizes, source.reader_options)
    except ValueError as error:
        raise RecipeError(f"{recipe.path}: sources.{source.name}.reader: {error}") from None
    inputs = [pair for pair in inputs if pair[0] in chosen]
    raw = list(_read_splits(recipe, source, inputs, checksums, "records"))
    yield from raw
    yield from _in_shards(recipe, source, list(_joined_splits(recipe, source, raw)))


def _read_splits(
    recipe: Recipe,
    source: Source,
    inputs: list[tuple[str, storage.FileInfo]],
    checksums: Mapping[str, str],
    holds: str,
) -> Iterator[Split]:
    """Cut input files into splits; they are put into shards later."""
    number = 0
    for file_number, (name, info) in enumerate(inputs):
        for start, end in _cuts(info, source.reader.splits, recipe.reading.split_bytes):
            n_bytes = (info.n_bytes if end is None else end) - start
            yield Split(
                source.name, number, info.path, name, start, end, n_bytes, info.modified,
                file_number, 0, holds, info.n_bytes,
                checksums.get(info.path),
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
        if shard_tokens and shard_tokens + tokens > recipe.shards.planned_tokens:
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

"""The plan: which input files there are, how they are cut into splits, and splits put into shards.

The plan depends on the input files and the recipe alone, never on workers or runners, so the same
input gives the same shards everywhere. It is written to ``plan.jsonl``, one split a line, which the
workers read: the list of files is never part of the Beam graph.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import RecipeError
from pipeline.files import storage
from pipeline.output.layout import Split, joined_name
from pipeline.passes.estimates import unpacked_bytes
from pipeline.readers.containers.decompress import SEVEN_ZIP_MAGIC, is_compressed
from pipeline.recipe.recipe import Recipe, Source


def make_plan(recipe: Recipe) -> list[Split]:
    """List the inputs of every source and cut them up. Raises RecipeError where there are none."""
    return [split for source in recipe.sources for split in _plan_source(recipe, source)]


def _plan_source(recipe: Recipe, source: Source) -> Iterator[Split]:
    try:
        inputs = _inputs(source)
        if source.reader.check_files is not None:
            source.reader.check_files(name for name, _ in inputs)
    except ValueError as error:
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

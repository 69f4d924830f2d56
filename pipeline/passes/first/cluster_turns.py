"""Clusters of near-duplicates: their sizes, by as many turns of large and small stars as it takes.

The first pass leaves the pairs of documents that were found alike in ``work/clusters``. A turn is a
pipeline of its own: it reads what the last one left, shuffles it twice by node, and writes files by
partition (``transforms.dedup.clusters``). No machine holds more than its partitions, of which there
are as many as in the first pass. After each turn a file says how far a round is, so that a run that
was killed goes on with the next. When no node is unsettled any more, a last pipeline writes the
sizes beside the decisions.

Every split has a file of pairs, and every partition a file of each turn, even where there are no
pairs. So one that is missing is never taken for documents without any like them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np

from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.output.decisions import clusters_name, packed_sizes, sizes_name, write_sizes
from pipeline.passes.beam_parts import RecipeTransform, WritingDoFn
from pipeline.passes.first.rounds import (
    PartitionKey,
    Round,
    SplitKey,
    own_key,
    pairs_name,
    splits_of_rounds,
)
from pipeline.passes.from_plan import FromPlan
from pipeline.passes.process import cached_recipe
from pipeline.passes.session import Session
from transforms.dedup.clusters import (
    PAIR_BYTES,
    Rows,
    both_ways,
    large_stars,
    rows_by_partition,
    small_stars,
    star_sizes,
)
from transforms.dedup.near import rows_by_split

CHUNK_PAIRS = 1 << 20
"""Pairs that are read and sent together, which bounds a worker's memory (16 MB, and copies)."""

Turns = Mapping[tuple[str, int, int], int]
"""The turn that each round is at, by source, step and window; 1 is the first."""

_STATE = "state.json"


def measure_clusters(session: Session, rounds: list[Round]) -> None:
    """Write the size of every document's cluster, for rounds whose decisions are there.

    Turns that an earlier attempt has made are not made again.
    """
    states = {one: _state(session, one) for one in rounds}
    while left := [one for one in rounds if states[one]["unsettled"]]:
        turns = {one[:3]: states[one]["turns"] + 1 for one in left}
        name = f"clusters-{left[0].label.replace('/', '-')}-turn{max(turns.values())}"
        with session.pipeline(name, f"clusters, turn {max(turns.values())}", 0) as pipeline:
            _ = pipeline | Turn(session.recipe_json, session.output, left, turns)
        for one in left:
            turn = turns[one[:3]]
            stars = _reports(session, one, turn)
            states[one] = {
                "turns": turn,
                "unsettled": sum(star["unsettled"] for star in stars),
                "shuffle_bytes": states[one]["shuffle_bytes"] + _bytes(stars),
            }
            name = one.cluster_name(_STATE)
            whole_files.write_bytes(session.output, name, storage.json_bytes(states[one]))
            storage.remove(session.output, one.cluster_name(f"turn{turn - 1:03d}"))
    _write_sizes(session, rounds, states)


def _state(session: Session, one: Round) -> dict[str, int]:
    """Return how far a round is: turns made, nodes that were unsettled, bytes shuffled."""
    name = one.cluster_name(_STATE)
    if not session.has(name):
        return {"turns": 0, "unsettled": 1, "shuffle_bytes": 0}
    state: dict[str, int] = storage.read_json(storage.join(session.output, name))
    return state


def _write_sizes(
    session: Session, rounds: list[Round], states: Mapping[Round, Mapping[str, int]]
) -> None:
    turns = {one[:3]: states[one]["turns"] + 1 for one in rounds}
    name = f"clusters-{rounds[0].label.replace('/', '-')}-sizes"
    with session.pipeline(name, "cluster sizes", 0) as pipeline:
        _ = pipeline | MeasureStars(session.recipe_json, session.output, rounds, turns)
    for one in rounds:
        reports = _reports(session, one, turns[one[:3]])
        found = {
            "turns": states[one]["turns"],
            "shuffle_bytes": states[one]["shuffle_bytes"] + _bytes(reports),
            "clusters": sum(report["clusters"] for report in reports),
            "documents": sum(report["documents"] for report in reports),
            "largest": max((report["largest"] for report in reports), default=1),
        }
        name = clusters_name(one.source, one.step, one.window)
        whole_files.write_bytes(session.output, name, storage.json_bytes(found))
    for one in rounds:
        storage.remove(session.output, one.cluster_name())


def _reports(session: Session, one: Round, turn: int) -> list[dict[str, int]]:
    """Read what the partitions of a turn said of themselves."""
    names = [_part_name(one, turn, partition, "json") for partition in range(one.n_partitions)]
    there = storage.list_names(session.output, one.cluster_name(f"turn{turn:03d}"))
    for name in names:
        _check(name in there, name)
    return [storage.read_json(storage.join(session.output, name)) for name in names]


def _check(is_there: bool, name: str) -> None:
    if not is_there:
        raise ValueError(f"{name} is missing, so clusters cannot be measured; use --start_over")


def _bytes(reports: Iterable[Mapping[str, int]]) -> int:
    return sum(report["shuffle_bytes"] for report in reports)


def files_of_rounds(
    output: str, recipe_json: str, rounds: list[Round], turns: Turns
) -> Iterator[tuple[Round, str]]:
    """Yield the files of pairs that a turn reads: the first pass's, or those of the turn before."""
    first = [one for one in rounds if turns[one[:3]] == 1]
    recipe = cached_recipe(recipe_json)
    for one, split in splits_of_rounds(output, recipe_json, first):
        place = one.place_of(recipe, split)
        assert place is not None
        yield one, pairs_name((split.source, place[1], split.split))
    for one in rounds:
        if one not in first:
            for partition in range(one.n_partitions):
                yield one, _part_name(one, turns[one[:3]] - 1, partition)


def partitions_of_rounds(
    output: str, recipe_json: str, rounds: list[Round]
) -> Iterator[tuple[PartitionKey, bytes]]:
    """Yield the key of every partition once, so that there is a file for one without pairs, too."""
    for one in rounds:
        for partition in range(one.n_partitions):
            yield one.partition_key(partition), b""


def _part_name(one: Round, turn: int, partition: int, suffix: str = "pairs") -> str:
    return one.cluster_name(f"turn{turn:03d}", f"part{partition:05d}.{suffix}")


class _ClusterDoFn(WritingDoFn):
    """A part of a turn: it knows the rounds, and the turn that each is at."""

    def __init__(self, output: str, rounds: list[Round], turns: Turns) -> None:
        super().__init__(output)
        self.rounds = {one[:3]: one for one in rounds}
        self.turns = turns

    def write(self, key: PartitionKey, suffix: str, data: bytes) -> None:
        """Write a file of one partition of the turn."""
        name = _part_name(self.rounds[key[:3]], self.turns[key[:3]], key[3], suffix)
        whole_files.write_bytes(self.output, name, data)

    def sent(self, rows: Rows, key: tuple[str, int, int]) -> Iterator[tuple[PartitionKey, bytes]]:
        """Yield rows, packed, keyed by the partitions of their nodes."""
        for partition, part in rows_by_partition(rows, self.rounds[key].n_partitions):
            yield (*key, partition), part.tobytes()


class ReadPairs(_ClusterDoFn):
    """Reads pairs and sends them to the partitions of both nodes."""

    def process(self, element: tuple[Round, str]) -> Iterator[tuple[PartitionKey, bytes]]:
        """Yield rows, packed, keyed by partition. Raises ValueError where the file is missing."""
        one, name = Round(*element[0]), element[1]
        _check(storage.exists(storage.join(self.output, name)), name)
        with storage.open_read(storage.join(self.output, name)) as file:
            while data := file.read(CHUNK_PAIRS * PAIR_BYTES):
                yield from self.sent(both_ways(_rows([data])), one[:3])


class LargeStars(_ClusterDoFn):
    """Lets the nodes of a partition tell their greater neighbours of the least that they know."""

    def process(
        self, element: tuple[PartitionKey, Iterable[bytes]]
    ) -> Iterator[tuple[PartitionKey, bytes]]:
        """Yield pairs, packed, keyed by the partition of the greater node; note what was done."""
        key, packed = element
        rows = _rows(packed)
        stars = large_stars(rows)
        n_bytes = PAIR_BYTES * (len(rows) + len(stars.pairs))
        report = {"unsettled": stars.unsettled, "shuffle_bytes": n_bytes}
        self.write(key, "json", storage.json_bytes(report))
        yield key, b""
        for start in range(0, len(stars.pairs), CHUNK_PAIRS):
            yield from self.sent(stars.pairs[start : start + CHUNK_PAIRS], key[:3])


class SmallStars(_ClusterDoFn):
    """Lets the nodes of a partition tell their lesser neighbours, and writes the pairs of that."""

    def process(self, element: tuple[PartitionKey, Iterable[bytes]]) -> None:
        """Write the pairs of one partition."""
        key, packed = element
        self.write(key, "pairs", small_stars(_rows(packed)).tobytes())


class StarSizes(_ClusterDoFn):
    """Measures the clusters whose centres are in a partition."""

    def __init__(self, output: str, rounds: list[Round], turns: Turns, recipe_json: str) -> None:
        super().__init__(output, rounds, turns)
        self.recipe_json = recipe_json

    def process(
        self, element: tuple[PartitionKey, Iterable[bytes]]
    ) -> Iterator[tuple[SplitKey, bytes]]:
        """Yield the sizes of documents' clusters, packed, keyed by split; note what was done."""
        key, packed = element
        rows = _rows(packed)
        found = star_sizes(rows)
        recipe = cached_recipe(self.recipe_json)
        n_bytes = 0
        for number, mine in rows_by_split(found.nodes):
            units = found.nodes[mine].astype(np.uint32)
            sizes = packed_sizes(units, found.sizes[mine])
            n_bytes += len(sizes)
            yield own_key(recipe, *key[:2], number), sizes
        report: dict[str, Any] = {
            "clusters": found.clusters,
            "documents": len(found.nodes),
            "largest": int(found.sizes.max(initial=1)),
            "shuffle_bytes": PAIR_BYTES * len(rows) + n_bytes,
        }
        self.write(key, "json", storage.json_bytes(report))


class WriteSizes(WritingDoFn):
    """Writes the sizes of the clusters of one split's documents as a file."""

    def process(self, element: tuple[SplitKey, Iterable[bytes]]) -> None:
        """Write the file of the split that the element's key names."""
        split, packed = element
        write_sizes(self.output, sizes_name(*split), packed)


def empty_sizes(
    output: str, recipe_json: str, rounds: list[Round]
) -> Iterator[tuple[SplitKey, bytes]]:
    """Yield every split's key once, so that there is a file for a split without clusters, too."""
    recipe = cached_recipe(recipe_json)
    for one, split in splits_of_rounds(output, recipe_json, rounds):
        place = one.place_of(recipe, split)
        assert place is not None
        yield (split.source, place[1], split.split), b""


class _OfRounds(RecipeTransform):
    """A pipeline over the files of pairs of some rounds."""

    def __init__(self, recipe_json: str, output: str, rounds: list[Round], turns: Turns) -> None:
        super().__init__(recipe_json, output)
        self.rounds = rounds
        self.turns = turns

    def by_node(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Read the files, and bring together the rows of every partition's nodes."""
        listed = self.recipe_json, self.rounds
        rows = (
            root
            | "ListFiles" >> FromPlan(self.output, files_of_rounds, *listed, self.turns)
            | "ReadPairs"
            >> beam.ParDo(ReadPairs(self.output, self.rounds, self.turns)).with_output_types(
                tuple[PartitionKey, bytes]
            )
        )
        empty = (
            root
            | "ListPartitions" >> FromPlan(self.output, partitions_of_rounds, *listed)
            | "TypedPartitions" >> beam.Map(_typed).with_output_types(tuple[PartitionKey, bytes])
        )
        return (rows, empty) | "AllRows" >> beam.Flatten() | "GroupByNode" >> beam.GroupByKey()


class Turn(_OfRounds):
    """A turn of large and small stars, from files of pairs to files of pairs."""

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Read, shuffle by both nodes, and then by the greater one."""
        arguments = self.output, self.rounds, self.turns
        return (
            self.by_node(root)
            | "LargeStars"
            >> beam.ParDo(LargeStars(*arguments)).with_output_types(tuple[PartitionKey, bytes])
            | "GroupByGreater" >> beam.GroupByKey()
            | "SmallStars" >> beam.ParDo(SmallStars(*arguments))
        )


class MeasureStars(_OfRounds):
    """From the stars of the last turn to a file of sizes for every split."""

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Read, shuffle by both nodes, and then the sizes by split."""
        sizes = self.by_node(root) | "StarSizes" >> beam.ParDo(
            StarSizes(self.output, self.rounds, self.turns, self.recipe_json)
        ).with_output_types(tuple[SplitKey, bytes])
        empty = (
            root
            | "ListSplits" >> FromPlan(self.output, empty_sizes, self.recipe_json, self.rounds)
            | "Typed" >> beam.Map(_typed).with_output_types(tuple[SplitKey, bytes])
        )
        return (
            (sizes, empty)
            | "AllSizes" >> beam.Flatten()
            | "GroupBySplit" >> beam.GroupByKey()
            | "WriteSizes" >> beam.ParDo(WriteSizes(self.output))
        )


def _typed(element: Any) -> Any:
    """Return the element: lists come untyped, and coders go by types."""
    return element


def _rows(packed: Iterable[bytes]) -> Rows:
    return np.frombuffer(b"".join(packed), np.uint64).reshape(-1, 2)

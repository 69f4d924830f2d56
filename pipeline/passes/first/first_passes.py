"""The passes ahead of the build: records joined, and the decisions of every deduplication."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.files import storage
from pipeline.output.key_indexes import card_name, write_card
from pipeline.passes.first.cluster_turns import measure_clusters
from pipeline.passes.first.deduplications import first_pass_of
from pipeline.passes.first.join_records import JoinRecords, records_folder
from pipeline.passes.first.rounds import FirstPass, Round
from pipeline.passes.plan import Plan, Window
from pipeline.passes.session import Session
from pipeline.recipe.across import Place
from pipeline.recipe.recipe import Recipe
from transforms.dedup.indexed import IndexedDeduplication


def first_passes(session: Session) -> None:
    """Join the records that stand apart, and make the decisions of every deduplication.

    What is there already is not made again.
    """
    _join_records(session)
    for windows in waves(session.plan, session.output, session.execution.shuffle_limit):
        _decide(session, windows)
    _write_cards(session)


def waves(plan: Plan, output: str, shuffle_limit: float) -> Iterator[list[Window]]:
    """Group the windows whose decisions are made together, in order.

    A source's second deduplication waits for its first, and those across sources for all others.
    Together the windows of a wave shuffle no more than ``shuffle_limit`` bytes. Windows whose
    decisions are all there are left out.
    """
    there = storage.list_names(output, "decisions")
    for turn in _turns(plan.recipe):
        wave: list[Window] = []
        wave_bytes = 0
        for window in (window for place in turn for window in plan.windows[place]):
            if window.names <= there:
                continue
            if wave and wave_bytes + window.shuffle_bytes > shuffle_limit:
                yield wave
                wave, wave_bytes = [], 0
            wave.append(window)
            wave_bytes += window.shuffle_bytes
        if wave:
            yield wave


def _turns(recipe: Recipe) -> Iterator[list[Place]]:
    """Group deduplications that need none of one another's decisions, in the order of the work.

    One across sources stands for itself, by its place in the most preferred source.
    """
    own: dict[int, list[Place]] = {}
    across: dict[int, list[Place]] = {}
    for source in recipe.sources:
        for turn, position in enumerate(source.shuffle_positions):
            shared = source.steps[position].across
            if shared is None:
                own.setdefault(turn, []).append(Place(source.name, position))
            else:
                across[shared.number] = [shared.places[0]]
    for turns in (own, across):
        for _, places in sorted(turns.items()):
            yield places


def round_of(window: Window) -> Round:
    """Return what the workers are told of a window: they read its splits from the plan's file."""
    return Round(window.source.name, window.step, window.number, window.n_partitions)


def _join_records(session: Session) -> None:
    """Make documents of the records that stand apart; partitions that are there are left out."""
    there = storage.list_names(session.output, "joined")
    for source in session.recipe.sources:
        mine = [split for split in session.plan.splits if split.source == source.name]
        if {split.path for split in mine if split.path.startswith("joined/")} <= there:
            continue
        name = f"join-{source.name}"
        total = sum(split.n_bytes for split in mine if split.holds == "records")
        with session.pipeline(name, "joining records", total) as pipeline:
            _ = pipeline | JoinRecords(session.recipe_json, session.output, source.name, name)
        storage.remove(session.output, records_folder(source.name))


def _write_cards(session: Session) -> None:
    """Write the cards of the indexes that the recipe asks for; they say that these are whole."""
    for source, step in session.plan.windows:
        one = session.recipe.source(source).steps[step]
        deduplication = one.deduplication
        if not isinstance(deduplication, IndexedDeduplication) or not deduplication.index:
            continue
        if not session.has(card_name(source, step)):
            places = session.recipe.source(source).places(step)
            description = {
                "unit": type(deduplication).__name__,
                "made_with": deduplication.made_with(**one.parameters),
                **deduplication.told_on_card,
                "sources": [place.source for place in places],
                "run": session.described["plan_fingerprint"],
            }
            write_card(session.output, source, step, description)


def _decide(session: Session, windows: list[Window]) -> None:
    """Make the decisions of some windows, and measure their clusters where that is asked for."""
    there = storage.list_names(session.output, "decisions")
    undecided = [window for window in windows if not window.decision_names <= there]
    if undecided:
        _compare(session, undecided)
    clustered = [round_of(window) for window in windows if window.measures_clusters]
    if clustered:
        measure_clusters(session, clustered)


def _compare(session: Session, windows: list[Window]) -> None:
    """Make the decisions of some windows; they are what the build reads of a deduplication."""
    total = sum(split.n_bytes for window in windows for split in window.splits)
    rounds = [round_of(window) for window in windows]
    name = f"fingerprint-{rounds[0].label.replace('/', '-')}"
    by_kind: dict[type[FirstPass], list[Round]] = {}
    for one in rounds:
        deduplication = session.recipe.source(one.source).steps[one.step].deduplication
        by_kind.setdefault(first_pass_of(deduplication), []).append(one)
    # Workers of this machine see one another's files, and what they shuffle is held in memory.
    in_memory = session.execution.holds_shuffle_in_memory
    by_reference = in_memory and not storage.is_remote(session.output)
    with session.pipeline(name, "first pass (fingerprint)", total) as pipeline:
        for first_pass, mine in by_kind.items():
            _ = pipeline | first_pass(
                session.recipe_json, session.output, mine, name, by_reference=by_reference
            )
    for one in rounds:
        storage.remove(session.output, one.folder)

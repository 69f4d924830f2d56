"""Printed tables of ``beam_runner.py``: the estimates of a dry run, and the summary of a run."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.files import storage
from pipeline.output.clusters import FoundClusters, found_clusters
from pipeline.output.layout import REPORT_NAME, holds_text
from pipeline.passes.estimates import Estimate
from pipeline.tables import printable, show, table

if TYPE_CHECKING:
    from pipeline.starting.trial import Trial

EXCERPT_CHARS = 70
"""Longest excerpt of a document that is shown, in characters."""


def print_estimates(estimates: Sequence[Estimate]) -> None:
    """Print the estimates of a dry run, one row for each source."""
    columns = ["source", "files", "bytes", "splits", "shards", "shuffle bytes", "kept bytes",
               "core time"]  # fmt: skip
    rows: list[list[Any]] = [
        [e.source, e.files, e.n_bytes, e.splits, e.shards, e.shuffle_bytes, e.kept_bytes,
         e.core_hours]
        for e in estimates
    ]  # fmt: skip
    total: list[Any] = ["all", *(sum(row[i] for row in rows) for i in range(1, len(columns)))]
    for row in [*rows, total]:
        row[-1] = core_time(row[-1])
    show(table("What a run would do (estimates by size)", columns, [*rows, total]))


def core_time(hours: float) -> str:
    """Format a processor time, given in hours, in seconds, minutes or hours."""
    if hours * 3600 < 100:
        return f"{hours * 3600:,.2g} core-seconds"
    return f"{hours * 60:,.0f} core-minutes" if hours < 2 else f"{hours:,.0f} core-hours"


def print_summary(
    manifest: Mapping[str, Any], output: str, seconds: float | None, warnings: Sequence[str] = ()
) -> None:
    """Print the mixture that a run made and the commands that show more of it.

    ``seconds`` is how long the run took, None where an earlier run had completed it.
    """
    columns = ["source", "documents", "train tokens", "characters a token", "validation tokens",
               "proportion", "epochs"]  # fmt: skip
    rows = []
    for name, counts in manifest["sources"].items():
        tokens = counts["train_tokens"]
        rows.append(
            [
                name,
                counts["train_documents"] + counts["validation_documents"],
                tokens,
                counts["train_characters"] / tokens if tokens else None,
                counts["validation_tokens"],
                counts["proportion"],
                counts["epochs"],
            ]
        )
    program = _corpus_program()
    report = f"{output}/{REPORT_NAME}"
    if not storage.exists(storage.join(output, REPORT_NAME)):
        report = f"{program} report {output}"
    look = {
        report: "the same with charts and samples, for a browser",
        f"{program} stats {output}": "what became of every document",
        f"{program} ls {output}": "the shards",
        f"{program} verify {output}": "checksums and counts",
    }
    width = max(map(len, look)) + 4
    n_parts = sum(len(shard["parts"]) for shard in manifest["shards"])
    files = "text" if holds_text(manifest) else "tokens"
    show(
        table(f"Mixture of {manifest['token_budget']:,} tokens", columns, rows),
        f"\n{len(manifest['shards'])} shards, in {n_parts} files of {files}, in {output}/shards, "
        f"{'made before' if seconds is None else f'{seconds:.0f} s in all'}. To look:",
        *(f"  {what:<{width}}{why}" for what, why in look.items()),
        *map(clusters_line, found_clusters(output, manifest)),
        *(f"warning: {warning}" for warning in warnings),
    )


def clusters_line(found: FoundClusters) -> str:
    """Say in a line what clusters of near-duplicates there were, and what it took to find them."""
    window = f", window {found.window}" if found.window else ""
    return (
        f"clusters of {found.source}, step {found.step}{window}: {found.clusters:,} of "
        f"{found.documents:,} documents, the largest of {found.largest:,}; {found.turns} turns "
        f"shuffled {found.shuffle_bytes:,} bytes"
    )


def _corpus_program() -> str:
    """Return how to call ``corpus`` from this folder: by its name if on PATH, else by its path."""
    program = Path(sys.prefix, "bin", "corpus")
    if shutil.which("corpus") or not program.exists():
        return "corpus"
    return str(program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program)


def print_trial(trial: Trial) -> None:
    """Print what became of a source's first records: what is kept, and an example of each drop."""
    without = f"; not tried: {', '.join(trial.left_out)}" if trial.left_out else ""
    time_over = ", as time was over" if trial.is_cut_short else ""
    tried = f"of the first {trial.read} records{time_over}, {trial.kept} are kept"
    print(f"\n{trial.source}: {tried}{without}")
    for (step, reason), n in trial.drops.most_common():
        example = trial.examples[step, reason]
        what = reason if step in ("read", reason) else f"{step}: {reason}"
        print(f"{n:>6}  {what}, such as {printable(example.id)}")
        if excerpt := " ".join(example.text[: 4 * EXCERPT_CHARS].split())[:EXCERPT_CHARS]:
            print(f"        {printable(excerpt)}")
    if trial.error:
        print(f"  a run would stop: {printable(trial.error)}")


def print_event(event: Mapping[str, Any]) -> None:
    """Print an event to the standard error: time of day, what happened, its plain fields."""
    fields = [
        f"{name}={printable(str(value))}"
        for name, value in event.items()
        if name not in ("time", "event") and not isinstance(value, dict)
    ]
    print(f"{event['time'][11:19]} {event['event']}: {' '.join(fields)}", file=sys.stderr)

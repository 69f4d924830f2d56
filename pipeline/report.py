"""Tables that the commands print."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.layout import REPORT_NAME

if TYPE_CHECKING:
    from pipeline.plan import Estimate


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """Make a table; numbers are set right with separators, None is a dash."""
    result = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    numeric = [
        all(isinstance(row[i], (int, float)) or row[i] is None for row in rows)
        for i in range(len(columns))
    ]
    for name, right in zip(columns, numeric, strict=True):
        result.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in rows:
        result.add_row(*(v if isinstance(v, Text) else cell(v) for v in row))
    return result


_CONTROLS = {
    **{code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"},
    127: 0x2421,
    **dict.fromkeys(range(128, 160), 65533),
}


def printable(text: str) -> str:
    """Replace what a terminal would obey, such as escape sequences in the text of a page."""
    return text.translate(_CONTROLS)


def cell(value: Any) -> str:
    """Write one value as a table shows it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return printable(str(value))


def is_terminal() -> bool:
    """Tell whether what is shown goes to a terminal, which knows styles."""
    return Console().is_terminal


def show(*parts: Table | Text | str) -> None:
    """Print tables and lines, wide enough that no number is cut where the output is no terminal."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=140)
    for part in parts:
        if isinstance(part, Table):
            console.print(part)
        else:
            console.print(printable(part) if isinstance(part, str) else part, soft_wrap=True)


def print_estimates(estimates: Sequence[Estimate]) -> None:
    """Print what a run would do."""
    columns = ["source", "files", "bytes", "splits", "shards", "shuffle bytes", "core time"]
    rows: list[list[Any]] = [
        [e.source, e.files, e.n_bytes, e.splits, e.shards, e.shuffle_bytes, e.core_hours]
        for e in estimates
    ]
    total: list[Any] = ["all", *(sum(row[i] for row in rows) for i in range(1, len(columns)))]
    for row in [*rows, total]:
        row[-1] = core_time(row[-1])
    show(table("What a run would do (estimates by size)", columns, [*rows, total]))


def core_time(hours: float) -> str:
    """Write a processor's time in the unit that suits it."""
    if hours * 3600 < 100:
        return f"{hours * 3600:,.2g} core-seconds"
    return f"{hours * 60:,.0f} core-minutes" if hours < 2 else f"{hours:,.0f} core-hours"


def print_summary(
    manifest: Mapping[str, Any], output: str, seconds: float | None, warnings: Sequence[str] = ()
) -> None:
    """Print what a run made and where it lies; ``seconds`` is None where it was there already."""
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
    look = {
        f"{output}/{REPORT_NAME}": "the same with charts and samples, for a browser",
        f"{program} stats {output}": "what became of every document",
        f"{program} ls {output}": "the shards",
        f"{program} verify {output}": "checksums and counts",
    }
    width = max(map(len, look)) + 4
    n_parts = sum(len(shard["parts"]) for shard in manifest["shards"])
    show(
        table(f"Mixture of {manifest['token_budget']:,} tokens", columns, rows),
        f"\n{len(manifest['shards'])} shards, in {n_parts} files of tokens, in {output}/shards, "
        f"{'made before' if seconds is None else f'{seconds:.0f} s in all'}. To look:",
        *(f"  {what:<{width}}{why}" for what, why in look.items()),
        *(f"warning: {warning}" for warning in warnings),
    )


def _corpus_program() -> str:
    """Return how the command ``corpus`` is called from here: by its path, if it is on no other."""
    program = Path(sys.prefix, "bin", "corpus")
    if shutil.which("corpus") or not program.exists():
        return "corpus"
    return str(program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program)

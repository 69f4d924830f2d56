"""The command ``corpus diff``, which compares two runs."""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import shtab

from pipeline.commands.common import add_output_command, print_json
from pipeline.files import storage

if TYPE_CHECKING:
    from pipeline.inspection.diff import Change

EXAMPLES = 3
"""Document ids shown for each kind of change."""

SHOWN_DIFFERENCES = 20
"""Differences between the two recipes and inputs that are printed; the rest is only counted."""

IDS_AT_A_TIME = 10_000
"""Ids that are converted from Arrow to Python at a time, for printing."""


def add_commands(commands: Any) -> None:
    """Add the command to the parser of ``corpus``."""
    one = add_output_command(commands, "diff", _command_diff,
                             "what changed between two runs: recipe, and documents in and out",
                             "0 the same, 1 different")  # fmt: skip
    other = one.add_argument("other", metavar="OUT2", help="the output folder of the second run")
    other.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    one.add_argument("--source", metavar="NAME", help="only its documents")
    one.add_argument("--ids", action="store_true",
                     help="list all ids: what became of it in either run, and the id, "
                     "with tabs between")  # fmt: skip


class _Summary:
    """Counts of documents by kind of change, with some ids as examples of each kind."""

    def __init__(self, examples: int | None) -> None:
        self.alike: Counter[str] = Counter()
        self.documents: Counter[tuple[str, str, str]] = Counter()
        self.ids: dict[tuple[str, str, str], list[str]] = defaultdict(list)
        self._examples = examples

    def add(self, source: str, alike: int, changes: list[Change]) -> None:
        """Add some documents of a source: ``alike`` of them were the same in both runs."""
        self.alike[source] += alike
        for change in changes:
            key = change.source, change.first, change.second
            self.documents[key] += len(change.ids)
            room = None if self._examples is None else self._examples - len(self.ids[key])
            self.ids[key] += change.ids.slice(0, room).to_pylist()

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the kinds of change, source by source, the most frequent of each source first."""
        order = list(self.alike)
        for key in sorted(self.documents, key=lambda k: (order.index(k[0]), -self.documents[k], k)):
            source, first, second = key
            yield {"source": source, "first": first, "second": second,
                   "documents": self.documents[key], "ids": self.ids[key]}  # fmt: skip


def _command_diff(options: argparse.Namespace) -> int:
    from pipeline.inspection.diff import diff_documents
    from pipeline.inspection.manifest import load_manifest

    outputs = options.output, options.other
    manifests = load_manifest(outputs[0]), load_manifest(outputs[1])
    differences = _run_differences(*outputs, manifests)
    summary = _Summary(None if options.ids and options.json else EXAMPLES)
    for source, alike, changes in diff_documents(outputs, manifests, options.source):
        summary.add(source, alike, changes)
        if options.ids and not options.json:
            _print_ids(changes)
    rows = list(summary.rows())
    same = not differences and not rows
    if options.json:
        print_json({"same": same, "run": differences, "alike": summary.alike, "changes": rows})
    elif not options.ids:
        _show(differences, summary.alike, rows)
    return 0 if same else 1


def _run_differences(
    first: str, second: str, manifests: tuple[dict[str, Any], dict[str, Any]]
) -> list[str]:
    from pipeline.output.differences import what_changed
    from pipeline.output.layout import RUN_NAME, read_plan

    old, new = (storage.read_json(storage.join(o, RUN_NAME)) for o in (first, second))
    for one, manifest in zip((old, new), manifests, strict=True):  # which has the newest mixture
        one["recipe"] = {**manifest["recipe"], "opt_out": None}
    differences = what_changed(old, new, first, list(read_plan(second)), with_times=False)
    if old["opt_out"] != new["opt_out"]:
        differences.append("the opt-out lists differ")
    return differences


def _print_ids(changes: list[Change]) -> None:
    for change in changes:
        for begin in range(0, len(change.ids), IDS_AT_A_TIME):
            for identifier in change.ids.slice(begin, IDS_AT_A_TIME).to_pylist():
                print(change.first, change.second, identifier, sep="\t")


def _show(differences: list[str], alike: dict[str, int], rows: list[dict[str, Any]]) -> None:
    from pipeline.tables import show, table

    if differences:
        show("The runs differ:", *(f"  {line}" for line in differences[:SHOWN_DIFFERENCES]))
        if len(differences) > SHOWN_DIFFERENCES:
            show(f"  and in {len(differences) - SHOWN_DIFFERENCES} more points")
        show("")
    if rows:
        columns = ["source", "in the first run", "in the second run", "documents"]
        cells = [[r["source"], r["first"], r["second"], r["documents"]] for r in rows]
        show(table("Documents that became something else", columns, cells), "")
        for row in rows:  # ids stand whole on a line, to be copied
            show(f"{row['first']}, then {row['second']}, such as", *row["ids"], "")
    counts = [
        [name, same, sum(r["documents"] for r in rows if r["source"] == name)]
        for name, same in alike.items()
    ]
    show(table("Documents, kept and dropped", ["source", "alike", "changed"], counts))

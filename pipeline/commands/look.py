"""The commands ``corpus ls``, ``show``, ``stats``, ``explain`` and ``verify``, which read a run.

They import no Beam, so they start at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from pipeline.commands.common import (
    add_choice_of_document,
    add_output_command,
    print_json,
    record_rows,
)
from pipeline.files import storage

SHOWN_DOMAINS = 50
"""Most domains of a source whose share is printed."""


def add_commands(commands: Any) -> None:
    """Add the commands to the parser of ``corpus``."""

    def command(name: str, function: Any, text: str, *status: str) -> argparse.ArgumentParser:
        return add_output_command(commands, name, function, text, *status)

    one = command("ls", _command_ls, "list the shards with their documents and tokens")
    one.add_argument("--domains", action="store_true", help="list the domains in each shard")
    add_choice_of_document(
        command("show", _command_show, "show a document of a shard, decoded, with its record")
    )
    command("stats", _command_stats, "what became of every source's documents, and the mixture")
    one = command("explain", _command_explain, "every decision about a document, kept or dropped")
    one.add_argument("id", metavar="ID", help="a document's id, SOURCE/FILE#RECORD")
    one.add_argument("--search_seconds", type=float, metavar="S",
                     help="how long to look for other copies of repeated lines")  # fmt: skip
    command("verify", _command_verify, "check checksums, indexes, token ids and counts",
            "0 whole, 1 damaged")  # fmt: skip


def _command_ls(options: argparse.Namespace) -> int:
    from pipeline.inspection import manifest as inspect

    rows = (inspect.list_domains if options.domains else inspect.list_shards)(options.output)
    if options.json:
        return print_json(rows)
    from pipeline.tables import show, table

    names, numbers = ["shard"], ["documents", "tokens", "characters", "bytes"]
    if options.domains and not rows:
        show(f"{options.output}: no source is divided into domains")
        return 0
    if options.domains:
        names, numbers = ["shard", "domain"], ["documents", "tokens"]
    total = ["all", *[""] * (len(names) - 1), *(sum(row[name] for row in rows) for name in numbers)]
    columns = [*names, *numbers]
    show(table("Domains" if options.domains else "Shards", columns,
               [*([row[name] for name in columns] for row in rows), total]))  # fmt: skip
    return 0


def _command_show(options: argparse.Namespace) -> int:
    from pipeline.inspection import manifest as inspect

    file, number = inspect.find_document(
        options.output, options.shard, options.n, options.id, options.random
    )
    document = inspect.show_document(options.output, file, number)
    if options.json:
        return print_json(document)
    from pipeline.tables import show, table

    title = f"Document {document['number']} of {document['shard']}"
    record = document["record"]
    show(record["id"], table(title, ["column", "value"], record_rows(record)), "", document["text"])
    return 0


def _command_stats(options: argparse.Namespace) -> int:
    from pipeline.inspection.manifest import statistics

    if options.json:
        return print_json(statistics(options.output))
    return print_statistics(options.output)


def print_statistics(output: str) -> int:
    """Print what became of every source's documents, and the mixture; returns the exit status."""
    from pipeline.inspection.manifest import statistics
    from pipeline.tables import show, table

    counted = statistics(output)
    for name, source in counted["sources"].items():
        rows = [
            [r["step"], r["outcome"], r["reason"] or "", r["documents"] or None, r["characters"]]
            for r in source["funnel"]
        ]
        columns = ["step", "outcome", "reason", "documents", "characters"]
        show(table(f"What became of {name}", columns, rows), "")
    rows = [
        [
            name,
            counts["mixture"]["proportion"],
            counts["mixture"]["train_tokens"],
            counts["mixture"]["validation_tokens"],
            counts["mixture"]["sampled_tokens"],
            counts["mixture"]["epochs"],
        ]
        for name, counts in counted["sources"].items()
    ]
    columns = ["source", "proportion", "train tokens", "validation tokens", "sampled tokens",
               "epochs"]  # fmt: skip
    show(
        table(f"Mixture of {counted['token_budget']:,} tokens", columns, rows),
        *_domain_tables(counted["sources"]),
        *(f"warning: {warning}" for warning in counted["warnings"]),
    )
    return 0


def _domain_tables(sources: dict[str, Any]) -> Iterator[Any]:
    """Yield the domains of each source that is divided, those with the most sampled tokens."""
    from pipeline.tables import table

    for name, source in sources.items():
        domains = source["mixture"].get("domains", {})
        most = sorted(domains, key=lambda one: (-domains[one]["sampled_tokens"], one))
        keys = ["proportion", "train_tokens", "validation_tokens", "sampled_tokens", "epochs"]
        columns = ["domain", "share of the source", *(key.replace("_", " ") for key in keys[1:])]
        rows = [[one, *(domains[one][key] for key in keys)] for one in most[:SHOWN_DOMAINS]]
        if rows:
            yield ""
            yield table(f"Domains of {name}", columns, rows)
        if len(most) > SHOWN_DOMAINS:
            yield f"and {len(most) - SHOWN_DOMAINS:,} more domains, which --json lists"


def _command_explain(options: argparse.Namespace) -> int:
    from pipeline.inspection.copies import SEARCH_SECONDS
    from pipeline.inspection.explain import explain, told_of

    seconds = SEARCH_SECONDS if options.search_seconds is None else options.search_seconds
    explanation = explain(options.output, options.id, search_seconds=seconds)
    if options.json:
        return print_json(explanation)
    from pipeline.tables import show, table

    rows = []
    for decision in explanation["decisions"]:
        columns = ", ".join(f"{k} = {v}" for k, v in decision["columns"].items())
        removed = decision.get("removed_lines")
        if removed:
            columns = f"{columns} {len(removed)} lines removed".strip()
        sizes = decision["characters_before"], decision["characters_after"]
        rows.append([decision["step"], decision["dropped_by"] or "stays", *sizes, columns])
    outcome = (
        f"dropped at {explanation['dropped_at']}: {explanation['dropped_by']}"
        if not explanation["kept"]
        else f"kept, in {explanation['part']}-{explanation['shard']:05d}"
    )
    outcome += told_of(explanation.get("fell_to", []))
    headings = ["step", "decision", "characters before", "after", "what it set"]
    show(explanation["id"], table(outcome, headings, rows))
    for decision in explanation["decisions"]:
        if decision.get("removed_lines"):
            lines = [
                [r["line"], " in ".join([r["reason"], *([r["index"]] if "index" in r else [])]),
                 r["text"], _told_of_copy(r)]
                for r in decision["removed_lines"]
            ]  # fmt: skip
            headings = ["line", "reason", "text", "other copy"]
            if not any(line[-1] for line in lines):
                lines, headings = [line[:-1] for line in lines], headings[:-1]
            show("", table(f"Lines removed by {decision['step']}", headings, lines))
    if n_not_found := explanation.get("copies_not_found"):
        show("", f"{n_not_found:,} of these lines have another copy that was not found in time, or "
             "whose input cannot be read; --search_seconds looks longer")  # fmt: skip
    return 0


def _told_of_copy(line: dict[str, Any]) -> str:
    """Say where the other copy of a removed line stands."""
    copy = line.get("copy")
    if copy is None:
        return ""
    place = f"{copy['id']}, line {copy['line']}" if "line" in copy else str(copy["id"])
    return place if copy["stays"] else f"{place}, which went too"


def _command_verify(options: argparse.Namespace) -> int:
    from pipeline.inspection.verify import verify
    from pipeline.output.layout import MANIFEST_NAME

    # A bucket has no folders, only files in them.
    manifest = storage.join(options.output, MANIFEST_NAME)
    if not storage.exists(manifest if storage.is_remote(manifest) else options.output):
        raise ValueError(f"{options.output}: there is no such folder")
    problems = verify(options.output)
    if options.json:
        print_json({"ok": not problems, "problems": problems})
    else:
        print("\n".join(problems) or f"{options.output}: everything is as the manifest says")
        if any(problem.startswith(("shards/", "ledger/")) for problem in problems):
            print(f"'corpus repair {options.output}' builds such shards again, and no other")
    return 1 if problems else 0

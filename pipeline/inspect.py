"""The command ``corpus``: look at what a run wrote. Imports no Beam, so that it answers at once."""

from __future__ import annotations

import argparse
import json
import random
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.layout import MANIFEST_NAME


class InspectError(ValueError):
    """A user's mistake, told in one line."""


def load_manifest(output: str) -> dict[str, Any]:
    """Read a run's manifest. Raises InspectError where there is none."""
    try:
        return storage.read_json(storage.join(output, MANIFEST_NAME))
    except FileNotFoundError:
        raise InspectError(
            f"{output}: no manifest.json there; give the output folder of a finished run"
        ) from None
    except ValueError as error:
        raise InspectError(f"{output}/{MANIFEST_NAME}: not readable: {error}") from None


def list_shards(output: str) -> list[dict[str, Any]]:
    """Return one row for each part of each shard."""
    return [
        {
            "shard": f"{shard['source']}/{part}-{shard['shard']:05d}",
            "documents": summary["documents"],
            "tokens": summary["tokens"],
            "characters": summary["characters"],
            "bytes": sum(file["bytes"] for file in summary["files"].values()),
        }
        for shard in load_manifest(output)["shards"]
        for part, summary in shard["parts"].items()
    ]


def show_document(
    output: str, shard: str, number: int | None, identifier: str | None, at_random: bool
) -> dict[str, Any]:
    """Return one document of a shard, its record and its tokens decoded.

    ``shard`` is a name as ``corpus ls`` prints it, ``SOURCE/PART-NNNNN``.
    """
    from tokenizer.shards import ShardReader

    manifest = load_manifest(output)
    name = shard.removeprefix("shards/").removesuffix(".bin").removesuffix(".idx")
    name = name.removesuffix(".docs.parquet")
    known = [row["shard"] for row in list_shards(output)]
    if name not in known:
        raise InspectError(f"{output}: no shard {shard!r}; there are {', '.join(known[:8])} ...")
    prefix = storage.join(output, "shards", name)
    docs = _read_docs(f"{prefix}.docs.parquet")
    if identifier is not None:
        number = docs["id"].index(identifier).as_py()
        if number < 0:
            raise InspectError(
                f"{identifier} is not in {name}; 'corpus explain {output} {identifier}' tells why"
            )
    elif at_random:
        number = random.randrange(docs.num_rows)
    number = number or 0
    if not 0 <= number < docs.num_rows:
        raise InspectError(f"{name} has the documents 0 to {docs.num_rows - 1}, not {number}")
    ids = np.asarray(ShardReader(prefix)[number])
    record = docs.slice(number, 1).to_pylist()[0]
    record["metadata"] = json.loads(record["metadata"]) if record["metadata"] else None
    text = _decode(manifest, ids)
    return {"shard": name, "number": number, "record": record, "text": text, "tokens": ids.tolist()}


def _read_docs(path: str) -> pa.Table:
    return pq.read_table(pa.BufferReader(storage.read_bytes(path)))


def _decode(manifest: dict[str, Any], ids: np.ndarray[Any, Any]) -> str:
    from sentencepiece import SentencePieceProcessor

    model = manifest["tokenizer"]["model"]
    if not storage.exists(model):
        raise InspectError(f"the tokenizer {model} of this run is not there any more")
    processor = SentencePieceProcessor(model_proto=storage.read_bytes(model))
    marks = {processor.bos_id(), processor.eos_id()}
    return str(processor.decode([i for i in ids.tolist() if i not in marks]))


def statistics(output: str) -> dict[str, Any]:
    """Return the funnel of every source and the mixture."""
    from pipeline.ledger import funnel, read_ledger

    manifest = load_manifest(output)
    try:
        ledger = read_ledger(output)
    except (OSError, ValueError) as error:
        raise InspectError(f"{output}/ledger.parquet: not readable: {error}") from None
    sources = {}
    for name, counts in manifest["sources"].items():
        steps = manifest["recipe"]["sources"][name]["steps"]
        order = ["read", *(s if isinstance(s, str) else next(iter(s)) for s in steps), "write"]
        outcomes = ["in", "dropped", "changed", "out"]
        rows = sorted(
            funnel(ledger, name),
            key=lambda r: (order.index(r["step"]), outcomes.index(r["outcome"]), r["reason"] or ""),
        )
        sources[name] = {"mixture": counts, "funnel": rows}
    return {"token_budget": manifest["token_budget"], "sources": sources}


def _command_ls(options: argparse.Namespace) -> int:
    rows = list_shards(options.output)
    if options.json:
        return _print_json(rows)
    from pipeline.report import show, table

    columns = ["shard", "documents", "tokens", "characters", "bytes"]
    total = ["all", *(sum(row[name] for row in rows) for name in columns[1:])]
    show(table("Shards", columns, [*([row[name] for name in columns] for row in rows), total]))
    return 0


def _command_show(options: argparse.Namespace) -> int:
    found = show_document(options.output, options.shard, options.n, options.id, options.random)
    if options.json:
        return _print_json(found)
    from pipeline.report import show, table

    title = f"Document {found['number']} of {found['shard']}"
    rows = [[k, json.dumps(v, ensure_ascii=False) if isinstance(v, dict) else str(v)]
            for k, v in found["record"].items() if v is not None]  # fmt: skip
    show(table(title, ["column", "value"], rows), "", found["text"])
    return 0


def _command_stats(options: argparse.Namespace) -> int:
    found = statistics(options.output)
    if options.json:
        return _print_json(found)
    from pipeline.report import show, table

    for name, source in found["sources"].items():
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
        for name, counts in found["sources"].items()
    ]
    columns = ["source", "proportion", "train tokens", "validation tokens", "sampled tokens",
               "epochs"]  # fmt: skip
    show(table(f"Mixture of {found['token_budget']:,} tokens", columns, rows))
    return 0


def _command_explain(options: argparse.Namespace) -> int:
    from pipeline.explain import explain

    found = explain(options.output, options.id)
    if options.json:
        return _print_json(found)
    from pipeline.report import show, table

    rows = []
    for decision in found["decisions"]:
        columns = ", ".join(f"{k} = {v}" for k, v in decision["columns"].items())
        removed = decision.get("removed_lines")
        if removed:
            columns = f"{columns} {len(removed)} lines removed".strip()
        sizes = decision["characters_before"], decision["characters_after"]
        rows.append([decision["step"], decision["dropped_by"] or "stays", *sizes, columns])
    where = (
        f"dropped at {found['dropped_at']}: {found['dropped_by']}"
        if not found["kept"]
        else f"kept, in {found['part']}-{found['shard']:05d}"
    )
    headings = ["step", "decision", "characters before", "after", "what it set"]
    show(table(f"{found['id']}: {where}", headings, rows))
    for decision in found["decisions"]:
        if decision.get("removed_lines"):
            lines = [[r["line"], r["reason"], r["text"]] for r in decision["removed_lines"]]
            title = f"Lines removed by {decision['step']}"
            show("", table(title, ["line", "reason", "text"], lines))
    return 0


def _command_verify(options: argparse.Namespace) -> int:
    from pipeline.verify import verify

    if not storage.exists(options.output):
        raise InspectError(f"{options.output}: there is no such folder")
    problems = verify(options.output)
    if options.json:
        _print_json({"ok": not problems, "problems": problems})
    else:
        print("\n".join(problems) or f"{options.output}: everything is as the manifest says")
    return 1 if problems else 0


def _print_json(value: Any) -> int:
    print(json.dumps(value, ensure_ascii=False, indent=1))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="corpus", description="Look at the output of a run.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, function: Any, text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        one.add_argument("output", metavar="OUT", help="the output folder of a run")
        one.add_argument("--json", action="store_true", help="print JSON")
        one.set_defaults(function=function)
        return one

    command("ls", _command_ls, "list the shards with their documents and tokens")
    one = command("show", _command_show, "show a document of a shard, decoded, with its record")
    one.add_argument("shard", metavar="SHARD", help="a shard as 'corpus ls' names it")
    which = one.add_mutually_exclusive_group()
    which.add_argument("n", nargs="?", type=int, metavar="N", help="its number (default: 0)")
    which.add_argument("--id", help="its id")
    which.add_argument("--random", action="store_true", help="any of them")
    command("stats", _command_stats, "what became of every source's documents, and the mixture")
    one = command("explain", _command_explain, "every decision about a document, kept or dropped")
    one.add_argument("id", metavar="ID", help="a document's id, SOURCE/FILE#RECORD")
    command("verify", _command_verify, "check checksums, indexes, token ids and counts")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 1 where ``verify`` finds damage, 2 on mistakes."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.function(options))
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except (InspectError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

"""The manifest of a run, its shards, documents and statistics, as plain values. No Beam."""

from __future__ import annotations

import random
from typing import Any

import pyarrow.compute as pc

from pipeline.files import storage
from pipeline.inspection.document_rows import (
    DocumentFile,
    document_files,
    open_tokens,
    read_rows,
    row_groups,
)
from pipeline.output.arrow_values import scalar
from pipeline.output.layout import (
    MANIFEST_NAME,
    MIXTURES_FOLDER,
    OPT_OUT_STEP,
    TEXT_SUFFIX,
    mixture_name,
    shard_title,
)
from pipeline.recipe.across import steps_of


def load_manifest(output: str) -> dict[str, Any]:
    """Read a run's manifest. Raises ValueError if there is none or it cannot be read."""
    try:
        return storage.read_json(storage.join(output, MANIFEST_NAME))
    except FileNotFoundError:
        raise ValueError(
            f"{output}: no manifest.json there; give the output folder of a finished run"
        ) from None
    except ValueError as error:
        raise ValueError(f"{output}/{MANIFEST_NAME}: not readable: {error}") from None


def load_mixture(output: str, mixture: str | None) -> dict[str, Any]:
    """Read the manifest of a run's mixture, by its name; None stands for the newest.

    Raises ValueError where the run has had no mixture of that name.
    """
    if mixture is None:
        return load_manifest(output)
    files = storage.list_names(output, MIXTURES_FOLDER)
    if mixture_name(mixture) not in files:
        names = sorted(file.rsplit("/", 1)[-1].removesuffix(".json") for file in files)
        there = f"there are {', '.join(names)}" if names else "the run has had one mixture only"
        raise ValueError(f"{output}: no mixture {mixture}; {there}")
    return storage.read_json(storage.join(output, mixture_name(mixture)))


def list_shards(output: str) -> list[dict[str, Any]]:
    """Return one row for each part of each shard."""
    return [
        {
            "shard": shard_title(shard["source"], part, shard["shard"]),
            "documents": summary["documents"],
            "tokens": summary["tokens"],
            "characters": summary["characters"],
            "bytes": sum(file["bytes"] for file in summary["files"].values()),
        }
        for shard in load_manifest(output)["shards"]
        for part, summary in shard["parts"].items()
    ]


def list_domains(output: str) -> list[dict[str, Any]]:
    """Return one row for each domain of each part of each shard of the sources that are divided."""
    return [
        {"shard": shard_title(shard["source"], part, shard["shard"]), **group}
        for shard in load_manifest(output)["shards"]
        for part, summary in shard["parts"].items()
        for group in summary.get("domains", ())
    ]


def find_document(
    output: str, shard: str | None, number: int | None, identifier: str | None, at_random: bool
) -> tuple[DocumentFile, int]:
    """Find a document of a shard by its number, by its id, or at random.

    ``shard`` is a name as ``corpus ls`` prints it, ``SOURCE/PART-NNNNN``. With an id, it may be
    None.
    """
    if shard is None:
        return _document_of_id(output, identifier)
    name = shard.removeprefix("shards/").removesuffix(".bin").removesuffix(".idx")
    name = name.removesuffix(".docs.parquet").removesuffix(f".{TEXT_SUFFIX}")
    files = {file.name: file for file in document_files(output, load_manifest(output))}
    if name not in files:
        raise ValueError(f"{output}: no shard {shard!r}; there are {', '.join([*files][:8])} ...")
    file = files[name]
    if identifier is not None:
        number = number_of(file, identifier)
        if number is None:
            raise ValueError(
                f"{identifier} is not in {name}; 'corpus explain {output} {identifier}' tells why"
            )
    elif at_random:
        number = random.randrange(file.documents)
    number = number or 0
    if not 0 <= number < file.documents:
        raise ValueError(f"{name} has the documents 0 to {file.documents - 1}, not {number}")
    return file, number


def _document_of_id(output: str, identifier: str | None) -> tuple[DocumentFile, int]:
    """Find a document by its id, whose beginning is the name of the source."""
    if identifier is None:
        raise ValueError("give a shard, as 'corpus ls' names it, or an id with --id")
    for file in document_files(output, load_manifest(output)):
        if identifier.startswith(f"{file.source}/"):
            number = number_of(file, identifier)
            if number is not None:
                return file, number
    raise ValueError(
        f"{identifier} is in no shard; 'corpus explain {output} {identifier}' tells why"
    )


def number_of(file: DocumentFile, identifier: str) -> int | None:
    """Return the number of the document with an id in a file; None where it is not there."""
    for first, rows in row_groups(file, ["id"]):
        place = pc.index(rows["id"], scalar(identifier)).as_py()
        if place >= 0:
            return int(first + place)
    return None


def show_document(output: str, file: DocumentFile, number: int) -> dict[str, Any]:
    """Return one document of a shard: its record, tokens (None in shards of text) and text."""
    from pipeline.inspection.piece_table import document_text, load_piece_table

    ids = open_tokens(output, file)[number]
    text = document_text(load_piece_table(load_manifest(output)), ids)
    record = read_rows(file, [number])[number]
    return {"shard": file.name, "number": number, "record": record, "text": text,
            "tokens": None if file.holds_text else ids.tolist()}  # fmt: skip


def statistics(output: str) -> dict[str, Any]:
    """Return the funnel of every source, the mixture, and the warnings of a run."""
    from pipeline.output.ledger import funnel, ledger_warnings, read_ledger

    manifest = load_manifest(output)
    try:
        ledger = read_ledger(output)
    except (OSError, ValueError) as error:
        raise ValueError(f"{output}/ledger.parquet: not readable: {error}") from None
    sources = {}
    for name, counts in manifest["sources"].items():
        order = ["read", *(step for step, _ in steps_of(manifest["recipe"], name))]
        order += [OPT_OUT_STEP, "write"]
        outcomes = ["in", "dropped", "changed", "out"]
        rows = sorted(
            funnel(ledger, name),
            key=lambda r: (order.index(r["step"]), outcomes.index(r["outcome"]), r["reason"] or ""),
        )
        sources[name] = {"mixture": counts, "funnel": rows}
    warnings = ledger_warnings(ledger, manifest)
    if manifest["run"].get("opt_out"):
        from pipeline.output.opt_out import opt_out_warnings  # with numba, which takes its time

        warnings += opt_out_warnings(output, ledger)
    return {
        "token_budget": manifest["token_budget"],
        "sources": sources,
        "warnings": warnings,
    }

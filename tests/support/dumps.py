"""The WET samples cut into dumps, and recipes that run over one after another."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import yaml

from tests.support.runs import ROOT

N_DUMPS = 5
SAMPLES = ROOT / "samples"
_BEGIN = b"WARC/1.0\r\n"


def write_dumps(folder: Path, n_dumps: int = N_DUMPS) -> Path:
    """Write the pages of the samples into a file a dump, dealt in turn; return their folder."""
    records: list[bytes] = []
    for path in sorted((SAMPLES / "data" / "commoncrawl" / "wet").glob("*.gz")):
        records += [one for one in _readable(path).split(_BEGIN) if b": conversion\r" in one]
    (folder / "dumps").mkdir()
    for dump in range(n_dumps):
        data = b"".join(_BEGIN + record for record in records[dump::n_dumps])
        (folder / "dumps" / f"dump-{dump}.warc.wet.gz").write_bytes(gzip.compress(data, mtime=0))
    return folder / "dumps"


def _readable(path: Path) -> bytes:
    """Return the whole records of a file that may be cut off."""
    read = []
    with gzip.open(path) as file:
        try:
            while data := file.read(1 << 12):
                read.append(data)
        except EOFError:
            data = b"".join(read)
            return data[: data.rindex(_BEGIN)]
    return b"".join(read)


def card(run: Path, source: str, step: int) -> str:
    """Return the path of the card of an index."""
    return str(run / "indexes" / source / f"step{step}" / "card.json")


def write_recipe(
    path: Path, dumps: Path, chosen: str, steps: dict[str, list[Any]], earlier: list[Path]
) -> str:
    """Write a recipe of sources over some dumps, against the indexes of earlier runs.

    Each source has its ``steps``, of which all but the first write an index. ``chosen`` are the
    dumps, as in the pattern of a path.
    """
    mapping = yaml.safe_load((ROOT / "recipes" / "demo.yaml").read_text())
    mapping["variables"] = {"data": str(SAMPLES / "data"), "models": str(SAMPLES / "models")}
    mapping["reading"] |= {"batch_bytes": 30_000}
    sources = {}
    for name, entries in steps.items():
        made: list[dict[str, Any]] = []
        for step, entry in enumerate(entries):
            ((kind, parameters),) = entry.items()
            if step:
                cards = [card(run, name, step) for run in earlier]
                parameters = {**parameters, "index": True, "against": cards}
            made.append({kind: parameters})
        sources[name] = {
            **mapping["sources"]["commoncrawl"],
            "input": [f"{dumps}/dump-{chosen}.warc.wet.gz"],
            "proportion": 1 / len(steps),
            "steps": made,
        }
    mapping["sources"] = sources
    path.write_text(yaml.safe_dump(mapping))
    return str(path)

"""What became of every document of a run of this project, by the step that decided it first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def read_run(output: Path, source: str, *, key: str = "id") -> dict[str, Any]:
    """Return ``outcomes``, a step or ``kept`` by the document's ``key``, and the run's ``tokens``.

    A key is an id without the source, or a url.
    """
    outcomes: dict[str, str] = {}
    tokens = 0
    for path in sorted((output / "shards" / source).glob("*.parquet")):
        table = pq.read_table(path)
        keys = [value.removeprefix(f"{source}/") if value else "" for value in
                table[key].to_pylist()]  # fmt: skip
        if "step" in table.column_names:
            outcomes.update(zip(keys, table["step"].to_pylist(), strict=True))
        else:
            outcomes.update(dict.fromkeys(keys, "kept"))
    counts = json.loads((output / "manifest.json").read_text())["sources"][source]
    tokens = counts["train_tokens"] + counts["validation_tokens"]
    return {"outcomes": outcomes, "tokens": tokens}

"""Decisions of FineWeb's rules here and in datatrove, on the same texts, for both kinds of words.

    python benchmarks/word_decisions.py [--data ../shared/data]

The texts are those that datatrove extracts from the WARC samples, those that fastText takes for
English counted apart: FineWeb keeps no others. A page agrees where both sides keep it or both drop
it. The peers' environment is that of benchmarks/peers.py.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from benchmarks.peer_systems.environment import peers_python
from transforms.documents import documents
from transforms.registry import STEPS
from transforms.scoring.language import identify_language

Decisions = npt.NDArray[np.bool_]


def theirs(folder: Path) -> tuple[pa.RecordBatch, dict[str, Decisions]]:
    """Return datatrove's texts, and which of them each of its filters keeps."""
    script = ROOT / "benchmarks" / "peer_systems" / "datatrove_rules.py"
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch, "decisions.jsonl")
        command = [str(peers_python()), str(script), str(folder), str(output)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        pages = [json.loads(line) for line in output.open()]
    batch = documents([str(i) for i in range(len(pages))], [page["text"] for page in pages])
    kept = {name: np.array([page["kept"][name] for page in pages]) for name in pages[0]["kept"]}
    return batch, kept


def ours(batch: pa.RecordBatch, parameters: dict[str, Any], words: str) -> dict[str, Decisions]:
    """Return which texts each step keeps, with words of one kind."""
    kept = {}
    for name, given in parameters.items():
        given = {**given, "words": words} if "words" in given else given
        dropped = STEPS[name](batch, **given)["dropped_by"]
        kept[name] = dropped.is_null().to_numpy(zero_copy_only=False)
    return kept


def line(name: str, here: Decisions, there: Decisions, english: Decisions) -> str:
    """Return a line of the table: pages kept by each side, and the share that agrees."""
    cells = [name]
    for mask in (np.ones_like(english), english):
        agree = (here == there)[mask].mean()
        cells.append(f"{here[mask].sum()} / {there[mask].sum()} | {100 * agree:.2f} %")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    shared = ROOT.parent / "shared"
    parser.add_argument("--data", type=Path, default=shared / "data")
    parser.add_argument("--lid", type=Path, default=shared / "models" / "lid.176.ftz")
    options = parser.parse_args()
    batch, there = theirs(options.data / "commoncrawl" / "warc")
    labelled = identify_language(batch, model=str(options.lid), languages=["en"], min_score=0.65)
    english = pc.is_null(labelled["dropped_by"]).to_numpy(zero_copy_only=False)
    recipe = yaml.safe_load((ROOT / "recipes" / "fineweb.yaml").read_text())
    steps = recipe["sources"]["commoncrawl"]["steps"]
    parameters = {
        name: step[name]
        for step in steps
        if isinstance(step, dict)
        for name in step
        if name in there
    }
    print(f"{batch.num_rows} texts, {english.sum()} of them English; kept here / by datatrove")
    for words in ("white_space", "punctuation_apart"):
        here = ours(batch, parameters, words)
        print(f"\n| words: {words} | kept | agree | kept, English | agree |\n|---|---|---|---|---|")
        for name in there:
            print(line(name, here[name], there[name], english))
        print(line("all four", *(np.all([*side.values()], 0) for side in (here, there)), english))


if __name__ == "__main__":
    main()

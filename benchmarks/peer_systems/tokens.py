"""Tokenising: this project's encoder against SentencePiece, Hugging Face's library and tiktoken."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.peer_systems.comparison import Comparison, Row
from benchmarks.peer_systems.inputs import Input
from benchmarks.peer_systems.setting import SCRIPTS, Setting
from benchmarks.peer_systems.sides import HERE, Side, Timed, read_done

SCRIPT = "tokenizers_side.py"
PASSES = {"first": "first pass", "second": "second pass"}


class Library(NamedTuple):
    """A library with a tokenizer."""

    library: str
    model: str  # a file in the folder of tokenizers; the SentencePiece model where empty
    name: str


PEERS = [
    Library("sentencepiece", "", "SentencePiece"),
    Library("tokenizers", "converted.json", "tokenizers, same pieces"),
    Library("tokenizers", "bytes.json", "tokenizers, byte-level"),
    Library("tiktoken", "bytes.gpt2.tiktoken", "tiktoken, byte-level"),
]


def make_tokenizers(setting: Setting, given: Input) -> None:
    """Make the tokenizers of other libraries, trained on the texts of all files together."""
    lines = [path.read_text(encoding="utf-8") for path in sorted(given.folder.glob("*.jsonl"))]
    setting.all_texts.write_text("".join(lines), encoding="utf-8")
    setting.tokenizers.mkdir()
    command = setting.peer(
        "make_tokenizers.py", setting.tokenizer, setting.all_texts, setting.tokenizers
    )
    subprocess.run(command, check=True)


def sides(setting: Setting) -> list[Side]:
    """Return this project's side, and the others."""

    def side(python: str, one: Library) -> Side:
        model = setting.tokenizers / one.model if one.model else setting.tokenizer

        def command(texts: Path, output: Path) -> list[str]:
            script = str(SCRIPTS / SCRIPT)
            return [python, script, one.library, str(texts), str(output), str(model)]

        return Side(one.name, command, read_done)

    ours = side(sys.executable, Library("here", "", HERE))
    return [ours, *(side(str(setting.python), one) for one in PEERS)]


def passes(setting: Setting) -> Iterator[dict[str, Timed]]:
    """Yield what was measured of each side, by pass: the passes alone, as the sides clock them."""
    all_sides = sides(setting)
    setting.bench.run(all_sides[0], setting.all_texts, 1)  # compiles what there is to compile
    measured = {side.name: {key: Timed(side.name) for key in PASSES} for side in all_sides}
    for _ in range(setting.bench.repeats):
        for side in all_sides:
            _, _, found = setting.bench.run(side, setting.all_texts, 1)
            for key, timed in measured[side.name].items():
                timed.seconds.append(found["seconds"][key])
                timed.core_seconds.append(found["seconds"][key])
                timed.found = found
    yield from measured.values()


def compare(setting: Setting, given: Input) -> Comparison:
    """Encode the same texts with every library, on one thread."""
    made = Comparison("Tokens, loaded and on one thread, against other libraries")
    here, *peers = passes(setting)
    for peer in peers:
        for key, name in PASSES.items():
            made.rows.append(Row(f"tokens, {name}", 1, given, here[key], peer[key]))
        same = same_ids(here["first"], peer["first"])
        if not peer["first"].name.endswith("byte-level"):
            made.remarks.append(f"{peer['first'].name}: the ids of {same} are ours.")
    loads = [
        f"{t['first'].found['seconds']['start']:.1f} s {t['first'].name}" for t in (here, *peers)
    ]
    made.remarks.append(f"Imports and loading, in no pass: {', '.join(loads)}.")
    return made


def same_ids(here: Timed, peer: Timed) -> str:
    """Say of how many texts two libraries made the same ids."""
    pairs = zip(here.found["digests"], peer.found["digests"], strict=True)
    n_same = sum(a == b for a, b in pairs)
    return f"{n_same:,} of {len(here.found['digests']):,} texts"

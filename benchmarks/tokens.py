"""Speed of byte-level BPE, against ``tokenizers`` and tiktoken, on one core in the same run.

    python benchmarks/tokens.py [--data ../shared/data] [--models ../shared/models]
                                [--pattern llama3] [--pieces 32000] [--documents 1200] [--json]

The texts are documents of C4 and WET. A tokenizer with the pattern is trained on half of them, and
every library encodes all of them twice with it, in batches: the first pass begins with the
tokenizer just loaded. SentencePiece stands beside, with a model of its own, by its library and by
this project. Processor time counts. ``same`` says of how many texts the ids are this project's.
"""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import samples_parser, wet_texts
from benchmarks.peer_systems.environment import peers_python
from tokenizer.byte_level.json_file import spelled_bytes
from tokenizer.byte_level.known_patterns import PATTERNS, TIKTOKEN_KINDS
from tokenizer.byte_level.training import train_byte_level

SIDE = ROOT / "benchmarks" / "peer_systems" / "tokenizers_side.py"

PASSES = ("first", "second")


class Side(NamedTuple):
    """A library with a tokenizer, and the side that its ids are compared with."""

    name: str
    library: str
    model: Path
    like: str


def sample(data: Path, n_documents: int) -> list[str]:
    with gzip.open(data / "c4" / "c4-train.00000-of-00001.json.gz", "rb") as file:
        c4 = [json.loads(line)["text"] for line in file]
    return [*c4, *wet_texts(data)][:n_documents]


def tiktoken_lines(tokenizer: bytes) -> str:
    """Return a tokenizer.json's tokens as a tiktoken file."""
    vocabulary = json.loads(tokenizer)["model"]["vocab"]
    spelled = (spelled_bytes(token) for token in sorted(vocabulary, key=vocabulary.__getitem__))
    special = {one["content"].encode() for one in json.loads(tokenizer)["added_tokens"]}
    tokens = [token for token in spelled if token is not None and token not in special]
    return "".join(
        f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens)
    )


def make_sides(
    texts: list[str], folder: Path, pattern: str, n_pieces: int, models: Path
) -> list[Side]:
    """Train a tokenizer on every other text; return all sides that encode with it, and others."""
    trained = train_byte_level(texts[::2], pattern, n_pieces)
    of_json = folder / "tokenizer.json"
    of_json.write_bytes(trained)
    of_tiktoken = folder / f"trained.{pattern}.tiktoken"
    of_tiktoken.write_text(tiktoken_lines(trained))
    pieces = models / "mistral-tokenizer.model.v1"
    sides = [
        Side("here, tokenizer.json", "here", of_json, ""),
        Side("tokenizers", "tokenizers", of_json, "here, tokenizer.json"),
        Side("here, tiktoken file", "here", of_tiktoken, ""),
        Side("tiktoken", "tiktoken", of_tiktoken, "here, tiktoken file"),
        Side("here, SentencePiece model", "here", pieces, ""),
        Side("SentencePiece", "sentencepiece", pieces, "here, SentencePiece model"),
    ]
    has_tiktoken = pattern in TIKTOKEN_KINDS
    return [side for side in sides if has_tiktoken or side.model != of_tiktoken]


def measure(side: Side, texts: Path) -> dict[str, Any]:
    """Run a side in a process of its own; return what it measured."""
    python = sys.executable if side.library == "here" else str(peers_python())
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "done")
        command = [python, str(SIDE), side.library, str(texts), str(output), str(side.model)]
        subprocess.run(["taskset", "--cpu-list", "0", *command], check=True)
        return dict(json.loads((output / "done.json").read_text()))


def row_of(side: Side, found: dict[str, dict[str, Any]], n_bytes: int) -> dict[str, Any]:
    """Return the speed of a side, and how it compares with this project's of the same model."""
    row: dict[str, Any] = {"side": side.name}
    one = found[side.name]
    for name in PASSES:
        row[f"{name}_mb_s"] = n_bytes / 1e6 / one["core_seconds"][name]
    if side.like:
        ours = found[side.like]
        pairs = zip(one["digests"], ours["digests"], strict=True)
        row["same"] = sum(a == b for a, b in pairs)
        for name in PASSES:
            row[f"{name}_ratio"] = one["core_seconds"][name] / ours["core_seconds"][name]
    return row


def main() -> None:
    parser = samples_parser(__doc__)
    parser.add_argument("--pattern", choices=PATTERNS, default="llama3")
    parser.add_argument("--pieces", type=int, default=32_000)
    parser.add_argument("--documents", type=int, default=1_200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    texts = sample(options.data, options.documents)
    n_bytes = sum(len(text.encode()) for text in texts)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "texts.jsonl"
        file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        sides = make_sides(texts, folder, options.pattern, options.pieces, options.models)
        measure(sides[0], file)  # compiles what there is to compile
        found = {side.name: measure(side, file) for side in sides}
    rows = [row_of(side, found, n_bytes) for side in sides]
    if options.json:
        print(json.dumps({"documents": len(texts), "bytes": n_bytes, "sides": rows}, indent=2))
        return
    print(f"{len(texts):,} documents, {n_bytes / 1e6:.1f} MB, pattern {options.pattern}")
    for row in rows:
        more = ""
        if "same" in row:
            more = (
                f"  here is {row['first_ratio']:.1f} and {row['second_ratio']:.1f} times as fast; "
                f"{row['same']:,} texts have the same ids"
            )
        print(f"{row['side']:27} {row['first_mb_s']:7.1f} {row['second_mb_s']:7.1f} MB/s{more}")


if __name__ == "__main__":
    main()

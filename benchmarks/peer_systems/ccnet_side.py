"""CCNet's two passes by its own published code, then SentencePiece; the peers' Python runs it.

    python ccnet_side.py FOLDER OUTPUT --models FOLDER --tokenizer FILE --cutoffs HEAD MIDDLE

The package ``cc-net`` does all up to the buckets: it reads WET, collects hashes of paragraphs,
drops those that were seen twice, identifies languages, and scores with SentencePiece and KenLM.
English pages of head and middle go straight to the tokenizer, without CCNet's JSON files in
between, which is in its favour. Its set of hashes is the one in Python, by its own account the
faster of its two.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

STARTED = float(os.environ.get("PEERS_STARTED", time.time()))

import numpy as np
from cc_net import dedup, jsonql, perplexity, split_by_lang
from cc_net.process_wet_file import CCSegmentsReader
from sentencepiece import SentencePieceProcessor

MIN_CHARS, MIN_SCORE = 300, 0.5


class Seen(jsonql.Transformer):
    """Notes which pages come by."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names = names

    def do(self, doc: dict) -> dict:  # type: ignore[type-arg]
        """Note a page."""
        self.names.append(f"{doc['cc_segment']} {doc['digest']}")
        return doc


class English(jsonql.Transformer):
    """Keeps the pages in English, as CCNet's list of languages to keep does."""

    def do(self, doc: dict) -> dict | None:  # type: ignore[type-arg]
        """Keep a page or drop it."""
        return doc if doc.get("language") == "en" else None


class Tokens(jsonql.Transformer):
    """Writes the tokens of pages of head and middle."""

    def __init__(self, model: Path, output: Path) -> None:
        super().__init__()
        self.tokenizer = SentencePieceProcessor(model_file=str(model))
        self.file = output.open("wb")
        self.n_tokens = 0

    def do(self, doc: dict) -> dict | None:  # type: ignore[type-arg]
        """Encode a page."""
        if doc["bucket"] not in ("head", "middle"):
            return None
        ids = self.tokenizer.encode(doc["raw_content"], add_bos=True, add_eos=True)
        self.file.write(np.array(ids, np.uint16).tobytes())
        self.n_tokens += len(ids)
        return doc


def reader(folder: Path) -> CCSegmentsReader:
    """Read the WET files of a folder, which CCNet takes for what it has downloaded."""
    names = sorted(path.name for path in folder.glob("*.wet.gz"))
    return CCSegmentsReader(names, min_len=MIN_CHARS, cache_dir=folder)


def cutoff_file(output: Path, cutoffs: list[float]) -> Path:
    """Write CCNet's table of cut-offs, a row a percentile."""
    path = output / "cutoff.csv"
    rows = [f"{p},{c}" for p, c in zip((30, 60), cutoffs, strict=True)]
    path.write_text("\n".join([",en", *rows]) + "\n")
    return path


def mine(options: argparse.Namespace) -> dict[str, Any]:
    """Run both passes; returns the pages that each step let through, and the tokens."""
    field, models = "raw_content", options.models
    hashes = options.output / "hashes.bin"
    jsonql.run_pipes(dedup.HashesCollector(field, output=hashes), inputs=reader(options.input),
                     output=os.devnull)  # fmt: skip
    steps = ("read", "deduplicated", "identified", "english", "kept")
    seen: dict[str, list[str]] = {step: [] for step in steps}
    tokens = Tokens(options.tokenizer, options.output / "tokens.bin")
    jsonql.run_pipes(
        Seen(seen["read"]),
        dedup.DuplicatesRemover(field, [hashes]),
        Seen(seen["deduplicated"]),
        split_by_lang.Classifier(models / "lid.176.ftz", field, "language", MIN_SCORE, top=1),
        Seen(seen["identified"]),
        English(),
        Seen(seen["english"]),
        perplexity.MultiSentencePiece({"en": models / "en.sp.model"}, field, normalize=True),
        perplexity.DocLM({"en": models / "en.arpa.bin"}, "tokenized", normalize=False),
        perplexity.PerplexityBucket(cutoff_file(options.output, options.cutoffs)),
        tokens,
        Seen(seen["kept"]),
        inputs=reader(options.input),
        output=os.devnull,
        processes=0,
    )
    tokens.file.close()
    return {"seen": seen, "tokens": tokens.n_tokens}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--cutoffs", type=float, nargs=2, required=True)
    options = parser.parse_args()
    options.output.mkdir(parents=True)
    found = mine(options)
    found["seconds"] = {"all": time.time() - STARTED}
    (options.output / "done.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()

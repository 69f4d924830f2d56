"""Train the demo's models, ``samples/models``: a tokenizer and a language model of English.

    scripts/build_kenlm_tools.sh
    python scripts/make_demo_models.py --books FOLDER [--kenlm build/kenlm/bin] [--output ...]

The text is four books in the public domain (``books.py`` names them), none of which is in the
bundled samples. The models are small stand-ins: a tokenizer of 6,000 pieces like LLaMA's, and
CCNet's pair of SentencePiece unigram pieces and a KenLM 5-gram. The same books and the same
versions of SentencePiece and KenLM give the same bytes. The language identification model,
``lid.176.ftz``, is fastText's own and is not made here.

The cut-offs of ``recipes/demo.yaml`` are printed last. They are percentiles of the perplexities of
the samples' English pages, after the steps before scoring.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
from books import TRAINING_BOOKS, book_file, book_paragraphs
from fastwarc.warc import ArchiveIterator, WarcRecordType

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.plain.web_path import (  # noqa: E402
    Page,
    kept_pages,
    load_models,
    normalise_for_lm,
    shared_keys,
)
from tokenizer.train import OPTIONS  # noqa: E402

TOKENIZER: dict[str, Any] = {
    **OPTIONS,
    "vocab_size": 6_000,
    "normalization_rule_name": "identity",
    "add_dummy_prefix": True,
}
"""SentencePiece's options of ``corpus train-tokenizer``, but without the escapes for U+2581. So the
demo runs with a model like the published ones."""

LM_PIECES: dict[str, Any] = {
    "model_type": "unigram",
    "vocab_size": 8_000,
    "normalization_rule_name": "identity",
}
"""SentencePiece's options of the language model's pieces."""

COMMON: dict[str, Any] = {"num_threads": 1, "max_sentence_length": 16_384, "minloglevel": 2}

LMPLZ = ["-o", "5", "--prune", "0", "0", "0", "1", "1", "-S", "512M"]
BUILD_BINARY = ["trie", "-a", "22", "-q", "8", "-b", "8"]


def train_pieces(lines: Iterable[str], options: dict[str, Any]) -> bytes:
    """Train a SentencePiece model; return the model file, without paths in it."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, **COMMON, **options
    )
    return model.getvalue()


def train_lm(lines: Iterable[str], pieces: bytes, tools: Path) -> bytes:
    """Train a KenLM model over the pieces of normalised lines; return its quantised trie."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=pieces)
    with tempfile.TemporaryDirectory() as folder:
        text, arpa, binary = (Path(folder, name) for name in ("text", "lm.arpa", "lm.bin"))
        text.write_text(
            "".join(" ".join(processor.encode(line, out_type=str)) + "\n" for line in lines),
            "utf-8",
        )
        with text.open("rb") as source, arpa.open("wb") as target:
            scratch = ["-T", folder]
            subprocess.run(
                [tools / "lmplz", *LMPLZ, *scratch], stdin=source, stdout=target, check=True
            )
        subprocess.run([tools / "build_binary", *BUILD_BINARY, arpa, binary], check=True)
        return binary.read_bytes()


def wet_pages(folder: Path) -> Iterator[Page]:
    """Yield the complete pages of a folder's WET files, without their titles."""
    for path in sorted(folder.glob("*.warc.wet.gz")):
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream, WarcRecordType.conversion, parse_http=False):
                payload = record.reader.read()
                if len(payload) == int(record.headers["Content-Length"]):
                    lines = payload.decode("utf-8", "replace").removesuffix("\n").split("\n")
                    yield Page(str(record.record_id), lines[1:])


def english_perplexities(wet: Path, models: Path) -> list[float]:
    """Return the perplexities of English pages of 300 characters or more with unique lines."""
    pages = list(wet_pages(wet))
    kept = kept_pages(
        pages,
        shared_keys(pages, 300),
        load_models(models, models / "tokenizer.model"),
        min_chars=300,
        min_score=0.5,
        cutoff=float("inf"),
    )
    return [page.perplexity for page in kept]


def main() -> None:
    """Train the three models; print their digests and the cut-offs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--books", type=Path, required=True, help="folder of the books")
    parser.add_argument("--kenlm", type=Path, default=ROOT / "build" / "kenlm" / "bin")
    parser.add_argument("--output", type=Path, default=ROOT / "samples" / "models")
    args = parser.parse_args()
    if not (args.kenlm / "lmplz").is_file():
        raise SystemExit(f"{args.kenlm} has no lmplz: run scripts/build_kenlm_tools.sh first")
    paragraphs = [
        paragraph
        for number, name in TRAINING_BOOKS.items()
        for paragraph in book_paragraphs(book_file(args.books, number, name))
    ]
    normalised = [normalise_for_lm(paragraph) for paragraph in paragraphs]
    args.output.mkdir(parents=True, exist_ok=True)
    pieces = train_pieces(normalised, LM_PIECES)
    models = {
        "tokenizer.model": train_pieces(paragraphs, TOKENIZER),
        "en.sp.model": pieces,
        "en.arpa.bin": train_lm(normalised, pieces, args.kenlm),
    }
    for name, data in models.items():
        (args.output / name).write_bytes(data)
        print(f"{hashlib.sha256(data).hexdigest()}  {name} ({len(data):,} bytes)")
    if not (args.output / "lid.176.ftz").exists():
        shutil.copyfile(ROOT / "samples" / "models" / "lid.176.ftz", args.output / "lid.176.ftz")
    wet = ROOT / "samples" / "data" / "commoncrawl" / "wet"
    scores = english_perplexities(wet, args.output)
    head, middle = np.percentile(scores, [30, 60])
    print(f"{len(scores)} English pages; 30th percentile {head:.1f}, 60th {middle:.1f}")


if __name__ == "__main__":
    main()

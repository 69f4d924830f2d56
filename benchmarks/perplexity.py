"""Speed of ``score_perplexity``, against the packages ``sentencepiece`` and ``kenlm``.

    python benchmarks/perplexity.py [--data ../shared/data] [--models ../shared/models]
                                    [--lm FILE ...] [--rounds 5] [--json]

On the English text of all WET pages, one core, with the language model of the models' folder and
those of ``--lm``, made of the same pieces. The packages are used as well as was found: one call of
SentencePiece a batch, which gives ids, whose pieces Arrow looks up and joins. Both sides have KenLM
score a document at a time. They take turns, the best of all rounds counts, and perplexities are
equal to the last bit.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import kenlm
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sentencepiece

from benchmarks.measuring import best_seconds_in_turns, samples_parser, wet_texts
from tokenizer.encode import load_encoder
from transforms.documents import documents, with_column
from transforms.kernels.codepoints import normalise_for_lm
from transforms.scoring.language import identify_language
from transforms.scoring.perplexity import score_perplexity

PAGES_A_BATCH = 400
LANGUAGE = "en"


class Packages(NamedTuple):
    """SentencePiece's processor, its pieces as KenLM wants them, and KenLM's model."""

    processor: sentencepiece.SentencePieceProcessor
    pieces: pa.BinaryArray
    lm: kenlm.Model


def load_packages(pieces: Path, lm: Path) -> Packages:
    processor = sentencepiece.SentencePieceProcessor(model_file=str(pieces))
    texts = [processor.id_to_piece(i).encode() for i in range(processor.get_piece_size())]
    config = kenlm.Config()
    config.load_method = kenlm.LoadMethod.LAZY
    return Packages(processor, pa.array(texts, pa.binary()), kenlm.Model(str(lm), config))


def sentences(packages: Packages, texts: pa.StringArray) -> tuple[list[bytes], list[int]]:
    """Return every text's pieces, joined by spaces, and how many they are."""
    rows = texts.to_pylist()
    ids = packages.processor.encode_as_numpy(rows, num_threads=1)
    sizes = [len(row) for row in ids]
    flat, offsets = pa.array(np.concatenate(ids)), pa.array(np.cumsum([0, *sizes], dtype=np.int32))
    pieces = pa.ListArray.from_arrays(offsets, packages.pieces.take(flat))
    found = pc.binary_join(pieces, b" ").to_pylist()
    unknown = packages.processor.unk_id()
    for i, row in enumerate(ids):
        if (row == unknown).any():  # the piece is the text's, not the model's
            found[i] = b" ".join(packages.processor.encode(rows[i], out_type=bytes))
    return found, sizes


def plain_step(packages: Packages, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Do what ``score_perplexity`` does."""
    mask = pc.equal(batch["language"], LANGUAGE)
    found, sizes = sentences(packages, normalise_for_lm(batch["text"].filter(mask)))
    scores = [packages.lm.score(sentence) for sentence in found]
    made = [10.0 ** (-score / (size + 1)) for score, size in zip(scores, sizes, strict=True)]
    scored = pc.replace_with_mask(batch["perplexity"], mask, pa.array(made, pa.float64()))
    return with_column(batch, "perplexity", scored)


def english_batches(data: Path, models: Path) -> list[pa.RecordBatch]:
    """Return the WET pages that are taken for English, in batches."""
    texts = wet_texts(data)
    batches = []
    for first in range(0, len(texts), PAGES_A_BATCH):
        some = texts[first : first + PAGES_A_BATCH]
        batch = documents([str(i) for i in range(len(some))], some)
        batch = identify_language(
            batch, model=str(models / "lid.176.ftz"), languages=[LANGUAGE], min_score=0.5
        )
        batches.append(batch.filter(pc.is_null(batch["dropped_by"])))
    return batches


def measure(
    batches: list[pa.RecordBatch], pieces: Path, lm: Path, rounds: int
) -> list[dict[str, Any]]:
    """Return a row for the pieces and one for the whole step."""
    lm.read_bytes()  # into memory, from where both sides map it
    packages, encoder = load_packages(pieces, lm), load_encoder(str(pieces))
    normal = [normalise_for_lm(batch["text"]) for batch in batches]
    parameters = {"language": LANGUAGE, "lm": str(lm), "pieces": str(pieces)}

    def plain_pieces() -> list[bytes]:
        return [one for column in normal for one in sentences(packages, column)[0]]

    def our_pieces() -> list[bytes]:
        return [one for column in normal for one, _ in encoder.encode_as_sentences(column)]

    def plain_whole() -> list[float]:
        made = [plain_step(packages, batch) for batch in batches]
        return [value for batch in made for value in batch["perplexity"].to_pylist()]

    def our_whole() -> list[float]:
        made = [score_perplexity(batch, **parameters) for batch in batches]
        return [value for batch in made for value in batch["perplexity"].to_pylist()]

    mb = sum(batch["text"].nbytes for batch in batches) / 1e6
    rows = []
    for part, theirs, ours in (
        ("pieces", plain_pieces, our_pieces),
        ("whole step", plain_whole, our_whole),
    ):
        assert theirs() == ours(), f"{lm}, {part}: not the same results"
        plain_seconds, seconds = best_seconds_in_turns(theirs, ours, rounds)
        rows.append(
            {"lm": lm.name, "lm_mb": lm.stat().st_size / 1e6, "part": part,
             "packages_mb_per_s": mb / plain_seconds, "mb_per_s": mb / seconds,
             "ratio": plain_seconds / seconds}
        )  # fmt: skip
    return rows


def main() -> None:
    parser = samples_parser(__doc__)
    parser.add_argument("--lm", type=Path, nargs="*", default=[], help="more language models")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    batches = english_batches(options.data, options.models)
    rows = [
        row
        for lm in [options.models / "en.arpa.bin", *options.lm]
        for row in measure(batches, options.models / "en.sp.model", lm, options.rounds)
    ]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'model':<16}{'MB':>8}  {'part':<16}{'packages MB/s':>14}{'MB/s':>8}{'ratio':>8}")
    for row in rows:
        print(
            f"{row['lm']:<16}{row['lm_mb']:>8,.0f}  {row['part']:<16}"
            f"{row['packages_mb_per_s']:>14.2f}{row['mb_per_s']:>8.1f}{row['ratio']:>8.1f}"
        )


if __name__ == "__main__":
    main()

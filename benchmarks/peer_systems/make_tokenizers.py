"""Tokenizers for Hugging Face's library and tiktoken, made here; the peers' Python runs it.

    python make_tokenizers.py MODEL TEXTS OUTPUT

``converted.json`` is the SentencePiece BPE model in Hugging Face's form: the same pieces, with the
merges that lead to them. ``bytes.json`` is a byte-level BPE with as many pieces, trained on the
texts, split by GPT-2's expression, as both libraries are mostly used; ``bytes.gpt2.tiktoken`` has
the same pieces in tiktoken's form.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers


def merges_of(pieces: dict[str, int], scores: list[float]) -> list[tuple[str, str]]:
    """Return all ways to make a piece of two, the best piece first."""
    found = []
    for piece in pieces:
        parts = [(piece[:i], piece[i:]) for i in range(1, len(piece))]
        made = [(a, b) for a, b in parts if a in pieces and b in pieces]
        made.sort(key=lambda pair: (pieces[pair[0]], pieces[pair[1]]))
        found += [(-scores[pieces[piece]], pair) for pair in made]
    return [pair for _, pair in sorted(found, key=lambda one: one[0])]


def convert(model: Path) -> Tokenizer:
    """Convert a SentencePiece BPE model of LLaMA's kind."""
    processor = SentencePieceProcessor(model_file=str(model))
    numbers = range(processor.vocab_size())
    pieces = {processor.id_to_piece(i): i for i in numbers}
    merges = merges_of(pieces, [processor.get_score(i) for i in numbers])
    bpe = models.BPE(pieces, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    made = Tokenizer(bpe)
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback()])
    return made


def train(texts: Iterator[str], n_pieces: int) -> Tokenizer:
    """Train a byte-level BPE."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=n_pieces, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    return made


def bytes_of_characters() -> dict[str, int]:
    """Return the byte that each character of a byte-level piece stands for, as GPT-2 has it."""
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in shown]
    return {chr(b): b for b in shown} | {chr(256 + i): b for i, b in enumerate(others)}


def ranks(tokenizer: Tokenizer) -> Iterator[str]:
    """Yield the lines of tiktoken's file: a piece and its rank."""
    table = bytes_of_characters()
    for piece, number in sorted(tokenizer.get_vocab().items(), key=lambda one: one[1]):
        yield f"{base64.b64encode(bytes(table[c] for c in piece)).decode()} {number}\n"


def main() -> None:
    model, texts, output = map(Path, sys.argv[1:])
    converted = convert(model)
    converted.save(str(output / "converted.json"))
    with texts.open(encoding="utf-8") as file:
        trained = train((json.loads(line)["text"] for line in file), converted.get_vocab_size())
    trained.save(str(output / "bytes.json"))
    (output / "bytes.gpt2.tiktoken").write_text("".join(ranks(trained)))


if __name__ == "__main__":
    main()

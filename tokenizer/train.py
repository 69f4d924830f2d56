"""Train a tokenizer: SentencePiece BPE as the LLaMA paper has it, from which every text comes back.

Numbers are split into single digits, characters that have no piece fall back to their UTF-8 bytes,
and text is not normalised (arXiv 2302.13971, section 2.1). ``decode(encode(text)) == text`` holds
for every text, in SentencePiece itself: SentencePiece writes a space as U+2581, so that a U+2581 of
the text would come back as a space. The models made here escape it: their normaliser writes U+2581
as U+0010 (data link escape) and ``_``, and U+0010 as two of them; their denormaliser, which
SentencePiece applies when it decodes, takes that back. All other text is untouched.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import sentencepiece

from tokenizer.model_file import (
    ADD_DUMMY_PREFIX,
    DENORMALISER,
    NORMALISER,
    RULES_FILE,
    without_fields,
)

OPTIONS: dict[str, Any] = {
    "model_type": "bpe",
    "split_digits": True,
    "byte_fallback": True,
    "character_coverage": 0.99995,
    "remove_extra_whitespaces": False,
    "allow_whitespace_only_pieces": True,
    "required_chars": "0123456789",
    "unk_surface": " \u2047 ",
}
"""SentencePiece's options of LLaMA's tokenizer; the digits, which may be rare, are named besides.

Spaces are kept, and runs of them become pieces, up to SentencePiece's 16 characters."""

LM_PIECES: dict[str, Any] = {
    "model_type": "unigram",
    "character_coverage": 0.9995,
    "normalization_rule_name": "identity",
}
"""SentencePiece's options of the pieces of CCNet's language model, whose text is normalised."""

MAX_LINE_BYTES = 1 << 16
"""SentencePiece passes over longer sentences, so that longer lines are cut."""

ESCAPES = {"\x10": "\x10\x10", "\u2581": "\x10_"}
"""What the normaliser writes for characters that would not come back otherwise."""

RESERVED_PIECES = 3 + 256
"""The unknown piece, the marks of begin and end of sequence, and the bytes."""


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> bytes:
    """Train a tokenizer on documents; return the SentencePiece model, which names no path.

    The same documents in the same order give the same bytes. Raises ValueError where the documents
    do not give so many pieces, with the number that they do, and where ``vocabulary_size`` leaves
    no room for any.
    """
    check_vocabulary_size(vocabulary_size)
    model = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        rules, back = Path(folder, "rules.tsv"), Path(folder, "back.tsv")
        rules.write_text("".join(f"{_hex(a)}\t{_hex(b)}\n" for a, b in ESCAPES.items()))
        back.write_text("".join(f"{_hex(b)}\t{_hex(a)}\n" for a, b in ESCAPES.items()))
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=sentences(texts),
                model_writer=model,
                vocab_size=vocabulary_size,
                normalization_rule_tsv=str(rules),
                denormalization_rule_tsv=str(back),
                add_dummy_prefix=False,  # :func:`sentences` puts it where encoding does
                max_sentence_length=MAX_LINE_BYTES,
                num_threads=1,
                minloglevel=2,
                **OPTIONS,
            )
        except RuntimeError as error:
            raise ValueError(_reason(str(error), vocabulary_size)) from None
    return without_fields(
        model.getvalue(),
        {NORMALISER: {ADD_DUMMY_PREFIX, RULES_FILE}, DENORMALISER: {RULES_FILE}},
    )


def train_lm_pieces(lines: Iterable[str], n_pieces: int) -> bytes:
    """Train the unigram pieces of CCNet's language model on lines that it has normalised.

    Returns the SentencePiece model, which names no path. Lines of more than 64 KiB do not take
    part. Raises ValueError as :func:`train_tokenizer` does.
    """
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            vocab_size=n_pieces,
            max_sentence_length=MAX_LINE_BYTES,
            num_threads=1,
            minloglevel=2,
            **LM_PIECES,
        )
    except RuntimeError as error:
        raise ValueError(_reason(str(error), n_pieces)) from None
    return model.getvalue()


def check_vocabulary_size(vocabulary_size: int) -> None:
    """Raise ValueError where so small a vocabulary has no room for pieces of text."""
    if vocabulary_size <= RESERVED_PIECES:
        raise ValueError(
            f"a vocabulary of {vocabulary_size:,} pieces: bytes and marks alone are "
            f"{RESERVED_PIECES}; ask for more"
        )


def _hex(text: str) -> str:
    return " ".join(f"{ord(character):X}" for character in text)


def sentences(texts: Iterable[str]) -> Iterator[str]:
    """Cut documents into what SentencePiece counts: lines, whose newlines are bytes of their own.

    A document begins with the space that encoding puts there, its other lines do not, so that a
    word at the beginning of a line is counted as it will be encoded. Long lines are cut ahead of a
    space, where no piece is cut, or anywhere if there is none.
    """
    longest = MAX_LINE_BYTES // 4  # characters
    for text in filter(None, texts):
        for number, line in enumerate(text.split("\n")):
            rest = line if number else f" {line}"
            while len(rest) > longest:
                cut = rest.rfind(" ", 1, longest)
                cut = longest if cut < 0 else cut
                yield rest[:cut]
                rest = rest[cut:]
            if rest:
                yield rest


def _reason(message: str, vocabulary_size: int) -> str:
    """Say in a line, with what to do, why SentencePiece did not train."""
    most = re.search(r"Vocabulary size too high .*<= (\d+)", message)
    if most:
        return (
            f"the documents give {int(most.group(1)):,} pieces, not {vocabulary_size:,}; take more "
            "documents, or ask for fewer pieces"
        )
    least = re.search(r"smaller than required_chars\. \d+ vs (\d+)", message)
    if least:
        return (
            f"the documents have more different characters than a vocabulary of "
            f"{vocabulary_size:,} pieces holds; ask for more than {int(least.group(1)):,}"
        )
    if "sentences_" in message:
        return "there is no text in the documents to train on"
    return f"SentencePiece could not train: {' '.join(message.split())}"

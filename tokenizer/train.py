"""Training of tokenizers: SentencePiece BPE as in the LLaMA paper, without loss of text.

Numbers are split into single digits, characters without a piece fall back to their UTF-8 bytes, and
text is not normalised (arXiv 2302.13971, section 2.1). ``decode(encode(text)) == text`` holds for
every text, also with SentencePiece itself. SentencePiece writes a space as U+2581, so it would
decode a literal U+2581 as a space. The models made here escape that character. Their normaliser
writes U+2581 as U+0010 (data link escape) and ``_``, and U+0010 as two U+0010. Their denormaliser,
which SentencePiece applies when it decodes, reverses this. All other text is unchanged.
"""

from __future__ import annotations

import functools
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
    parse_model,
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
"""SentencePiece's options for LLaMA's tokenizer. The digits are required, because they may be rare.

Spaces are kept. Runs of spaces become pieces of up to 16 characters, SentencePiece's maximum."""

LM_PIECES: dict[str, Any] = {
    "model_type": "unigram",
    "character_coverage": 0.9995,
    "normalization_rule_name": "identity",
}
"""SentencePiece's options for the pieces of CCNet's language model. Its text is normalised."""

MAX_LINE_BYTES = 1 << 16
"""Longest sentence that SentencePiece trains on, in bytes. Longer lines are cut."""

ESCAPES = {"\x10": "\x10\x10", "\u2581": "\x10_"}
"""Characters that SentencePiece would not decode correctly, with the normaliser's escapes."""

RESERVED_PIECES = 3 + 256
"""Number of pieces that are not text: the unknown piece, begin and end of sequence, the bytes."""


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> bytes:
    """Train a tokenizer on documents; return the SentencePiece model, without paths in it.

    The same documents in the same order give the same bytes. Raises ValueError where the documents
    do not give ``vocabulary_size`` pieces, with the number that they do give, and where the
    vocabulary has no room for pieces of text.
    """
    check_vocabulary_size(vocabulary_size)
    with tempfile.TemporaryDirectory() as folder:
        rules, back = Path(folder, "rules.tsv"), Path(folder, "back.tsv")
        escapes = [(_hex(character), _hex(escape)) for character, escape in ESCAPES.items()]
        rules.write_text("".join(f"{character}\t{escape}\n" for character, escape in escapes))
        back.write_text("".join(f"{escape}\t{character}\n" for character, escape in escapes))
        model = _trained(
            sentences(texts),
            vocabulary_size,
            normalization_rule_tsv=str(rules),
            denormalization_rule_tsv=str(back),
            add_dummy_prefix=False,  # :func:`sentences` adds it
            **OPTIONS,
        )
    fields = {NORMALISER: {ADD_DUMMY_PREFIX, RULES_FILE}, DENORMALISER: {RULES_FILE}}
    return without_fields(model, fields)


@functools.cache
def escaping_charsmap() -> bytes:
    """Return the character map of every tokenizer that is trained here: :data:`ESCAPES` alone."""
    return parse_model(train_tokenizer(["ab ab ab"], RESERVED_PIECES + 14)).charsmap


def train_lm_pieces(lines: Iterable[str], n_pieces: int) -> bytes:
    """Train the unigram pieces of CCNet's language model on normalised lines.

    Returns the SentencePiece model, without paths in it. Lines of more than 64 KiB are ignored.
    Raises ValueError as :func:`train_tokenizer` does.
    """
    return _trained(iter(lines), n_pieces, **LM_PIECES)


def _trained(lines: Iterator[str], n_pieces: int, **options: Any) -> bytes:
    """Return the model that SentencePiece trains; ValueError says in one line why it does not."""
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=lines,
            model_writer=model,
            vocab_size=n_pieces,
            max_sentence_length=MAX_LINE_BYTES,
            num_threads=1,
            minloglevel=2,
            **options,
        )
    except RuntimeError as error:
        raise ValueError(_reason(str(error), n_pieces)) from None
    return model.getvalue()


def check_vocabulary_size(vocabulary_size: int) -> None:
    """Raise ValueError where a vocabulary has no room for pieces of text."""
    if vocabulary_size <= RESERVED_PIECES:
        raise ValueError(
            f"a vocabulary of {vocabulary_size:,} pieces: bytes and marks alone are "
            f"{RESERVED_PIECES}; ask for more"
        )


def _hex(text: str) -> str:
    return " ".join(f"{ord(character):X}" for character in text)


def sentences(texts: Iterable[str]) -> Iterator[str]:
    """Cut documents into the sentences that SentencePiece trains on: lines, without newlines.

    Newlines are encoded as bytes, so no piece needs to hold one. The first line of a document
    begins with the dummy space that encoding puts there, and the other lines do not. So a word at
    the beginning of a line is counted in the form in which it is encoded. A long line is cut before
    a space, where no piece is cut, or anywhere if it has none.
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
    """Return in one line why SentencePiece did not train, and what to do."""
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

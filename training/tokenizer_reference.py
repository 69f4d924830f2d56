"""What a tokenizer gives for the probe texts: the ids of the shards, which an export must give."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
from sentencepiece import SentencePieceProcessor

from tokenizer.byte_level.json_file import parse_json
from tokenizer.byte_level.tiktoken_json import json_of_tiktoken
from tokenizer.checking import marks_of
from tokenizer.kinds import JSON, SENTENCEPIECE, TIKTOKEN, kind_of
from tokenizer.opening import encoder_of
from training.probe_texts import probe_texts

SHOWN_CHARS = 40
"""Most characters of a text in the message about other ids."""


class Reference(NamedTuple):
    """A tokenizer as the pipeline uses it."""

    n_ids: int
    begin: list[int]  # ids ahead of every text
    encode: Callable[[str], list[int]]
    decode: Callable[[list[int]], str]
    no_text: frozenset[int]  # ids of unknown text, which Hugging Face leaves out as marks
    texts: list[str]  # the probe texts


def reference_of(
    data: bytes, file_name: str, *, bos: bool, special_in_text: bool = False
) -> Reference:
    """Return the reference of a tokenizer's file. ``bos`` puts its begin of text ahead of texts.

    With ``special_in_text``, special tokens that are spelt out in a text become these tokens.
    Raises ValueError where the file is no tokenizer's, or has no such token.
    """
    begin = marks_of(data, file_name)[0]
    if bos and begin is None:
        raise ValueError("it has no token for the begin of a text, with which documents begin")
    ahead = [begin] if bos and begin is not None else []
    if kind_of(data) == SENTENCEPIECE:
        processor = SentencePieceProcessor(model_proto=data)
        return Reference(
            processor.vocab_size(),
            ahead,
            processor.encode,
            processor.decode,
            frozenset([processor.unk_id()]),
            probe_texts(data),
        )
    encoder = encoder_of(data, file_name, special_in_text=special_in_text)
    as_json = json_content(data, file_name)

    def encode(text: str) -> list[int]:
        ids: list[int] = encoder.encode(pa.array([text]), bos=False, eos=False)[0].tolist()
        return ids

    special = (one["id"] for one in as_json.get("added_tokens") or [] if one["special"])
    return Reference(
        encoder.vocabulary_size,
        ahead,
        encode,
        encoder.decode,
        frozenset(special),
        probe_texts(json.dumps(as_json).encode()),
    )


def json_content(data: bytes, file_name: str) -> dict[str, Any]:
    """Return the content of a ``tokenizer.json``, also that of a tiktoken file.

    Raises ValueError where the file is neither.
    """
    kind = kind_of(data)
    if kind == TIKTOKEN:
        return json_of_tiktoken(data, file_name)
    if kind == JSON:
        return parse_json(data)
    raise ValueError(f"a file of kind {kind}")


def compare(
    reference: Reference,
    *,
    encode: Callable[[str], Sequence[int]],
    decode: Callable[[list[int]], str],
) -> None:
    """Compare a tokenizer with a reference. Raises ValueError where they differ."""
    other_ids, other_texts = [], []
    for text in reference.texts:
        ids = reference.encode(text)
        if list(encode(text)) != [*reference.begin, *ids]:
            other_ids.append(text)
        elif reference.no_text.isdisjoint(ids) and decode(ids) != reference.decode(ids):
            other_texts.append(text)
    for found, of in ((other_ids, "ids for"), (other_texts, "text from the ids of")):
        if found:
            raise ValueError(
                f"Hugging Face's tokenizers give other {of} {len(found)} of "
                f"{len(reference.texts)} texts, among them {found[0][:SHOWN_CHARS]!r}"
            )

"""The tokenizer of an export: its files, and the proof that it gives SentencePiece's ids."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer

from tokenizer.convert import tokenizer_json
from tokenizer.kinds import SENTENCEPIECE, kind_of
from training.data.tokenizer_file import read_tokenizer
from training.probe_texts import probe_texts

SHOWN_CHARS = 40
"""Most characters of a text in the message about other ids."""


def tokenizer_files(model: bytes, *, bos: bool, max_tokens: int) -> dict[str, dict[str, Any]]:
    """Return the contents of ``tokenizer.json`` and ``tokenizer_config.json``, by these names.

    ``bos`` says whether documents begin with the model's token for that. Raises ValueError, with
    the reason, where Hugging Face's tokenizers do not give the ids of the SentencePiece model.
    """
    if (kind := kind_of(model)) != SENTENCEPIECE:
        raise ValueError(f"only SentencePiece models can, and this is a file of kind {kind}")
    processor = SentencePieceProcessor(model_proto=model)
    content = tokenizer_json(model, begin=processor.bos_id() if bos else None)
    loaded = Tokenizer.from_str(json.dumps(content))
    loaded.encode_special_tokens = True
    _compare(
        model,
        bos,
        encode=lambda text: loaded.encode(text).ids,
        decode=lambda ids: loaded.decode(ids, skip_special_tokens=True),
    )
    names = {
        f"{name}_token": processor.id_to_piece(number)
        for name, number in mark_ids(processor).items()
    }
    return {
        "tokenizer.json": content,
        "tokenizer_config.json": {
            # Not LlamaTokenizer, which has a normaliser of its own in place of the file's.
            "tokenizer_class": "PreTrainedTokenizerFast",
            **names,
            "unk_token": processor.id_to_piece(processor.unk_id()),
            "add_bos_token": bos,
            "add_eos_token": False,
            # The name of a mark is text where it stands in a text, as in the pipeline.
            "split_special_tokens": True,
            "clean_up_tokenization_spaces": False,
            "model_max_length": max_tokens,
        },
    }


def mark_ids(processor: SentencePieceProcessor) -> dict[str, int]:
    """Return the ids of ``bos``, ``eos`` and ``pad``, without those that the model lacks."""
    ids = {"bos": processor.bos_id(), "eos": processor.eos_id(), "pad": processor.pad_id()}
    return {name: number for name, number in ids.items() if number >= 0}


def why_not_exportable(description: Mapping[str, Any]) -> str | None:
    """Return why the tokenizer that a manifest describes cannot be exported, None if it can."""
    try:
        model = read_tokenizer(description)
        tokenizer_files(model, bos=description["bos"], max_tokens=1)
    except ValueError as error:
        return str(error)
    return None


def check_with_transformers(folder: Path, model: bytes, *, bos: bool) -> None:
    """Load an exported tokenizer with ``AutoTokenizer``, and compare its ids with SentencePiece's.

    Raises ValueError where it cannot be loaded, or gives other ids.
    """
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(folder)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"transformers does not load it: {reason[:300]}") from error
    n_pieces = SentencePieceProcessor(model_proto=model).vocab_size()
    if len(loaded) != n_pieces:
        raise ValueError(f"transformers has {len(loaded)} pieces of it, not {n_pieces}")
    _compare(
        model,
        bos,
        encode=lambda text: loaded(text, verbose=False)["input_ids"],
        decode=lambda ids: str(loaded.decode(ids, skip_special_tokens=True)),
    )


def _compare(
    model: bytes,
    bos: bool,
    *,
    encode: Callable[[str], Sequence[int]],
    decode: Callable[[list[int]], str],
) -> None:
    """Compare a tokenizer with a SentencePiece model. Raises ValueError where they differ."""
    processor = SentencePieceProcessor(model_proto=model)
    begin = [processor.bos_id()] if bos else []
    texts = probe_texts(model)
    other_ids, other_texts = [], []
    for text in texts:
        ids = processor.encode(text)
        if list(encode(text)) != [*begin, *ids]:
            other_ids.append(text)
        # An unknown piece is a mark to Hugging Face, and left out.
        elif processor.unk_id() not in ids and decode(ids) != processor.decode(ids):
            other_texts.append(text)
    for found, of in ((other_ids, "ids for"), (other_texts, "text from the ids of")):
        if found:
            raise ValueError(
                f"Hugging Face's tokenizers give other {of} {len(found)} of {len(texts)} texts, "
                f"among them {found[0][:SHOWN_CHARS]!r}"
            )

"""The tokenizer of an export: its files, and the proof that it gives the ids of the shards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer

from tokenizer.checking import marks_of
from tokenizer.convert import begins_with, tokenizer_json
from tokenizer.kinds import SENTENCEPIECE, kind_of
from training.data.tokenizer_file import read_tokenizer
from training.tokenizer_reference import compare, json_content, reference_of


def tokenizer_files(
    data: bytes, file_name: str, *, bos: bool, max_tokens: int, special_in_text: bool = False
) -> dict[str, dict[str, Any]]:
    """Return the contents of ``tokenizer.json`` and ``tokenizer_config.json``, by these names.

    ``bos`` says whether documents begin with the tokenizer's token for that, ``special_in_text``
    whether special tokens that are spelt out in a text become these tokens. Raises ValueError, with
    the reason, where Hugging Face's tokenizers do not give the ids of the file.
    """
    make = _of_sentencepiece if kind_of(data) == SENTENCEPIECE else _of_json
    reference = reference_of(data, file_name, bos=bos, special_in_text=special_in_text)
    content, names = make(data, file_name, bos)
    loaded = Tokenizer.from_str(json.dumps(content))
    loaded.encode_special_tokens = not special_in_text
    compare(
        reference,
        encode=lambda text: loaded.encode(text).ids,
        decode=lambda ids: loaded.decode(ids, skip_special_tokens=True),
    )
    return {
        "tokenizer.json": content,
        "tokenizer_config.json": {
            # Not LlamaTokenizer, which has a normaliser of its own in place of the file's.
            "tokenizer_class": "PreTrainedTokenizerFast",
            **names,
            "add_bos_token": bos,
            "add_eos_token": False,
            # The name of a mark is text where it stands in a text, if it is so in the pipeline.
            "split_special_tokens": not special_in_text,
            "clean_up_tokenization_spaces": False,
            "model_max_length": max_tokens,
        },
    }


Made = tuple[dict[str, Any], dict[str, str]]
"""The content of a ``tokenizer.json``, and the names of its marks in ``tokenizer_config.json``."""


def _of_sentencepiece(data: bytes, _: str, bos: bool) -> Made:
    processor = SentencePieceProcessor(model_proto=data)
    content = tokenizer_json(data, begin=processor.bos_id() if bos else None)
    ids = mark_ids(data, "") | {"unk": processor.unk_id()}
    return content, {f"{name}_token": processor.id_to_piece(i) for name, i in ids.items()}


def _of_json(data: bytes, file_name: str, bos: bool) -> Made:
    """Return a ``tokenizer.json`` as it is, but for what is around a text: as in the shards."""
    content = json_content(data, file_name)
    names: dict[int, str] = {i: token for token, i in Tokenizer.from_str(
        json.dumps(content)).get_vocab(with_added_tokens=True).items()}  # fmt: skip
    ids = mark_ids(data, file_name)
    begin = begins_with(names[ids["bos"]], ids["bos"]) if bos else None
    around = {"post_processor": begin, "truncation": None, "padding": None}
    return content | around, {f"{name}_token": names[i] for name, i in ids.items()}


def mark_ids(data: bytes, file_name: str) -> dict[str, int]:
    """Return the ids of ``bos``, ``eos`` and ``pad``, without those that the tokenizer lacks.

    ``pad`` is looked for in SentencePiece models alone.
    """
    bos, eos = marks_of(data, file_name)
    ids = {"bos": bos, "eos": eos}
    if kind_of(data) == SENTENCEPIECE:
        pad = SentencePieceProcessor(model_proto=data).pad_id()
        ids["pad"] = pad if pad >= 0 else None
    return {name: number for name, number in ids.items() if number is not None}


def file_name_of(description: Mapping[str, Any]) -> str:
    """Return the name of the tokenizer's file that a manifest describes, without folders."""
    return PurePosixPath(str(description["model"])).name


def encodes_special(description: Mapping[str, Any]) -> bool:
    """Tell whether special tokens in text became these tokens, as a manifest describes it."""
    return description.get("special_tokens_in_text") == "encode"


def why_not_exportable(description: Mapping[str, Any]) -> str | None:
    """Return why the tokenizer that a manifest describes cannot be exported, None if it can."""
    try:
        data = read_tokenizer(description)
        tokenizer_files(
            data,
            file_name_of(description),
            bos=description["bos"],
            max_tokens=1,
            special_in_text=encodes_special(description),
        )
    except ValueError as error:
        return str(error)
    return None


def check_with_transformers(
    folder: Path, data: bytes, file_name: str, *, bos: bool, special_in_text: bool = False
) -> None:
    """Load an exported tokenizer with ``AutoTokenizer``; compare its ids with those of the file.

    Raises ValueError where it cannot be loaded, or gives other ids.
    """
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(folder)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"transformers does not load it: {reason[:300]}") from error
    reference = reference_of(data, file_name, bos=bos, special_in_text=special_in_text)
    n_ids = 1 + max(loaded.get_vocab().values(), default=-1)
    if n_ids != reference.n_ids:
        raise ValueError(f"transformers has {n_ids} pieces of it, not {reference.n_ids}")
    compare(
        reference,
        encode=lambda text: loaded(text, verbose=False)["input_ids"],
        decode=lambda ids: str(loaded.decode(ids, skip_special_tokens=True)),
    )

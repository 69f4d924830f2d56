"""Exported tokenizers of every kind, loaded by transformers: SentencePiece's ids, or a reason."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor
from transformers import AutoTokenizer

from tests.support.runs import ROOT
from tests.support.sentencepiece_models import PLAIN, texts, trained
from tokenizer.train import train_tokenizer
from training.exported_tokenizer import (
    check_with_transformers,
    tokenizer_files,
    why_not_exportable,
)
from training.probe_texts import probe_texts

pytestmark = pytest.mark.slow

NAME = "tokenizer.model"

KINDS: dict[str, dict[str, Any]] = {
    "as LLaMA's": PLAIN,
    "no dummy prefix": {**PLAIN, "add_dummy_prefix": False},
    "no bytes": {**PLAIN, "byte_fallback": False},
    "identity, spaces removed": {"normalization_rule_name": "identity"},
    "nmt_nfkc": {},
    "nmt_nfkc, spaces kept": {"remove_extra_whitespaces": False},
    "nmt_nfkc, no dummy prefix": {"add_dummy_prefix": False},
    "nfkc": {"normalization_rule_name": "nfkc"},
    "nmt_nfkc_cf": {"normalization_rule_name": "nmt_nfkc_cf"},
    "the user's symbols": {**PLAIN, "user_defined_symbols": ["<sep>", "<se", "12", "\n", "[a]"]},
    "the user's symbols, nmt_nfkc": {"user_defined_symbols": ["<sep>", "|"]},
    "marks of the user's": {**PLAIN, "control_symbols": ["<mask>"]},
    "other names": {**PLAIN, "bos_piece": "<|begin_of_text|>", "eos_piece": "<|end_of_text|>"},
    "bos is 0": {**PLAIN, "bos_id": 0, "eos_id": 1, "unk_id": 2, "pad_id": 3},
    "no bos": {**PLAIN, "bos_id": -1},
    "no eos": {**PLAIN, "eos_id": -1},
    "neither": {**PLAIN, "bos_id": -1, "eos_id": -1},
}


def write(folder: Path, model: bytes, bos: bool) -> None:
    """Write the files of an export of which transformers makes a tokenizer."""
    for name, content in tokenizer_files(model, NAME, bos=bos, max_tokens=1 << 20).items():
        (folder / name).write_text(json.dumps(content))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (folder / "tokenizer.model").write_bytes(model)


def check(folder: Path, model: bytes) -> None:
    """Compare what transformers loads with SentencePiece, with bos and without."""
    processor = SentencePieceProcessor(model_proto=model)
    for bos in (False, True) if processor.bos_id() >= 0 else (False,):
        write(folder, model, bos)
        check_with_transformers(folder, model, NAME, bos=bos)
        loaded = AutoTokenizer.from_pretrained(folder)
        for name in ("bos", "eos", "pad"):
            number = getattr(processor, f"{name}_id")()
            assert getattr(loaded, f"{name}_token_id") == (number if number >= 0 else None)
        for text in [*texts(), *probe_texts(model)]:
            ids = [processor.bos_id()] * bos + processor.encode(text)
            assert loaded(text)["input_ids"] == ids, text


@pytest.mark.parametrize("kind", KINDS)
def test_transformers_gives_the_ids_of(kind: str, tmp_path: Path) -> None:
    check(tmp_path, trained(**KINDS[kind]))


@pytest.fixture(scope="module")
def own() -> bytes:
    """A tokenizer as ``corpus train-tokenizer`` makes them."""
    return train_tokenizer(texts(), 2_000)


def test_transformers_gives_the_ids_of_a_tokenizer_trained_here(own, tmp_path) -> None:
    check(tmp_path, own)


@pytest.fixture(scope="module")
def loaded(own: bytes, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("own")
    write(folder, own, False)
    return AutoTokenizer.from_pretrained(folder)


wild = st.text() | st.text(st.sampled_from("\x10\u2581_ \n\ta1<>s/")) | st.sampled_from(["</s>"])


@settings(max_examples=300, deadline=None)
@given(text=wild)
def test_every_text_comes_back_from_a_tokenizer_trained_here(own, loaded, text) -> None:
    ids = loaded(text)["input_ids"]
    assert ids == SentencePieceProcessor(model_proto=own).encode(text)
    assert loaded.decode(ids) == text


def test_the_demos_and_a_foreign_tokenizer(tmp_path, shared_models) -> None:
    for path in (
        ROOT / "samples/models/tokenizer.model",
        shared_models / "mistral-tokenizer.model.v1",
    ):
        check(tmp_path, path.read_bytes())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"model_type": "unigram"}, "not a BPE model"),
        ({"treat_whitespace_as_suffix": True}, "spaces behind words"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_the_reason(options, reason) -> None:
    with pytest.raises(ValueError, match=reason):
        tokenizer_files(trained(**options), NAME, bos=True, max_tokens=10)


def test_a_tokenizer_that_gives_other_ids_is_not_passed(tmp_path) -> None:
    model = trained(**PLAIN)
    write(tmp_path, model, False)
    path = tmp_path / "tokenizer.json"
    content = json.loads(path.read_text())
    content["normalizer"]["normalizers"].pop(0)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="give other ids for"):
        check_with_transformers(tmp_path, model, NAME, bos=False)
    path.write_text("{}")
    with pytest.raises(ValueError, match="transformers does not load it"):
        check_with_transformers(tmp_path, model, NAME, bos=False)


def test_reasons_before_a_run(tmp_path) -> None:
    path = tmp_path / "tokenizer.model"
    description = {"model": str(path), "sha256": "0" * 64, "bos": True}
    assert "is not there" in str(why_not_exportable(description))
    path.write_bytes(b"x")
    assert "not the tokenizer that made the shards" in str(why_not_exportable(description))
    path.write_text('{"model": {"type": "BPE", "vocab": {}, "merges": []}}')
    description["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    assert "no token for the begin of a text" in str(why_not_exportable(description))

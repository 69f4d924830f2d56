"""The card beside a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.models.model_card import CardError, card_path, read_card, write_card


@pytest.fixture
def model(tmp_path):
    (tmp_path / "a.model").write_bytes(b"a model")
    write_card(
        str(tmp_path),
        "a.model",
        kind="tokenizer",
        data={"recipe": "r.yaml", "sources": {"c4": {"documents": 3, "text_bytes": 1200}}},
        parameters={"vocabulary_size": 32000},
        scores={"c4": {"tokens_a_word": 1.25, "odd|name": None}},
        packages=["sentencepiece"],
    )
    return tmp_path / "a.model"


def test_a_card_comes_back_and_reads_well(model):
    card = read_card(str(model), "tokenizer")
    assert card["data"]["sources"]["c4"]["documents"] == 3
    assert set(card["versions"]) == {"llama-corpus", "sentencepiece"}
    assert len(card["model"]["sha256"]) == 64
    text = model.with_name("a.model.card.md").read_text()
    assert "| c4 | 3 | 1,200 |" in text and "- vocabulary size: 32,000" in text
    assert "odd\\|name" in text


def test_the_same_model_has_the_same_card(model):
    before = model.with_name("a.model.card.json").read_bytes()
    card = json.loads(before)
    write_card(
        str(model.parent), "a.model", kind=card["kind"], data=card["data"],
        parameters=card["parameters"], scores=card["scores"], packages=["sentencepiece"],
    )  # fmt: skip
    assert model.with_name("a.model.card.json").read_bytes() == before


def refusal(model, kind: str = "tokenizer") -> str:
    with pytest.raises(CardError) as caught:
        read_card(str(model), kind)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_card_that_is_not_the_models_is_refused(model):
    assert "expected one of a classifier" in refusal(model, "classifier")
    model.write_bytes(b"another model")
    assert "not the card of" in refusal(model)
    model.unlink()
    assert "is not there" in refusal(model)


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b'{"kind": "tokenizer"}', b"\xff\xfe"])
def test_a_damaged_card_is_refused(model, damaged):
    Path(card_path(str(model))).write_bytes(damaged)
    assert "damaged" in refusal(model)


def test_no_card_is_told(tmp_path):
    assert "has no card" in refusal(tmp_path / "b.model")

"""Perplexities, compared with CCNet's code, a document at a time."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import kenlm
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import sentencepiece

from tests.support.samples.real_texts import wet_pages
from transforms.documents import FilePath, documents, with_column
from transforms.kernels.codepoints import PUNCTUATION, normalise_for_lm
from transforms.scoring.perplexity import _load_lm, bucket_by_perplexity, score_perplexity


def plain_normalise(text: str) -> str:
    """Return the form that CCNet's ``text_normalizer.normalize`` makes of a text."""
    text = text.strip()
    if not text:
        return text
    text = text.lower()
    text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    text = re.sub(r"\d", "0", text)
    text = "".join(PUNCTUATION.get(c, c) for c in text)
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "", text)


def plain_perplexity(
    lm: kenlm.Model, pieces: sentencepiece.SentencePieceProcessor, text: str
) -> float:
    row = pieces.encode(plain_normalise(text), out_type=str)
    return 10.0 ** (-lm.score(" ".join(row), bos=True, eos=True) / (len(row) + 1))


def in_english(texts: list[str]) -> pa.RecordBatch:
    batch = documents([f"s/f#{i}" for i in range(len(texts))], texts)
    return with_column(batch, "language", ["en"] * len(texts))


@pytest.fixture(scope="module")
def models(shared_models: Path) -> dict[str, str]:
    return {"lm": str(shared_models / "en.arpa.bin"), "pieces": str(shared_models / "en.sp.model")}


@pytest.mark.slow
def test_perplexities_of_english_pages(models: dict[str, str], shared_data: Path) -> None:
    common = re.compile(r"\b(?:the|and|of|to|in)\b")
    pages = [p for p in wet_pages(shared_data) if len(common.findall(p)) > len(p) / 150]
    assert len(pages) > 300
    lm = kenlm.Model(models["lm"])
    pieces = sentencepiece.SentencePieceProcessor(model_file=models["pieces"])
    found = score_perplexity(in_english(pages), language="en", **models)["perplexity"]
    expected = [plain_perplexity(lm, pieces, page) for page in pages]
    assert found.to_pylist() == expected
    assert 100 < np.median(expected) < 10_000


def test_texts_of_nothing_are_an_empty_sentence(models: dict[str, str]) -> None:
    batch = in_english(["", " \n ", "\x01", "a word"])
    assert normalise_for_lm(batch["text"]).to_pylist()[:3] == ["", "", ""]
    found = score_perplexity(batch, language="en", **models)["perplexity"].to_pylist()
    empty = 10.0 ** -kenlm.Model(models["lm"]).score("", bos=True, eos=True)
    assert found[:3] == [empty] * 3
    assert found[3] != empty


def test_other_languages_are_left_alone(models: dict[str, str]) -> None:
    batch = with_column(in_english(["hello there"] * 3), "language", ["de", "en", None])
    batch = with_column(batch, "perplexity", [5.0, None, None])
    found = score_perplexity(batch, language="en", **models)["perplexity"].to_pylist()
    assert found[0] == 5.0
    assert found[1] > 1
    assert found[2] is None
    assert score_perplexity(batch, language="fr", **models).equals(batch)


def test_a_file_that_is_no_model(models: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "bad.bin"
    whole = Path(models["lm"]).read_bytes()
    for content in (b"nothing of the kind", b"", whole[:120], whole[:100_000]):
        path.write_bytes(content)
        _load_lm.cache_clear()
        with pytest.raises(ValueError, match=r"bad\.bin"):
            score_perplexity(
                in_english(["a"]), language="en", lm=str(path), pieces=models["pieces"]
            )
    with pytest.raises(ValueError, match=r"no\.bin"):
        score_perplexity(
            in_english(["a"]), language="en", lm=str(tmp_path / "no.bin"), pieces=models["pieces"]
        )


def scored(rows: list[tuple[str | None, float | None]]) -> pa.RecordBatch:
    batch = in_english(["text"] * len(rows))
    batch = with_column(batch, "language", [language for language, _ in rows])
    return with_column(batch, "perplexity", [perplexity for _, perplexity in rows])


def test_buckets() -> None:
    batch = scored(
        [("en", 339.9), ("en", 340.0), ("en", 519.9), ("en", 520.0), ("en", 9e9),
         ("de", 1.0), ("de", 2.0), ("fr", 1.0), (None, 1.0), ("en", None)]
    )  # fmt: skip
    cutoffs = {"en": [340.0, 520.0], "de": [1.5, 1.5]}
    found = bucket_by_perplexity(batch, cutoffs=cutoffs, keep=["head", "middle"])
    assert found["bucket"].to_pylist() == [
        "head", "middle", "middle", "tail", "tail", "head", "tail", None, None, None,
    ]  # fmt: skip
    assert [r or "" for r in found["dropped_by"].to_pylist()] == [
        "", "", "", "perplexity_tail", "perplexity_tail", "", "perplexity_tail", "", "", "",
    ]  # fmt: skip
    only_tail = bucket_by_perplexity(batch, cutoffs=cutoffs, keep=["tail"])["dropped_by"]
    assert pc.sum(pc.is_null(only_tail)).as_py() == 6


def test_cutoffs_of_a_card(tmp_path: Path) -> None:
    card = tmp_path / "en.arpa.bin.card.json"
    described = {
        "kind": "language_model",
        "parameters": {"language": "en"},
        "scores": {"perplexity_cutoffs": [100.0, 200.0]},
    }
    card.write_text(json.dumps(described))
    batch = documents(list("abc"), ["text"] * 3)
    batch = with_column(batch, "language", ["en", "en", "de"])
    batch = with_column(batch, "perplexity", [150.0, 250.0, 150.0])
    cutoffs: dict[str, list[float] | FilePath] = {"en": FilePath(str(card)), "de": [1.0, 2.0]}
    found = bucket_by_perplexity(batch, cutoffs=cutoffs, keep=["middle", "tail"])
    assert found["bucket"].to_pylist() == ["middle", "tail", "tail"]
    with pytest.raises(ValueError, match="is no card of a language model"):
        bucket_by_perplexity(batch, cutoffs={"de": FilePath(str(card))}, keep=["head"])


def test_bad_parameters_of_buckets() -> None:
    batch = scored([("en", 1.0)])
    for cutoffs in ({"en": [1.0]}, {"en": [2.0, 1.0]}, {"en": [float("nan"), 1.0]}):
        with pytest.raises(ValueError, match="ascending"):
            bucket_by_perplexity(batch, cutoffs=cutoffs, keep=["head"])
    with pytest.raises(ValueError, match="'heads' is none of"):
        bucket_by_perplexity(batch, cutoffs={"en": [1.0, 2.0]}, keep=["heads"])

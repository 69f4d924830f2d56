"""Training of a tokenizer that decodes every text to itself."""

from __future__ import annotations

import gzip
import json
import tempfile

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.runs import ROOT
from tokenizer.encode import BatchEncoder
from tokenizer.fertility import NOTHING, Fertility, fertility
from tokenizer.model_file import BYTE, NORMAL, parse_model
from tokenizer.train import MAX_LINE_BYTES, RESERVED_PIECES, sentences, train_tokenizer

ODD = ["", " ", "  ", "\n", " \n\n  \n", "\r\n", "\t\t", "\x00", "a\x00b", "\x10", "\x10\x10_",
       "\x10_", "▁", "▁▁ ▁", "a▁b", "▅ ⁇ \ufffd", " ⁇ ", "<s>", "</s><unk>", "<0x41>",
       "<0x10>", "\ufeffé", "e\u0301 é", "ﬁ Ⅳ ①", "\u3000\u00a0\u2028\u0085", "\U0010ffff\uffff",
       "1234567890 12.5", "👩‍👩‍👧 😀", "١٢٣", "x" * 5_000, " " * 100, "\x7f\x1a"]  # fmt: skip
"""Texts of which tokenizers are known to lose a part."""


def texts() -> list[str]:
    path = next((ROOT / "samples/data/c4").glob("*.gz"))
    with gzip.open(path, "rt") as file:
        return [json.loads(line)["text"] for line in file]


CODE = "def f(x):\n    if x:\n        return 10\n\treturn 2018\n"


@pytest.fixture(scope="module")
def model() -> bytes:
    return train_tokenizer([*texts(), CODE * 50], 3_000)


@pytest.fixture(scope="module")
def encoder(model) -> BatchEncoder:
    return BatchEncoder(model)


def check(encoder: BatchEncoder, batch: list[str]) -> None:
    """Check that texts come back, also from SentencePiece alone, with SentencePiece's ids."""
    ids, offsets = encoder.encode(pa.array(batch, pa.string()), bos=False, eos=False)
    expected = encoder.processor.encode(batch)
    assert [row.tolist() for row in np.split(ids, offsets[1:-1])][: len(batch)] == expected
    assert encoder.processor.decode(expected) == batch
    for row, text in zip(expected, batch, strict=True):
        assert encoder.decode(row) == text


def test_odd_texts_come_back(encoder):
    check(encoder, ODD)
    check(encoder, [a + b for a in ODD[:-2] for b in ODD[:-2]])


wild = st.text() | st.text(st.sampled_from("\x10\u2581_ \n\ta1<>")) | st.sampled_from(ODD)


@settings(max_examples=400, deadline=None)
@given(st.lists(wild, min_size=1, max_size=8))
def test_every_text_comes_back(encoder, batch):
    check(encoder, batch)


def test_it_runs_in_the_fast_encoder(encoder):
    assert encoder.method == "table"


def test_the_vocabulary_is_as_asked_with_digits_single(model):
    pieces = parse_model(model).pieces
    assert len(pieces) == 3_000
    assert sum(piece.kind == BYTE for piece in pieces) == 256
    with_digits = [
        p.text for p in pieces if p.kind == NORMAL and any(c in b"0123456789" for c in p.text)
    ]
    assert sorted(with_digits) == [b"%d" % digit for digit in range(10)]


def test_runs_of_spaces_are_pieces_and_newlines_bytes(encoder):
    pieces = encoder.processor.encode(CODE, out_type=str)
    assert pieces[:1] == ["▁def"] and "▁▁▁▁" in pieces
    assert not [piece for piece in pieces if "\n" in piece]
    assert pieces.count("<0x0A>") == 4


def test_the_same_documents_give_the_same_bytes_without_a_path(model):
    assert train_tokenizer([*texts(), CODE * 50], 3_000) == model
    assert tempfile.gettempdir().encode() not in model


@pytest.mark.parametrize(
    ("documents", "size", "message"),
    [
        (["words, and some more"], 32_000, r"give \d+ pieces, not 32,000; take more documents"),
        (["a"], 200, f"bytes and marks alone are {RESERVED_PIECES}"),
        (["".join(map(chr, range(0x4E00, 0x5000)))], 400, r"ask for more than \d{3}"),
        ([], 1_000, "no text in the documents"),
        (["", ""], 1_000, "no text in the documents"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_told_in_a_line(documents, size, message):
    with pytest.raises(ValueError, match=message) as caught:
        train_tokenizer(documents, size)
    assert "\n" not in str(caught.value)


def test_as_many_pieces_as_the_error_names_can_be_trained():
    with pytest.raises(ValueError, match="pieces, not 32,000") as caught:
        train_tokenizer([CODE], 32_000)
    most = int(str(caught.value).split(" pieces")[0].rsplit(" ", 1)[1])
    assert len(parse_model(train_tokenizer([CODE], most)).pieces) == most


@given(st.lists(st.text(st.sampled_from("ab \n▁")), max_size=4))
def test_sentences_are_the_lines_of_the_documents(documents):
    found = list(sentences(documents))
    assert all(found)
    expected = [line for text in documents if text for line in f" {text}".split("\n") if line]
    assert found == expected


def test_long_lines_are_cut_ahead_of_a_space():
    words = "x" * (MAX_LINE_BYTES // 20) + " "
    text = words * 30 + "\n" + "é" * MAX_LINE_BYTES
    found = list(sentences([text]))
    assert "".join(found) == " " + text.replace("\n", "")
    assert max(len(one.encode()) for one in found) <= MAX_LINE_BYTES
    of_words = [one for one in found if "x" in one]
    assert len(of_words) > 5 and all(one.startswith(" x") for one in of_words)


def test_fertility_counts(encoder):
    batch = ["", " one  two\nthree ", "é"]
    counts = fertility(encoder, pa.array(batch))
    tokens = sum(map(len, encoder.processor.encode(batch)))
    assert counts == Fertility(documents=3, words=4, text_bytes=18, tokens=tokens)
    assert counts.plus(NOTHING) == counts
    assert counts.summary()["bytes_a_token"] == 18 / tokens
    assert NOTHING.summary()["tokens_a_word"] is None

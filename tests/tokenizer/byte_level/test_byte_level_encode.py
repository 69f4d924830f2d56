"""Ids of byte-level BPE, compared with the library's, on real and on drawn text."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer

from tests.support.byte_level import (
    END,
    ODD,
    SEVERAL_SCRIPTS,
    content_of,
    library_ids,
    sample_texts,
    train,
    wild_text,
)
from tests.support.samples.real_texts import FRAGMENTS, SOURCES
from tokenizer import known_units
from tokenizer.byte_level.encode import ByteLevelEncoder
from tokenizer.byte_level.json_file import byte_level_of_json
from tokenizer.byte_level.library import LibraryEncoder

pytestmark = pytest.mark.slow

NAMES = ["gpt2", "llama3", "qwen2", "o200k", "deepseek"]


class Pair(NamedTuple):
    """A tokenizer of the library, and the encoder of its file."""

    library: Tokenizer
    encoder: ByteLevelEncoder


def pair_of(tokenizer: Tokenizer) -> Pair:
    library = LibraryEncoder(tokenizer.to_str().encode())
    return Pair(tokenizer, ByteLevelEncoder(byte_level_of_json(content_of(tokenizer)), library))


@pytest.fixture(scope="module", params=NAMES)
def pair(request: pytest.FixtureRequest) -> Pair:
    return pair_of(train(request.param, SEVERAL_SCRIPTS, 700))


@pytest.fixture(scope="module", params=NAMES)
def trained_on_samples(request: pytest.FixtureRequest, shared_data: Path) -> Pair:
    return pair_of(train(request.param, sample_texts(shared_data)))


def rows_of(encoder: Any, texts: list[str | None], **marks: bool) -> list[list[int]]:
    chosen = {"bos": False, "eos": False} | marks
    ids, offsets = encoder.encode(pa.array(texts, pa.string()), **chosen)
    assert ids.dtype == encoder.dtype
    assert offsets[0] == 0 and offsets[-1] == len(ids) and len(offsets) == len(texts) + 1
    return [ids[a:b].tolist() for a, b in itertools.pairwise(offsets)]


def differing(pair: Pair, texts: list[str]) -> list[str]:
    """Return the texts whose ids are not the library's."""
    expected = library_ids(pair.library, texts)
    found = rows_of(pair.encoder, texts)
    return [text for text, a, b in zip(texts, found, expected, strict=True) if a != b]


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_ids_of_real_documents(source, trained_on_samples: Pair, shared_data: Path) -> None:
    texts = list(source(shared_data))
    assert len(texts) > 10
    for first in range(0, len(texts), 500):
        assert differing(trained_on_samples, texts[first : first + 500]) == []


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(wild_text, min_size=1, max_size=8))
def test_ids_of_wild_text(pair: Pair, texts: list[str]) -> None:
    assert differing(pair, texts) == []


def test_ids_of_many_wild_texts(pair: Pair) -> None:
    dice = random.Random(7)
    choice = FRAGMENTS + ODD + SEVERAL_SCRIPTS
    assert differing(pair, ["".join(dice.choices(choice, k=i % 14)) for i in range(4000)]) == []


@pytest.mark.slow
def test_ids_of_every_code_point(pair: Pair) -> None:
    numbers = [i for i in range(0x110000) if not 0xD800 <= i < 0xE000]
    texts = ["".join(map(chr, numbers[i : i + 1000])) for i in range(0, len(numbers), 1000)]
    assert differing(pair, texts) == []


@pytest.mark.parametrize(
    "unit", ["a", "ab1", "漢字", "😀", " ", "\n", " \n", "'s", "!?", "e\u0301"]
)
def test_a_long_text_without_words(pair: Pair, unit: str) -> None:
    assert differing(pair, ["x", unit * 3000, unit * 3000 + " y"]) == []


def test_lone_surrogates_are_refused(pair: Pair) -> None:
    with pytest.raises(UnicodeEncodeError):
        pair.encoder.encode(pa.array(["a\ud800b"]), bos=False, eos=False)


def test_slices_nulls_and_empty_batches(pair: Pair) -> None:
    texts = pa.array(["first one", None, "", "the third", "the last"])
    ids, offsets = pair.encoder.encode(texts[1:4], bos=False, eos=False)
    assert offsets.tolist()[:3] == [0, 0, 0]
    assert ids.tolist() == pair.library.encode("the third").ids
    ids, offsets = pair.encoder.encode(texts[:0], bos=False, eos=True)
    assert (ids.tolist(), offsets.tolist()) == ([], [0])


def test_marks_are_put_around_texts_and_left_out_of_them(pair: Pair) -> None:
    end = pair.library.token_to_id(END)
    texts = ["some words", "", "déjà vu\n"]
    rows = rows_of(pair.encoder, texts, eos=True)
    assert rows == [[*row, end] for row in library_ids(pair.library, texts)]
    assert [pair.encoder.decode(row) for row in rows] == texts
    with pytest.raises(ValueError, match="the tokenizer has no bos token"):
        rows_of(pair.encoder, texts, bos=True)


def test_a_special_token_spelt_out_is_text(pair: Pair) -> None:
    end = pair.library.token_to_id(END)
    (row,) = rows_of(pair.encoder, [f"a{END}b"])
    assert end not in row
    assert pair.encoder.decode(row) == f"a{END}b"


def test_tokens_that_are_not_special_are_found_in_text() -> None:
    tokenizer = train("llama3", SEVERAL_SCRIPTS, 700)
    tokenizer.add_tokens([AddedToken("<tool>"), AddedToken("[x]", lstrip=True)])
    pair = pair_of(tokenizer)
    tool = tokenizer.token_to_id("<tool>")
    texts = ["no such", "a<tool>b", "", "  [x] y", "<tool><tool>[x]", "tool x", f"<tool>{END}"]
    assert differing(pair, texts) == []
    assert rows_of(pair.encoder, [texts[1]])[0].count(tool) == 1
    rows = rows_of(pair.encoder, [*texts, None], eos=True)
    end = tokenizer.token_to_id(END)
    assert rows == [[*row, end] for row in library_ids(tokenizer, [*texts, ""])]
    assert pair.encoder.decode(rows[1]) == "a<tool>b"


def test_ids_are_of_32_bits_where_the_vocabulary_wants_it() -> None:
    content = content_of(train("gpt2", SEVERAL_SCRIPTS, 400))
    assert ByteLevelEncoder(byte_level_of_json(content)).dtype == np.uint16
    content["added_tokens"].append({"id": 65_536, "content": "<far>", "special": True})
    encoder = ByteLevelEncoder(byte_level_of_json(content))
    assert (encoder.dtype, encoder.vocabulary_size) == (np.int32, 65_537)


def test_a_full_table_is_started_afresh(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_units, "MAX_TABLE_BYTES", 1)
    assert differing(pair, ["some words", "some other words"]) == []
    known = int(pair.encoder._known.table.units.count[0])
    assert differing(pair, ["one"]) == []
    assert int(pair.encoder._known.table.units.count[0]) < known


def test_words_whose_encoding_failed_are_forgotten(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(pair.encoder, "_encode_words", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            rows_of(pair.encoder, ["some unheard-of words"])
    assert differing(pair, ["some unheard-of words"]) == []

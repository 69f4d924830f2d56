"""Token ids, compared with SentencePiece's, on real text of every kind and on drawn text."""

from __future__ import annotations

import io
import itertools
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import sentencepiece
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.samples.real_texts import FRAGMENTS, SOURCES, wild_text
from tokenizer import known_units
from tokenizer.checking import check_model
from tokenizer.encode import BatchEncoder, load_encoder
from tokenizer.model_file import TRAINER, _spans
from tokenizer.units import joined_pairs

MODELS = {"mistral-tokenizer.model.v1": "table", "en.sp.model": "viterbi"}


@pytest.fixture(scope="module", params=MODELS)
def encoder(request: pytest.FixtureRequest, shared_models: Path) -> BatchEncoder:
    return BatchEncoder((shared_models / request.param).read_bytes())


def differing(encoder: BatchEncoder, texts: list[str]) -> list[str]:
    """Return the texts whose ids are not SentencePiece's."""
    ids, offsets = encoder.encode(pa.array(texts, pa.string()), bos=False, eos=False)
    assert len(offsets) == len(texts) + 1
    assert offsets[0] == 0
    assert offsets[-1] == len(ids)
    expected = encoder.processor.encode_as_numpy(texts, num_threads=1)
    return [
        text
        for text, start, end, row in zip(texts, offsets[:-1], offsets[1:], expected, strict=True)
        if not np.array_equal(ids[start:end], row)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_ids_of_real_documents(source, encoder: BatchEncoder, shared_data: Path) -> None:
    texts = list(source(shared_data))
    assert len(texts) > 10
    assert differing(encoder, texts) == []


@pytest.mark.parametrize("name", MODELS)
def test_each_model_takes_its_fast_way(name: str, shared_models: Path) -> None:
    assert load_encoder(str(shared_models / name)).method == MODELS[name]


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(wild_text, max_size=8))
def test_ids_of_wild_text(encoder: BatchEncoder, texts: list[str]) -> None:
    assert differing(encoder, texts) == []


def test_ids_of_many_wild_texts(encoder: BatchEncoder) -> None:
    dice = random.Random(7)
    texts = ["".join(dice.choices(FRAGMENTS, k=dice.randrange(12))) for _ in range(20_000)]
    assert differing(encoder, texts) == []


@pytest.mark.parametrize("unit", ["a", "ab1", "漢", "😀", " ", "\n", "\u2581", "!?"])
def test_a_long_text_without_words(encoder: BatchEncoder, unit: str) -> None:
    text = unit * (200_000 // len(unit))
    assert differing(encoder, ["x", text, text + " y"]) == []


def test_slices_nulls_and_empty_batches(encoder: BatchEncoder) -> None:
    texts = pa.array(["first one", None, "", "third", "the last"])
    ids, offsets = encoder.encode(texts[1:4], bos=False, eos=False)
    assert offsets.tolist()[:3] == [0, 0, 0]
    assert ids.tolist() == encoder.processor.encode("third")
    ids, offsets = encoder.encode(texts[:0], bos=True, eos=True)
    assert (ids.tolist(), offsets.tolist()) == ([], [0])


def test_begin_and_end_of_sequence(encoder: BatchEncoder) -> None:
    texts = ["one text", "", "another\ntext"]
    ids, offsets = encoder.encode(pa.array(texts), bos=True, eos=True)
    rows = [ids[a:b].tolist() for a, b in itertools.pairwise(offsets)]
    assert rows == encoder.processor.encode(texts, add_bos=True, add_eos=True)
    ids, _ = encoder.encode(pa.array(texts), bos=False, eos=True)
    assert ids.tolist() == [i for row in encoder.processor.encode(texts, add_eos=True) for i in row]
    assert ids.dtype == np.uint16
    assert (
        encoder.decode(encoder.encode(pa.array(["some words"]), bos=True, eos=True)[0])
        == "some words"
    )


@pytest.mark.slow
def test_a_full_table_is_started_afresh(
    shared_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_units, "MAX_TABLE_BYTES", 1 << 22)
    encoder = BatchEncoder((shared_models / "mistral-tokenizer.model.v1").read_bytes())
    dice = random.Random(1)
    sizes = []
    for _ in range(6):
        texts = ["".join(chr(dice.randrange(97, 123)) for _ in range(7)) for _ in range(20_000)]
        assert differing(encoder, texts) == []
        sizes.append(int(encoder._known.table.units.count[0]))
    assert min(sizes[1:]) < sizes[0] * 1.5


def test_units_whose_encoding_failed_are_forgotten(
    shared_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = BatchEncoder((shared_models / "mistral-tokenizer.model.v1").read_bytes())
    with monkeypatch.context() as patched:
        patched.setattr(encoder, "_encode_separated", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            encoder.encode(pa.array(["some words"]), bos=False, eos=False)
    assert differing(encoder, ["some words"]) == []


def test_sentences_hold_the_pieces(encoder: BatchEncoder) -> None:
    texts = ["a few words, and ☃☃ unknown ones", "", "日本\x00x  e\u0301", "\u2581", "☃ ☃"]
    expected = [encoder.processor.encode(text, out_type=str) for text in texts]
    found = list(encoder.encode_as_sentences(pa.array(texts)))
    assert found == [(" ".join(row).encode(), len(row)) for row in expected]


TRAINING = [
    "the quick brown fox jumps over the lazy dog",
    "word, another word; 1234 and 5678.",
    "x = y + z  # two spaces",
    "naïve café déjà vu",
    "a  b   c    d",
] * 20

VARIANTS: list[tuple[str, dict[str, object]]] = [
    ("bpe without byte fallback", {"model_type": "bpe"}),
    ("bpe with squeezed spaces", {"model_type": "bpe", "normalization_rule_name": "identity"}),
    ("bpe of LLaMA's kind", {"model_type": "bpe", "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False, "byte_fallback": True, "split_digits": True}),
    ("no byte fallback, spaces kept", {"model_type": "bpe", "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False}),
    ("pieces across spaces", {"model_type": "bpe", "normalization_rule_name": "identity",
        "split_by_whitespace": False, "remove_extra_whitespaces": False}),
    ("no dummy prefix", {"model_type": "bpe", "normalization_rule_name": "identity",
        "add_dummy_prefix": False, "remove_extra_whitespaces": False}),
    ("spaces as suffix", {"model_type": "bpe", "normalization_rule_name": "identity",
        "treat_whitespace_as_suffix": True}),
    ("symbols of users", {"model_type": "bpe", "normalization_rule_name": "identity",
        "user_defined_symbols": ["\n", "fox jumps", "<sep>", "ow"],
        "remove_extra_whitespaces": False}),
    ("symbols of users, no spaces", {"model_type": "bpe", "normalization_rule_name": "identity",
        "user_defined_symbols": ["\n", "<sep>", "ow", "1"], "remove_extra_whitespaces": False}),
    ("unigram", {"model_type": "unigram"}),
    ("unigram with byte fallback", {"model_type": "unigram", "byte_fallback": True}),
    ("unigram across spaces", {"model_type": "unigram", "split_by_whitespace": False}),
    ("unigram, spaces kept", {"model_type": "unigram", "remove_extra_whitespaces": False}),
    ("unigram, symbols of users", {"model_type": "unigram", "user_defined_symbols": ["ow"]}),
    ("characters", {"model_type": "char"}),
    ("words", {"model_type": "word"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=[name for name, _ in VARIANTS])
def test_other_kinds_of_model(name: str, options: dict[str, object]) -> None:
    model = io.BytesIO()
    size = 330 if options.get("byte_fallback") else 74
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TRAINING),
        model_writer=model,
        vocab_size=size,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    encoder = BatchEncoder(model.getvalue())
    dice = random.Random(3)
    fragments = [*FRAGMENTS, *" ".join(TRAINING[:5]).split(), "fox jumps", "<sep>", "ow", "qu"]
    texts = ["".join(dice.choices(fragments, k=dice.randrange(15))) for _ in range(3_000)]
    assert differing(encoder, texts) == []
    text = " ".join(texts)
    assert differing(encoder, [text]) == []


def test_no_cut_within_a_piece(shared_models: Path) -> None:
    model = load_encoder(str(shared_models / "mistral-tokenizer.model.v1")).model
    joined = joined_pairs(model)
    assert joined is not None
    for piece in model.pieces[259:]:
        text = piece.text.replace("\u2581".encode(), b" ")
        assert all(joined[a, b] for a, b in itertools.pairwise(text))
    assert not joined[ord("e"), ord(" ")]
    assert not joined[ord("e"), ord("\n")]


def test_models_that_were_cut_between_two_fields(shared_models: Path, tmp_path: Path) -> None:
    """SentencePiece itself opens such files, as a smaller model or with other rules."""
    data = (shared_models / "en.sp.model").read_bytes()
    ends = [end for number, _, _, end in _spans(data) if number in (1, TRAINER)]
    path = tmp_path / "cut.model"
    for end in (ends[0], ends[len(ends) // 2], *ends[-2:]):
        path.write_bytes(data[:end])
        for opened in (check_model, load_encoder):
            with pytest.raises(ValueError, match=r"cut\.model: .* the file was cut off$"):
                opened(str(path))


def test_every_model_at_hand_is_whole(shared_models: Path) -> None:
    samples = Path(__file__).parents[2] / "samples" / "models"
    names = [path for folder in (shared_models, samples) for path in folder.glob("*.model*")]
    assert len(names) >= 4
    for path in names:
        check_model(str(path))


def test_files_that_are_no_model(tmp_path: Path) -> None:
    for content in (b"", b"no model at all", b"\x0a\xff"):
        path = tmp_path / f"bad-{len(content)}.model"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=path.name):
            load_encoder(str(path))

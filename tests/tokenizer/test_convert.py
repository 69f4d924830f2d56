"""A SentencePiece model as tokenizer.json: the same ids, and models for which there is none."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sentencepiece
from tokenizers import Tokenizer

from pipeline.commands.main import main
from tests.support.byte_level import SEVERAL_SCRIPTS
from tests.support.runs import ROOT
from tests.support.samples.real_texts import FRAGMENTS, c4, github, udhr
from tokenizer.convert import convert_model
from tokenizer.opening import open_encoder
from tokenizer.train import train_tokenizer


@pytest.fixture(scope="module", params=["trained here", "sample", "mistral"])
def model(request: pytest.FixtureRequest, shared_models: Path) -> bytes:
    if request.param == "trained here":
        return train_tokenizer(SEVERAL_SCRIPTS * 3, 420)
    if request.param == "sample":
        return (ROOT / "samples" / "models" / "tokenizer.model").read_bytes()
    return (shared_models / "mistral-tokenizer.model.v1").read_bytes()


def both(model: bytes) -> tuple[sentencepiece.SentencePieceProcessor, Tokenizer]:
    converted = Tokenizer.from_str(convert_model(model).decode())
    converted.encode_special_tokens = True
    return sentencepiece.SentencePieceProcessor(model_proto=model), converted


def differing(model: bytes, texts: list[str]) -> list[str]:
    theirs, converted = both(model)
    rows = converted.encode_batch(texts, add_special_tokens=False)
    pairs = zip(texts, theirs.encode(texts, num_threads=1), rows, strict=True)
    return [text for text, expected, row in pairs if row.ids != expected]


def test_ids_of_wild_text(model: bytes) -> None:
    dice = random.Random(2)
    choice = [*FRAGMENTS, *SEVERAL_SCRIPTS, "\x10", "\x10_", "\x10\x10"]
    texts = ["".join(dice.choices(choice, k=i % 12)) for i in range(3000)]
    assert differing(model, texts) == []


@pytest.mark.slow
def test_ids_of_real_text(model: bytes, shared_data: Path) -> None:
    texts = [*c4(shared_data), *list(github(shared_data))[::5], *list(udhr(shared_data))[::5]]
    assert differing(model, texts) == []


@pytest.mark.slow
def test_text_comes_back(model: bytes) -> None:
    theirs, converted = both(model)
    for text in [*SEVERAL_SCRIPTS, " two  spaces ", "\n\n", "▁ and \x10 a"]:
        ids = theirs.encode(text)
        assert converted.decode(ids, skip_special_tokens=False) == theirs.decode(ids)


def trained(**options: object) -> bytes:
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SEVERAL_SCRIPTS * 3), model_writer=made, minloglevel=2,
        **{"vocab_size": 420, "model_type": "bpe", "byte_fallback": True, "hard_vocab_limit": False,
           "normalization_rule_name": "identity", "remove_extra_whitespaces": False, **options},
    )  # fmt: skip
    return made.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"byte_fallback": False},
        {"normalization_rule_name": "nmt_nfkc"},
        {"remove_extra_whitespaces": True},
        {"add_dummy_prefix": False},
        {"user_defined_symbols": ["<sep>"]},
    ],
    ids=str,
)
def test_ids_of_other_kinds(options: dict[str, object]) -> None:
    texts = [*SEVERAL_SCRIPTS, " two  spaces ", "\n\n", "a<sep>b", "ﬁ ½", "unknown: \u4e2d"]
    assert differing(trained(**options), texts) == []


@pytest.mark.slow
def test_which_loaders_of_transformers_agree(tmp_path: Path) -> None:
    """As the page says: the file's own loader but for names of marks, LlamaTokenizer not quite."""
    from transformers import LlamaTokenizer, PreTrainedTokenizerFast  # which takes seconds

    model = train_tokenizer(SEVERAL_SCRIPTS * 3, 420)
    path = tmp_path / "tokenizer.json"
    path.write_bytes(convert_model(model))
    expected = sentencepiece.SentencePieceProcessor(model_proto=model)
    texts = {"words": "some words", "spaces": "  x", "names": "a <s> b", "mark": "a\u2581b"}

    def differing(loaded: Any) -> set[str]:
        ids = {
            name: loaded(text, add_special_tokens=False).input_ids for name, text in texts.items()
        }
        return {name for name, text in texts.items() if ids[name] != expected.encode(text)}

    file = str(path)
    split = PreTrainedTokenizerFast(tokenizer_file=file, split_special_tokens=True)
    assert differing(split) == set()
    assert differing(PreTrainedTokenizerFast(tokenizer_file=file)) == {"names"}
    assert differing(LlamaTokenizer.from_pretrained(tmp_path)) == {"spaces", "names", "mark"}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"model_type": "unigram"}, "it is not a BPE model"),
        ({"treat_whitespace_as_suffix": True}, "it writes spaces behind words"),
    ],
)
def test_a_model_whose_ids_would_differ_is_refused(options: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=f"would not give the same ids: .*{reason}"):
        convert_model(trained(**options))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(ROOT / "samples" / "models" / "tokenizer.model")
    to = tmp_path / "tokenizer.json"
    assert main(["tokenizer", "convert", source, str(to)]) == 0
    assert "LlamaTokenizer" in capsys.readouterr().out
    texts = pa.array([" some words", "<s>"])
    ids = open_encoder(str(to)).encode(texts, bos=True, eos=True)[0].tolist()
    assert ids == open_encoder(source).encode(texts, bos=True, eos=True)[0].tolist()
    before = to.read_bytes()
    assert main(["tokenizer", "convert", source, str(to)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert to.read_bytes() == before and json.loads(before)["post_processor"] is None
    broken = tmp_path / "broken.model"
    broken.write_bytes(b"no model")
    assert main(["tokenizer", "convert", str(broken), str(tmp_path / "x.json")]) == 2
    assert "broken.model: not a SentencePiece model" in capsys.readouterr().err

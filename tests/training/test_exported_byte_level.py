"""Exported byte-level tokenizers, loaded by transformers: the ids of the shards, and their text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from tokenizers import AddedToken, Tokenizer, normalizers, processors
from transformers import AutoTokenizer

from tests.support.byte_level import END, SEVERAL_SCRIPTS, content_of, file_of, train
from tests.support.samples.real_texts import wild_text
from tests.support.sentencepiece_models import texts
from tokenizer.checking import marks_of
from tokenizer.opening import encoder_of
from training.exported_tokenizer import check_with_transformers, tokenizer_files
from training.probe_texts import probe_texts

pytestmark = pytest.mark.slow

NAMES = ["gpt2", "llama3", "qwen2", "o200k", "deepseek"]
JSON = "tokenizer.json"


def written(folder: Path, data: bytes, file_name: str, bos: bool) -> Any:
    """Write the files of an export, and return what transformers makes of them."""
    for name, content in tokenizer_files(data, file_name, bos=bos, max_tokens=1 << 20).items():
        (folder / name).write_text(json.dumps(content))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    check_with_transformers(folder, data, file_name, bos=bos)
    return AutoTokenizer.from_pretrained(folder)


KINDS = [*NAMES, "mine.gpt2.tiktoken", "mine.llama3.tiktoken", "mine.o200k.tiktoken"]
SPACES = [" a", "   a", "a ", "\n\na\n", "\r\n a \t", f"a {END} b", END, "<|begin_of_text|>", ""]


@pytest.fixture(scope="module", params=KINDS)
def file(request: pytest.FixtureRequest) -> tuple[bytes, str]:
    return file_of(request.param)


def test_transformers_gives_the_ids_and_the_text(file: tuple[bytes, str], tmp_path: Path) -> None:
    data, name = file
    encoder, (bos, eos) = encoder_of(data, name), marks_of(data, name)
    for begins in (False, True) if bos is not None else (False,):
        loaded = written(tmp_path, data, name, begins)
        assert (loaded.bos_token_id, loaded.eos_token_id) == (bos, eos)
        for text in [*texts(), *SPACES]:
            ids = encoder.encode(pa.array([text]), bos=begins, eos=False)[0].tolist()
            assert loaded(text)["input_ids"] == ids, text
            if normalizers.NFC().normalize_str(text) == text:
                assert loaded.decode(ids, skip_special_tokens=True) == text


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=wild_text)
def test_a_converted_tiktoken_file_gives_its_ids(llama3: tuple[Any, Any], text: str) -> None:
    encoder, loaded = llama3
    ids = encoder.encode(pa.array([text]), bos=False, eos=False)[0].tolist()
    assert loaded(text)["input_ids"] == ids
    assert loaded.decode(ids) == text


@pytest.fixture(scope="module")
def llama3(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    data, name = file_of("mine.llama3.tiktoken")
    folder = tmp_path_factory.mktemp("llama3")
    return encoder_of(data, name), written(folder, data, name, False)


def begun(made: Tokenizer) -> bytes:
    """Return a tokenizer's file with a begin that its post-processor puts ahead of texts."""
    made.add_special_tokens([AddedToken("[B]", special=True)])
    made.post_processor = processors.TemplateProcessing(
        single="[B] $A", pair="[B] $A $B", special_tokens=[("[B]", made.token_to_id("[B]"))]
    )
    return made.to_str().encode()


@pytest.mark.parametrize("bos", [False, True])
def test_the_begin_is_that_of_the_documents_not_of_the_file(bos: bool, tmp_path: Path) -> None:
    made = train("llama3", SEVERAL_SCRIPTS, 700)
    data = begun(made)
    loaded = written(tmp_path, data, JSON, bos)
    begin = [made.token_to_id("[B]")] * bos
    assert loaded("x y")["input_ids"] == begin + made.encode("x y", add_special_tokens=False).ids
    content = json.loads((tmp_path / JSON).read_text())
    assert {**content, "post_processor": None} == {**json.loads(data), "post_processor": None}


def test_what_the_library_encodes_whole_is_exported(tmp_path: Path) -> None:
    made = train("gpt2", SEVERAL_SCRIPTS, 500)
    made.normalizer = normalizers.Lowercase()
    loaded = written(tmp_path, made.to_str().encode(), JSON, False)
    assert loaded("Fox")["input_ids"] == made.encode("fox").ids


def test_tokens_found_in_text_are_found_by_transformers(tmp_path: Path) -> None:
    made = train("llama3", SEVERAL_SCRIPTS, 700)
    made.add_tokens([AddedToken("<tool>")])
    loaded = written(tmp_path, made.to_str().encode(), JSON, False)
    assert made.token_to_id("<tool>") in loaded("a<tool>b")["input_ids"]
    assert loaded.decode(loaded("a<tool>b")["input_ids"], skip_special_tokens=True) == "a<tool>b"


@pytest.mark.parametrize("kind", ["llama3", "mine.llama3.tiktoken"])
def test_special_tokens_in_text_that_the_run_made_tokens(kind: str, tmp_path: Path) -> None:
    data, name = file_of(kind)
    files = tokenizer_files(data, name, bos=False, max_tokens=9, special_in_text=True)
    for file, content in files.items():
        (tmp_path / file).write_text(json.dumps(content))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    check_with_transformers(tmp_path, data, name, bos=False, special_in_text=True)
    end = marks_of(data, name)[1]
    spelt = END if name == JSON else "<|end_of_text|>"
    assert AutoTokenizer.from_pretrained(tmp_path)(f"a {spelt}")["input_ids"][-1] == end
    with pytest.raises(ValueError, match="give other ids for"):
        check_with_transformers(tmp_path, data, name, bos=False)


def test_a_begin_that_a_tokenizer_lacks() -> None:
    with pytest.raises(ValueError, match="no token for the begin of a text"):
        tokenizer_files(*file_of("gpt2"), bos=True, max_tokens=10)


def test_another_split_is_not_passed(tmp_path: Path) -> None:
    data, name = file_of("llama3")
    written(tmp_path, data, name, False)
    content = json.loads(data)
    content["pre_tokenizer"] = content_of(train("gpt2", SEVERAL_SCRIPTS, 500))["pre_tokenizer"]
    (tmp_path / JSON).write_text(json.dumps(content))
    with pytest.raises(ValueError, match="give other ids for"):
        check_with_transformers(tmp_path, data, name, bos=False)


def test_probe_texts_hold_the_tokens_and_the_names_of_marks() -> None:
    made = train("llama3", SEVERAL_SCRIPTS, 500)
    found = probe_texts(made.to_str().encode())
    assert f"a {END} b" in found
    joined = "".join(found)
    tokens = [made.decode([number]) for number in range(300, 500)]
    assert all(token in joined for token in tokens if "\ufffd" not in token)

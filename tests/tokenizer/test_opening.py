"""Tokenizers by their files: what each is, what it is encoded with, its marks and its tokens."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pyarrow as pa
import pytest
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from tests.support.byte_level import (
    END,
    SEVERAL_SCRIPTS,
    content_of,
    library_ids,
    tiktoken_bytes,
    train,
)
from tests.support.runs import ROOT
from tokenizer.checking import check_tokenizer, marks_of
from tokenizer.kinds import JSON, SENTENCEPIECE, TIKTOKEN, kind_of
from tokenizer.opening import open_encoder
from tokenizer.token_names import token_names

SAMPLE_MODEL = ROOT / "samples" / "models" / "tokenizer.model"


def saved(
    folder: Path, content: Tokenizer | dict[str, object], name: str = "tokenizer.json"
) -> str:
    path = folder / name
    text = json.dumps(content) if isinstance(content, dict) else content.to_str()
    path.write_text(text, encoding="utf-8")
    return str(path)


def unigram() -> Tokenizer:
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.train_from_iterator(
        SEVERAL_SCRIPTS,
        trainers.UnigramTrainer(
            vocab_size=200, special_tokens=["<unk>", END], unk_token="<unk>", show_progress=False
        ),
    )
    made.encode_special_tokens = True
    return made


def test_each_file_is_what_its_bytes_say() -> None:
    tokenizer = train("gpt2", SEVERAL_SCRIPTS, 400)
    assert kind_of(tokenizer.to_str().encode()) == JSON
    assert kind_of(tokenizer.to_str(pretty=True).encode()) == JSON
    assert kind_of(tiktoken_bytes(tokenizer)) == TIKTOKEN
    assert kind_of(SAMPLE_MODEL.read_bytes()) == SENTENCEPIECE


def test_every_kind_is_opened_and_gives_its_librarys_ids(tmp_path: Path) -> None:
    tokenizer = train("gpt2", SEVERAL_SCRIPTS, 400)
    of_json = open_encoder(saved(tmp_path, tokenizer))
    of_tiktoken = tmp_path / "some.gpt2.tiktoken"
    of_tiktoken.write_bytes(tiktoken_bytes(tokenizer))
    texts = pa.array(SEVERAL_SCRIPTS)
    ids = of_json.encode(texts, bos=False, eos=False)[0].tolist()
    assert ids == [i for row in library_ids(tokenizer, SEVERAL_SCRIPTS) for i in row]
    # The tokens of the file are those of the other, without its special token, the first.
    ranks = open_encoder(str(of_tiktoken)).encode(texts, bos=False, eos=False)[0]
    assert (ranks + 1).tolist() == ids
    assert open_encoder(str(SAMPLE_MODEL)).method == "table"


@pytest.mark.parametrize("name", ["gpt2", "llama3", "qwen2", "o200k", "deepseek"])
def test_patterns_in_use_have_kernels(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path, train(name, SEVERAL_SCRIPTS, 400))
    assert check_tokenizer(path, eos=True) is None
    assert open_encoder(path).method == "table"


@pytest.mark.parametrize(
    ("normalizers", "text"), [([], "e\u0301"), ([{"type": "NFC"}, {"type": "NFC"}], "\u00e9")]
)
def test_a_sequence_of_normalisers_has_kernels(
    normalizers: list[dict[str, str]], text: str, tmp_path: Path
) -> None:
    """DeepSeek's file has an empty one."""
    parts = {"type": "Sequence", "normalizers": normalizers}
    path = saved(tmp_path, _with("normalizer", parts))
    assert check_tokenizer(path) is None
    encoder = open_encoder(path)
    assert encoder.method == "table"
    assert encoder.decode(encoder.encode(pa.array(["e\u0301"]), bos=False, eos=False)[0]) == text


def _with(part: str, value: object) -> dict[str, object]:
    return {**content_of(train("llama3", SEVERAL_SCRIPTS, 400)), part: value}


def _split(pattern: dict[str, str], behaviour: str) -> dict[str, object]:
    split = {"type": "Split", "pattern": pattern, "behavior": behaviour, "invert": False}
    content = _with("pre_tokenizer", None)
    byte_level = content_of(train("gpt2", SEVERAL_SCRIPTS, 400))["pre_tokenizer"]
    parts = {"type": "Sequence", "pretokenizers": [split, byte_level]}
    return {**content, "pre_tokenizer": parts}


NOT_COVERED = {
    "the normaliser Lowercase": lambda: _with("normalizer", {"type": "Lowercase"}),
    "a model of type Unigram": lambda: content_of(unigram()),
    "the pre-tokenizer Whitespace": lambda: _with("pre_tokenizer", {"type": "Whitespace"}),
    "the pre-tokenizer Split Removed": lambda: _split({"String": " "}, "Removed"),
    "a+?": lambda: _split({"Regex": "a+?b|."}, "Isolated"),
    "a pattern that matches nothing at all": lambda: _split({"Regex": r"\s*|\w+"}, "Isolated"),
}  # fmt: skip


@pytest.mark.parametrize("reason", NOT_COVERED)
def test_other_tokenizers_go_to_the_library_whole(reason: str, tmp_path: Path) -> None:
    path = saved(tmp_path, NOT_COVERED[reason]())
    remark = check_tokenizer(path)
    assert remark is not None and remark in {reason, reason.removeprefix("a")}
    encoder = open_encoder(path)
    assert encoder.method == "tokenizers"
    tokenizer = Tokenizer.from_file(path)
    tokenizer.encode_special_tokens = True
    texts = [*SEVERAL_SCRIPTS, "", f"a{END}b"]
    ids, offsets = encoder.encode(pa.array(texts), bos=False, eos=True)
    end = tokenizer.token_to_id(END)
    expected = [[*row, end] for row in library_ids(tokenizer, texts)]
    assert [ids[a:b].tolist() for a, b in itertools.pairwise(offsets)] == expected


def test_the_marks_of_a_file(tmp_path: Path) -> None:
    tokenizer = train("llama3", SEVERAL_SCRIPTS, 400)
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>", "[CLS]"])
    ids = {
        name: tokenizer.token_to_id(name)
        for name in ("<|begin_of_text|>", "<|end_of_text|>", "[CLS]")
    }
    path = saved(tmp_path, tokenizer)
    assert marks_of(Path(path).read_bytes(), path) == (
        ids["<|begin_of_text|>"],
        ids["<|end_of_text|>"],
    )
    # What the file itself puts around a text goes before names that are usual.
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A <|endoftext|>", special_tokens=[("[CLS]", ids["[CLS]"]), (END, 0)]
    )
    path = saved(tmp_path, tokenizer)
    assert marks_of(Path(path).read_bytes(), path) == (ids["[CLS]"], 0)
    assert marks_of(SAMPLE_MODEL.read_bytes(), SAMPLE_MODEL.name) == (1, 2)
    path = saved(tmp_path, train("gpt2", SEVERAL_SCRIPTS, 400), "other.json")
    with pytest.raises(ValueError, match=r"other\.json: the tokenizer has no bos token"):
        check_tokenizer(path, bos=True)


@pytest.mark.parametrize("data", [b"{", b'{"a": 1}', b"[]", b'{"model": {"type": "BPE"}}'])
def test_what_is_no_tokenizer_is_named(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"broken\.json: "):
        check_tokenizer(str(path))
    with pytest.raises(ValueError, match=r"broken\.json: "):
        open_encoder(str(path))


@pytest.mark.parametrize("kind", ["json", "tiktoken", "unigram"])
def test_tokens_have_names_and_texts(kind: str) -> None:
    tokenizer = unigram() if kind == "unigram" else train("o200k", SEVERAL_SCRIPTS, 400)
    is_tiktoken = kind == "tiktoken"
    data = tiktoken_bytes(tokenizer) if is_tiktoken else tokenizer.to_str().encode()
    names = token_names(data, "some.o200k.tiktoken")
    text = SEVERAL_SCRIPTS[5] if kind != "unigram" else "the quick"
    ids = names.encode(text)
    decoded = b"".join(names.surfaces[i] for i in ids).decode()
    assert decoded.removeprefix(" ") == text
    first = ids[0] + is_tiktoken
    assert names.id_to_piece(ids[0]) == tokenizer.id_to_token(first)
    end = names.names.index(END)
    assert names.is_special[end] and names.surfaces[end] == b"" and sum(names.is_special) <= 2

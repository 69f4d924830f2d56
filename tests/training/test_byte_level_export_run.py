"""Models trained on byte-level shards, exported: transformers generates what is generated here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
import torch
from tokenizers import normalizers
from transformers import AutoTokenizer, LlamaForCausalLM

from pipeline.commands.main import main
from tests.support.byte_level import SEVERAL_SCRIPTS, file_of, without_marks
from tests.support.runs import run_demo
from tests.support.sentencepiece_models import texts
from tokenizer.byte_level.training import train_byte_level
from tokenizer.checking import marks_of
from tokenizer.shards import ShardReader
from training import export, generate, train
from training.generate import Exported, load_exported
from training.model import MODELS, ModelConfig

pytestmark = pytest.mark.slow

KINDS = ["gpt2", "llama3", "qwen2", "o200k", "deepseek", "mine.llama3.tiktoken", "without marks"]
"""Patterns of a ``tokenizer.json``, a tiktoken file, and a tokenizer without begin and end."""

PROMPTS = [
    " The castle",
    "   \n\nThe",
    "\n",
    "\r\n\tx  ",
    "naïve 漢字 e\u0301 क्षि 1234",
    "a <|end_of_text|> b",
]
N_TOKENS = 3


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A corpus kept as text, which every tokenizer makes shards of; models are tiny meanwhile."""
    corpus = tmp_path_factory.mktemp("text") / "out"
    given = ["--sources", "c4", "--no_report", "--set", "shards.format=text"]
    assert run_demo(corpus, *given) == 0
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(MODELS, "10M", ModelConfig(32, 2, 2))
        yield corpus


def tokenizer_of(kind: str) -> tuple[bytes, str]:
    if kind == "llama3":  # as 'corpus train-tokenizer' makes it, with a begin of text
        made = train_byte_level([*SEVERAL_SCRIPTS, *texts()], kind, 1000)
        return made, "tokenizer.json"
    if kind == "without marks":
        data, name = file_of("gpt2")
        return without_marks(data), name
    return file_of(kind)


class Made(NamedTuple):
    """The export of a model that was trained on shards of a tokenizer, as it is loaded twice."""

    marks: tuple[int | None, int | None]  # of the tokenizer's file
    composes: bool  # whether it brings text into form NFC
    exported: Path
    ours: Exported
    tokenizer: Any
    model: Any


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, text: Path, tmp_path_factory: Any) -> Made:
    folder = tmp_path_factory.mktemp("byte_level")
    data, name = tokenizer_of(request.param)
    (folder / name).write_bytes(data)
    marks = marks_of(data, name)
    corpus, run, exported = folder / "corpus", folder / "run", folder / "exported"
    command = ["retokenize", str(text), "--tokenizer", str(folder / name), "--output", str(corpus)]
    lacking = [f"--no_{n}" for n, i in zip(("bos", "eos"), marks, strict=True) if i is None]
    assert main([*command, *lacking, "--workers", "1"]) == 0
    given = [
        "--data", str(corpus), "--output", str(run), "--model", "10M", "--device", "cpu",
        "--sequence_length", "32", "--batch_tokens", "64", "--max_steps", "2", "--workers", "0",
        "--validate_every", "0",
    ]  # fmt: skip
    assert train.main(given) == train.FINISHED
    assert export.main([str(run), str(exported)]) == 0
    first = ShardReader(corpus / "shards" / "c4" / "train-00000")[0].tolist()
    assert (first[0] == marks[0], first[-1] == marks[1]) == tuple(i is not None for i in marks)
    return Made(
        marks,
        request.param == "qwen2",
        exported,
        load_exported(exported, torch.device("cpu")),
        AutoTokenizer.from_pretrained(exported),
        LlamaForCausalLM.from_pretrained(exported),
    )


def test_the_export_has_the_marks_and_no_sentencepiece_model(made: Made) -> None:
    assert not (made.exported / "tokenizer.model").exists()
    bos, eos = made.marks
    for name in ("config.json", "generation_config.json"):
        config = json.loads((made.exported / name).read_text())
        assert (config["bos_token_id"], config["eos_token_id"]) == (bos, eos)
    assert (made.tokenizer.bos_token_id, made.tokenizer.eos_token_id) == (bos, eos)
    assert made.model.generation_config.eos_token_id == eos
    assert (made.ours.begin, made.ours.end) == ([] if bos is None else [bos], eos)


def test_transformers_generates_the_same_ids_and_text(made: Made) -> None:
    begin, end = made.ours.begin, made.ours.end
    for prompt in PROMPTS:
        ids = made.ours.encoder.encode(pa.array([prompt]), bos=False, eos=False)[0].tolist()
        asked = made.tokenizer(prompt, return_tensors="pt")
        assert asked["input_ids"].tolist() == [[*begin, *ids]]
        found = generate.generate(
            made.ours.model, [*begin, *ids], max_tokens=N_TOKENS, temperature=0, top_p=1, seed=0,
            end=end,
        )  # fmt: skip
        mine = [*ids, *found]
        theirs = made.model.generate(
            input_ids=asked["input_ids"], attention_mask=asked["attention_mask"],
            max_new_tokens=N_TOKENS, do_sample=False, pad_token_id=0,
        )[0]  # fmt: skip
        kept = theirs.tolist()[len(begin) :]
        assert kept[: len(mine)] == mine and kept[len(mine) :] in ([], [end])
        shown = made.tokenizer.decode(theirs, skip_special_tokens=True)
        assert shown == made.ours.encoder.decode(mine)
        expected = normalizers.NFC().normalize_str(prompt) if made.composes else prompt
        assert shown.startswith(expected)


def test_the_command_prints_prompt_and_continuation(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main([str(made.exported), "  \n The castle", "--max_tokens", "3"]) == 0
    assert capsys.readouterr().out.startswith("  \n The castle")

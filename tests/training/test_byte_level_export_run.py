"""A model trained on byte-level shards, exported: transformers generates what is generated here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from tests.support.byte_level import SEVERAL_SCRIPTS
from tests.support.runs import run_demo
from tests.support.sentencepiece_models import texts
from tokenizer.byte_level.training import train_byte_level
from tokenizer.shards import ShardReader
from training import export, generate, train
from training.generate import Exported, load_exported

pytestmark = pytest.mark.slow

PROMPTS = [
    "The castle",
    " The castle",
    "   \n\nThe",
    "\n",
    "naïve 漢字 1234",
    "a <|end_of_text|> b",
]
N_TOKENS = 8


class Made(NamedTuple):
    """A run, and the export of a model that was trained on it."""

    corpus: Path
    exported: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("byte_level")
    file = folder / "tokenizer.json"
    file.write_bytes(train_byte_level([*SEVERAL_SCRIPTS, *texts()], "llama3", 1000))
    corpus, run, exported = folder / "corpus", folder / "run", folder / "exported"
    assert run_demo(corpus, "--sources", "c4", "--set", f"tokenizer.model={file}") == 0
    given = [
        "--data", str(corpus), "--output", str(run), "--model", "10M", "--device", "cpu",
        "--sequence_length", "32", "--batch_tokens", "64", "--max_steps", "2", "--workers", "0",
        "--validate_every", "0",
    ]  # fmt: skip
    assert train.main(given) == train.FINISHED
    assert export.main([str(run), str(exported)]) == 0
    return Made(corpus, exported)


def test_the_export_has_the_marks_and_no_sentencepiece_model(made: Made) -> None:
    assert not (made.exported / "tokenizer.model").exists()
    config = json.loads((made.exported / "config.json").read_text())
    assert (config["bos_token_id"], config["eos_token_id"]) == (0, 1)
    assert config["vocab_size"] == 1000
    assert ShardReader(made.corpus / "shards" / "c4" / "train-00000")[0].dtype == np.uint16


class Loaded(NamedTuple):
    """An export as it is loaded here, and by transformers."""

    ours: Exported
    tokenizer: Any
    model: Any


@pytest.fixture(scope="module")
def loaded(made: Made) -> Loaded:
    return Loaded(
        load_exported(made.exported, torch.device("cpu")),
        AutoTokenizer.from_pretrained(made.exported),
        LlamaForCausalLM.from_pretrained(made.exported),
    )


@pytest.mark.parametrize("prompt", PROMPTS)
def test_transformers_generates_the_same_ids_and_text(loaded: Loaded, prompt: str) -> None:
    ours, tokenizer, other = loaded
    ids = ours.encoder.encode(pa.array([prompt]), bos=False, eos=False)[0].tolist()
    asked = tokenizer(prompt, return_tensors="pt")
    assert asked["input_ids"].tolist() == [[*ours.begin, *ids]]
    assert ours.begin == [0]
    found = generate.generate(
        ours.model, [*ours.begin, *ids], max_tokens=N_TOKENS, temperature=0, top_p=1, seed=0,
        end=ours.end,
    )  # fmt: skip
    mine = [*ids, *found]
    theirs = other.generate(**asked, max_new_tokens=N_TOKENS, do_sample=False, pad_token_id=1)[0]
    kept = theirs.tolist()[1:]
    assert kept[: len(mine)] == mine and kept[len(mine) :] in ([], [1])
    text = tokenizer.decode(theirs, skip_special_tokens=True)
    assert text == ours.encoder.decode(mine) and text.startswith(prompt)


def test_the_command_prints_prompt_and_continuation(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main([str(made.exported), "  \n The castle", "--max_tokens", "3"]) == 0
    assert capsys.readouterr().out.startswith("  \n The castle")

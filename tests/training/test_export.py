"""Exported models in Hugging Face's classes: equal logits and equal ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from sentencepiece import SentencePieceProcessor
from transformers import LlamaForCausalLM, LlamaTokenizer

from tests.support.runs import ROOT
from training import export, generate, train
from training.generate import load_exported

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(demo_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps, with a checkpoint after each."""
    folder = tmp_path_factory.mktemp("export") / "run"
    given = [
        "--data", str(demo_run), "--output", str(folder), "--model", "10M", "--device", "cpu",
        "--sequence_length", "32", "--batch_tokens", "64", "--max_steps", "2", "--workers", "0",
        "--checkpoint_every", "1", "--validate_every", "0",
    ]  # fmt: skip
    assert train.main(given) == train.FINISHED
    return folder


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    target = run.parent / "exported"
    assert export.main([str(run), str(target)]) == 0
    return target


@pytest.mark.slow
def test_hugging_faces_model_has_the_same_logits(exported: Path) -> None:
    model, _ = load_exported(exported, torch.device("cpu"))
    other, report = LlamaForCausalLM.from_pretrained(exported, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    tokens_BT = torch.randint(6000, (2, 32))
    with torch.no_grad():
        ours, theirs = model(tokens_BT), other(tokens_BT).logits
    assert ours.std() > 0.1
    assert float((ours - theirs).norm() / theirs.norm()) < 1e-5


def test_hugging_faces_tokenizer_gives_sentencepieces_ids(
    exported: Path, shared_data: Path
) -> None:
    lines = (shared_data / "c4" / "c4_demo.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    texts += [path.read_text() for path in sorted((ROOT / "samples" / "texts").glob("*.txt"))]
    texts = [text for text in texts if "<s>" not in text and "</s>" not in text and text[0] != " "]
    texts += ["12345  two spaces\n\n\ttab", "\N{GRINNING FACE} \u6f22\u5b57 \u00fc", "a", "\n"]
    assert len(texts) > 300
    tokenizer = LlamaTokenizer.from_pretrained(exported)
    processor = SentencePieceProcessor(model_file=str(exported / "tokenizer.model"))
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        assert ids == [processor.bos_id(), *processor.encode(text)]
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_a_named_step_in_several_files_of_bf16(
    run: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MAX_FILE_BYTES", 5_000_000)
    target = tmp_path / "first"
    assert export.main([str(run), str(target), "--step", "1", "--dtype", "bfloat16"]) == 0
    assert len(list(target.glob("*.safetensors"))) > 2
    first = LlamaForCausalLM.from_pretrained(target, dtype=torch.bfloat16).state_dict()
    last = LlamaForCausalLM.from_pretrained(exported).state_dict()
    assert first.keys() == last.keys()
    name = "model.layers.0.mlp.gate_proj.weight"
    assert first[name].dtype == torch.bfloat16
    assert not torch.equal(first[name].float(), last[name].bfloat16().float())


def test_mistakes(
    run: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for given, said in (
        ([str(run), str(exported)], "is there already"),
        ([str(run), str(tmp_path / "x"), "--step", "7"], "there are 1, 2"),
        ([str(tmp_path), str(tmp_path / "x")], "no run.json there"),
    ):
        assert export.main(given) == 2
        printed = capsys.readouterr().err
        assert said in printed and printed.count("\n") == 1
    assert not (tmp_path / "x").exists()
    assert generate.main([str(tmp_path), "x"]) == 2
    assert "no exported model there" in capsys.readouterr().err


@pytest.mark.slow
def test_generation_follows_its_seed(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def text(*more: str) -> str:
        given = [str(exported), "The castle", "--max_tokens", "8", *more]
        assert generate.main(given) == 0
        return capsys.readouterr().out

    assert text() == text()
    assert text() != text("--seed", "1")
    assert text().startswith("The castle")
    assert text("--temperature", "0") == text("--top_p", "1e-9", "--seed", "3")

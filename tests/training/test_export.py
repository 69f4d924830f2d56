"""Exported models in Hugging Face's classes: equal logits and equal ids."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from sentencepiece import SentencePieceProcessor
from transformers import AutoTokenizer, LlamaForCausalLM

from tests.support.runs import ROOT
from tests.support.sentencepiece_models import PLAIN, trained
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
    model = load_exported(exported, torch.device("cpu")).model
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
    texts += ["12345  two spaces\n\n\ttab", "\N{GRINNING FACE} \u6f22\u5b57 \u00fc", "a", "\n"]
    texts += [" a", "   a", "a <s> b</s>", "<s>"]
    assert len(texts) > 300
    tokenizer = AutoTokenizer.from_pretrained(exported)
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


def described(run: Path, folder: Path, model: bytes, **tokenizer: Any) -> Path:
    """Copy a run, as if another tokenizer of as many pieces had made its shards."""
    folder.mkdir()
    (folder / "checkpoints").symlink_to(run / "checkpoints")
    path = folder / "tokenizer.model"
    path.write_bytes(model)
    description = json.loads((run / "run.json").read_bytes())
    digest = hashlib.sha256(model).hexdigest()
    description["tokenizer"] |= {"model": str(path), "sha256": digest, **tokenizer}
    (folder / "run.json").write_text(json.dumps(description))
    return folder


def test_a_tokenizer_that_cannot_be_exported_leaves_nothing(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "x"
    folder = described(run, tmp_path / "run", trained(model_type="unigram"))
    assert export.main([str(folder), str(target)]) == 2
    printed = capsys.readouterr().err
    assert f"{folder}/tokenizer.model: cannot be exported, it is not a BPE model" in printed
    assert printed.count("\n") == 1
    assert not target.exists()


@pytest.mark.parametrize(("options", "bos"), [({"bos_id": -1}, False), ({"eos_id": -1}, True)])
def test_marks_that_a_tokenizer_lacks(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: dict, bos: bool
) -> None:
    model = trained(**PLAIN, vocab_size=6_000, **options)
    folder = described(run, tmp_path / "run", model, bos=bos, eos=not bos)
    target = tmp_path / "x"
    assert export.main([str(folder), str(target)]) == 0
    config = json.loads((target / "config.json").read_text())
    assert (config["bos_token_id"] is None) is not bos
    assert (config["eos_token_id"] is None) is bos
    LlamaForCausalLM.from_pretrained(target)
    capsys.readouterr()
    assert generate.main([str(target), "The castle", "--max_tokens", "4"]) == 0
    assert capsys.readouterr().out.startswith("The castle")


def test_generation_begins_as_the_documents_do(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Documents without a begin token are continued without one, though the tokenizer has one."""
    prompts = []
    plain = generate.generate
    monkeypatch.setattr(
        generate, "generate", lambda model, prompt, **more: prompts.append(prompt) or plain(
            model, prompt, **more)
    )  # fmt: skip
    model = (ROOT / "samples/models/tokenizer.model").read_bytes()
    for bos in (True, False):
        folder = described(run, tmp_path / f"run{bos}", model, bos=bos)
        target = tmp_path / f"x{bos}"
        assert export.main([str(folder), str(target)]) == 0
        assert generate.main([str(target), "The castle", "--max_tokens", "2"]) == 0
        assert capsys.readouterr().out.splitlines()[-1].startswith("The castle")
    assert prompts[0] == [1, *prompts[1]]
    assert generate.main([str(target), ""]) == 2
    assert "an empty prompt" in capsys.readouterr().err


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

"""A run that begins with the weights of another run, or of an exported model."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.support.training_runs import arguments, rows, small_corpus, start
from training import checkpoint
from training.export import hugging_face_name
from training.model import Llama, ModelConfig, model_config
from training.run_folder import read_run
from training.starting.initial_weights import check_weights
from training.train import FINISHED, MISTAKEN, main

# Without a rate, a step changes no weight: its checkpoint has the weights that it began with.
ONE_STEP = ["--max_steps", "1", "--warmup_steps", "0", "--learning_rate", "1e-30",
            "--weight_decay", "0"]  # fmt: skip


def weights_of(run: Path) -> dict[str, Tensor]:
    """Return the weights of a run's newest checkpoint."""
    with torch.device("meta"):
        shapes = Llama(ModelConfig(**read_run(run)["model"])).state_dict()
    state = {f"model.{name}": torch.empty(weight.shape) for name, weight in shapes.items()}
    step = checkpoint.newest_whole(run)
    assert step is not None
    checkpoint.load(run, step, {"model": state}, None)
    return state


def write_export(folder: Path, weights: dict[str, Tensor], model: dict[str, Any]) -> None:
    """Write what is read of an exported model, in two files of bfloat16."""
    folder.mkdir()
    settings = {
        "hidden_size": model["dim"], "num_attention_heads": model["n_heads"],
        "num_hidden_layers": model["n_layers"], "vocab_size": model["vocabulary_size"],
        "rope_theta": model["rope_theta"], "rms_norm_eps": model["norm_eps"],
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(settings))
    named = [
        (hugging_face_name(name.removeprefix("model.")), weight.bfloat16())
        for name, weight in weights.items()
    ]
    for number, part in enumerate((named[::2], named[1::2]), 1):
        save_file(dict(part), folder / f"model-0000{number}-of-00002.safetensors")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a corpus and of a run of six steps."""
    folder = tmp_path_factory.mktemp("first")
    small_corpus(folder / "corpus")
    given = ["--max_steps", "6", "--learning_rate", "1e-2", "--seed", "5", "--schedule", "wsd",
             "--decay_share", "0.5", "--warmup_steps", "1"]  # fmt: skip
    assert main(arguments(folder / "corpus", folder / "run", *given)) == FINISHED
    return folder


@pytest.mark.slow
def test_the_rate_of_a_run_is_that_of_its_schedule(first: Path) -> None:
    rates = [row["learning_rate"] for row in rows(first / "run")]
    assert rates == pytest.approx([1e-2, 1e-2, 1e-2, 7e-3, 4e-3, 1e-3])


@pytest.mark.slow
def test_a_run_begins_with_the_weights_of_another(first: Path, tmp_path: Path) -> None:
    """The folder that they came from may be gone when the run goes on."""
    source = tmp_path / "source"
    (first / "run").rename(source)
    given = arguments(first / "corpus", tmp_path / "run", *ONE_STEP, "--init_from", str(source))
    try:
        assert main(given) == FINISHED
        expected = weights_of(source)
    finally:
        source.rename(first / "run")
    found = weights_of(tmp_path / "run")
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert main(given) == FINISHED


@pytest.mark.slow
def test_two_processes_begin_with_the_weights_of_an_export(first: Path, tmp_path: Path) -> None:
    expected = weights_of(first / "run")
    write_export(tmp_path / "export", expected, read_run(first / "run")["model"])
    given = [*ONE_STEP, "--init_from", str(tmp_path / "export")]
    process = start(arguments(first / "corpus", tmp_path / "run", *given), 2)
    printed, _ = process.communicate(timeout=240)
    assert process.returncode == 0, printed
    assert printed.count(f"beginning with the weights of {tmp_path / 'export'}\n") == 1
    found = weights_of(tmp_path / "run")
    assert all(
        torch.equal(found[name], weight.bfloat16().float()) for name, weight in expected.items()
    )


@pytest.mark.slow
def test_an_export_that_lacks_a_weight_is_refused(
    first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = tmp_path / "export"
    write_export(export, weights_of(first / "run"), read_run(first / "run")["model"])
    part = export / "model-00001-of-00002.safetensors"
    save_file(dict(list(load_file(part).items())[1:]), part)
    given = arguments(first / "corpus", tmp_path / "run", *ONE_STEP, "--init_from", str(export))
    assert main(given) == MISTAKEN
    printed = capsys.readouterr().err
    errors = [line for line in printed.splitlines() if not line.startswith("warning: ")]
    assert len(errors) == 1 and errors[0].startswith(
        f"error: --init_from {export}: cannot be read: Missing key"
    )


def test_what_does_not_fit_is_refused_in_one_line(tmp_path: Path) -> None:
    config, tokenizer = model_config("10M", 500), {"sha256": "1"}
    with pytest.raises(ValueError, match="neither the folder of a training run nor one that"):
        check_weights(tmp_path, config, tokenizer)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "vocab_size": 500}')
    with pytest.raises(ValueError, match="neither the folder of a training run nor one that"):
        check_weights(tmp_path, config, tokenizer)
    described: dict[str, Any] = {"model": asdict(config)}
    described["tokenizer"] = {"sha256": "2"}
    (tmp_path / "run.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match="its tokenizer is not that of the shards"):
        check_weights(tmp_path, config, tokenizer)
    with pytest.raises(ValueError, match="no checkpoint there"):
        check_weights(tmp_path, config, {"sha256": "2"})
    (tmp_path / "run.json").unlink()
    write_export(tmp_path / "export", {}, described["model"] | {"n_layers": 3})
    with pytest.raises(ValueError, match=r"another model: n_layers is 3 there and \d+ here$"):
        check_weights(tmp_path / "export", config, tokenizer)

"""Errors for mistakes in the options, in one line, before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.samples.corpora import write_corpus
from training.options import TrainOptions, parse
from training.plan import make_plan
from training.train import main

NEEDED = ["--data", "out", "--model", "10M", "--output", "run"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "out", "--model", "10M"], "--output"),
        ([*NEEDED, "--model", "11M"], "invalid choice: '11M'"),
        ([*NEEDED, "--max_steps", "0"], "--max_steps 0: must be more than 0"),
        ([*NEEDED, "--warmup_steps", "-1"], "--warmup_steps -1: must not be negative"),
        ([*NEEDED, "--learning_rate", "nan"], "--learning_rate nan"),
        ([*NEEDED, "--batch", "x"], "--batch"),
        ([*NEEDED, "--minimum_learning_rate_fraction", "2"], "between 0 and 1"),
        ([*NEEDED, "--batch_tokens", "3000"], "multiple of the sequence length times the"),
        ([*NEEDED, "--micro_batch_samples", "3"], "must divide the 32 samples"),
        ([*NEEDED, "--wandb"], "pip install wandb"),
        (NEEDED, "manifest.json"),
    ],
)
def test_mistakes(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main([*arguments, "--device", "cpu"])
    except SystemExit as left:
        status = left.code
    assert status == 2
    printed = capsys.readouterr().err
    assert said in printed and printed.count("\n") == 1
    assert not Path("run").exists()


def test_help_has_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(TrainOptions, ["--help"], "train")
    printed = capsys.readouterr().out
    for name in TrainOptions.__dataclass_fields__:
        assert f"--{name}" in printed


def options(folder: Path, *more: str) -> TrainOptions:
    arguments = ["--data", str(folder), "--model", "10M", "--output", "run", *more]
    return parse(TrainOptions, arguments, "train")


def test_the_budget_makes_the_steps(tmp_path: Path) -> None:
    write_corpus(tmp_path, {"c4": [[range(100)]]}, {"c4": 1.0}, 1000)
    lengths = ["--sequence_length", "8", "--batch_tokens", "32"]
    plan, mixture = make_plan(options(tmp_path, *lengths), 2, "cpu")
    assert (plan.n_steps, plan.batch_samples, plan.micro_batch_samples) == (31, 4, 2)
    assert mixture.n_samples == 31 * 4
    plan, mixture = make_plan(options(tmp_path, *lengths, "--max_steps", "50"), 1, "cpu")
    assert (plan.n_steps, mixture.n_samples) == (50, 200)
    with pytest.raises(ValueError, match=r"less than a step of 65,536; give --max_steps"):
        make_plan(options(tmp_path, *lengths[:2]), 1, "cpu")
    with pytest.raises(ValueError, match="the run has only 31 steps"):
        make_plan(options(tmp_path, *lengths, "--warmup_steps", "32"), 1, "cpu")

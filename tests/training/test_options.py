"""Errors for mistakes in the options, in one line, before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.samples.corpora import write_corpus
from training.options import TrainOptions, parse
from training.parallel.mesh import MeshSizes
from training.plan import describe, make_plan
from training.train import main

NEEDED = ["--data", "out", "--model", "10M", "--output", "run"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "out", "--model", "10M"], "--output"),
        ([*NEEDED, "--model", "11M"], "invalid choice: '11M'"),
        ([*NEEDED, "--max_steps", "0"], "--max_steps 0: must be more than 0"),
        ([*NEEDED, "--tp", "0"], "--tp 0: must be more than 0"),
        ([*NEEDED, "--dp_shard", "-1"], "--dp_shard -1: must be more than 0"),
        ([*NEEDED, "--warmup_steps", "-1"], "--warmup_steps -1: must not be negative"),
        ([*NEEDED, "--learning_rate", "nan"], "--learning_rate nan"),
        ([*NEEDED, "--batch", "x"], "--batch"),
        ([*NEEDED, "--minimum_learning_rate_fraction", "2"], "between 0 and 1"),
        ([*NEEDED, "--decay_share", "0.2"], "--decay_share: changes nothing without"),
        ([*NEEDED, "--schedule", "wsd", "--decay_share", "1.5"], "between 0 and 1"),
        ([*NEEDED, "--schedule", "linear"], "invalid choice: 'linear'"),
        ([*NEEDED, "--batch_tokens", "3000"], "multiple of the sequence length, 2048"),
        ([*NEEDED, "--micro_batch_samples", "0"], "--micro_batch_samples 0: must be more than 0"),
        ([*NEEDED, "--device_memory_bytes", "0"], "--device_memory_bytes 0: must be more than 0"),
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
    plan, _ = make_plan(options(tmp_path, *lengths), 3, "cpu")  # shares of one or two samples
    assert (plan.batch_samples, plan.micro_batch_samples, plan.n_micro_batches) == (4, 2, 1)
    plan, mixture = make_plan(options(tmp_path, *lengths, "--max_steps", "50"), 1, "cpu")
    assert (plan.n_steps, mixture.n_samples) == (50, 200)
    with pytest.raises(ValueError, match=r"less than a step of 65,536; give --max_steps"):
        make_plan(options(tmp_path, *lengths[:2]), 1, "cpu")
    with pytest.raises(ValueError, match="the run has only 31 steps"):
        make_plan(options(tmp_path, *lengths, "--warmup_steps", "32"), 1, "cpu")


@pytest.mark.parametrize(
    ("n_processes", "micro", "told"),
    [
        (8, None, "(8 x 32 x 8 samples of 8)"),
        (48, None, "(48 x 6 x at most 8 samples of 8)"),
        (504, "4", "(504 x 2 x at most 3 samples of 8)"),
        (512, "4", "(512 x 1 x 4 samples of 8)"),
    ],
)
def test_any_number_of_processes(tmp_path: Path, n_processes: int, micro, told: str) -> None:
    """A run goes on with the same options after a node is lost."""
    write_corpus(tmp_path, {"c4": [[range(100)]]}, {"c4": 1.0}, 2048 * 8)
    given = ["--sequence_length", "8", "--batch_tokens", str(2048 * 8)]
    given += ["--micro_batch_samples", micro] if micro else []
    plan, _ = make_plan(options(tmp_path, *given), n_processes, "cpu")
    assert told in describe(plan, "CPU")


def test_processes_that_divide_samples_or_matrices_share_their_samples(tmp_path: Path) -> None:
    write_corpus(tmp_path, {"c4": [[range(100)]]}, {"c4": 1.0}, 64 * 8)
    given = ["--sequence_length", "8", "--batch_tokens", "512", "--cp", "2", "--tp", "2"]
    plan, _ = make_plan(options(tmp_path, *given), 16, "cpu")
    assert plan.mesh == MeshSizes(dp_shard=4, cp=2, tp=2)
    assert "(4 x 2 x 8 samples of 8)" in describe(plan, "CPU")
    with pytest.raises(ValueError, match="--cp 3: does not divide the 8 tokens of a sample"):
        make_plan(options(tmp_path, *given[:4], "--cp", "3"), 12, "cpu")


def test_an_estimate_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shards are not there, nor is a GPU, and no folder is made."""
    write_corpus(tmp_path, {"c4": [[range(100)]]}, {"c4": 1.0}, 1000)
    (tmp_path / "shards").rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    given = ["--data", str(tmp_path), "--model", "65B", "--output", "run", "--estimate"]
    assert main([*given, "--device", "cuda"]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[:2] for line in printed.splitlines()[2:]] == [
        [n, choice] for n in ("8", "64", "512") for choice in ("none", "selective", "full")
    ]
    assert not Path("run").exists()
    assert main([*given, "--dp_replicate", "64"]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[2:]] == ["64"] * 3 + ["512"] * 3
    assert "weights 263.3" in printed and "weights 32.9" in printed
    assert main([*given, "--tp", "8", "--dp_replicate", "2"]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[2:]] == ["64"] * 3 + ["512"] * 3
    assert main([*given, "--tp", "8", "--dp_shard", "2"]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[2:]] == ["16"] * 3
    assert main([*given, "--tp", "5"]) == 2
    told = "error: --tp 5: does not divide the 64 attention heads\n"
    assert capsys.readouterr().err == told


def test_copies_that_do_not_divide_the_processes_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_corpus(tmp_path, {"c4": [[range(100)]]}, {"c4": 1.0}, 10**7)
    given = ["--data", str(tmp_path), "--model", "10M", "--output", str(tmp_path / "run")]
    assert main([*given, "--dp_replicate", "2"]) == 2
    told = "error: --dp_replicate 2: does not divide 1 processes\n"
    assert capsys.readouterr().err == told


def test_what_cannot_fit_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_corpus(tmp_path, {"c4": [[range(100)]]}, {"c4": 1.0}, 10**7)
    given = ["--data", str(tmp_path), "--model", "7B", "--output", str(tmp_path / "run")]
    given += ["--device", "cpu", "--device_memory_bytes", "80000000000", "--precision", "bf16"]
    assert main(given) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert "on 1 processes takes 1" in printed and "and 73.6 GB are there" in printed
    assert "optimiser 5" in printed
    assert not (tmp_path / "run").exists()

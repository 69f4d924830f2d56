"""The plan of a run in stages: steps and totals follow from them, and each has its own rate."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.support.staged_corpora import corpus
from training.optimiser import learning_rate
from training.options import TrainOptions
from training.plan import Plan, estimated
from training.stages.staged_mixture import StagedMixture, stage_draws
from training.stages.staged_plan import described_stages, make_staged_plan
from training.train import main

FILE = """
- name: first
  tokens: 1000  # ten steps of 96, and 40 tokens that do not make one
  weights: {a: 3, b: 1}
  sequence_length: 8
  schedule: wsd
  decay_share: 0.2
  learning_rate: 1.0
  end_learning_rate: 0.5
  warmup_steps: 2
- name: second
  tokens: 480
  sequence_length: 24
  schedule: linear
  learning_rate: 0.5
  end_learning_rate: 0
- name: third
  tokens: 192
  sequence_length: 4
  schedule: constant
  learning_rate: 0.25
"""


def given(tmp_path: Path, text: str = FILE, **more: Any) -> TrainOptions:
    if not (tmp_path / "data").exists():
        corpus(tmp_path / "data", {"a": [50, 31, 39], "b": [60]})
    path = tmp_path / "stages.yaml"
    path.write_text(text)
    return TrainOptions(data=str(tmp_path / "data"), model="10M", output=str(tmp_path / "run"),
                        stages=str(path), batch_tokens=96, **more)  # fmt: skip


def planned(options: TrainOptions, n_processes: int = 1) -> tuple[Plan, StagedMixture]:
    return make_staged_plan(options, n_processes, "cpu")


def rate(plan: Plan, step: int) -> float:
    own = plan.of_step(step)
    return learning_rate(
        step - 1 - own.first_step, maximum=own.learning_rate, warmup_steps=own.warmup_steps,
        minimum_fraction=own.minimum_fraction, n_steps=own.n_steps, decay_steps=own.decay_steps,
    )  # fmt: skip


def test_steps_and_rates_follow_from_the_stages(tmp_path: Path) -> None:
    plan, mixture = planned(given(tmp_path))
    assert (plan.n_steps, mixture.n_samples) == (17, 10 * 12 + 5 * 4 + 2 * 24)
    assert [s.first_step for s in plan.stages] == [0, 10, 15]
    assert [s.batch_samples for s in plan.stages] == [12, 4, 24]
    assert {s.batch_tokens for s in plan.stages} == {96}
    assert (plan.validation_length, plan.sequence_length) == (4, 24)
    assert [round(rate(plan, step), 3) for step in range(1, 18)] == [
        0.5, 1, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.4, 0.3, 0.2, 0.1, 0, 0.25, 0.25
    ]  # fmt: skip
    assert described_stages(plan)[1] == (
        "stage second: steps 11 to 15, samples of 24 tokens, learning rate to 5.00e-01"
    )


def test_the_identity_is_enough_to_draw_the_same_samples(tmp_path: Path) -> None:
    plan, mixture = planned(given(tmp_path))
    identity = plan.identity
    assert (identity["steps"], identity["sequence_length"]) == (17, 24)
    assert not {"learning_rate", "warmup_steps", "decay_steps"} & identity.keys()
    again = StagedMixture(tmp_path / "data", [stage_draws(one) for one in identity["stages"]],
                          batch_tokens=identity["batch_tokens"], seed=identity["seed"])  # fmt: skip
    assert again.fingerprint == identity["corpus"]
    for position in range(mixture.n_samples):
        assert again.documents_of(position) == mixture.documents_of(position)
    assert identity["stages"][0]["proportions"] == {"a": "3/4", "b": "1/4"}
    assert identity["stages"][1]["proportions"] == {"a": "1/2", "b": "1/2"}  # the corpus's


def test_all_stages_recompute_what_one_must(tmp_path: Path) -> None:
    lengths = FILE.replace("tokens: ", "tokens: 1000").replace("h: 24", "h: 16384")
    options = given(tmp_path, lengths.replace("h: 8", "h: 256"))
    options = dataclasses.replace(options, batch_tokens=32768, loss_chunk_tokens=256)
    whole, _ = planned(options)
    assert [s.activation_checkpointing for s in whole.stages] == ["none"] * 3
    narrow, _ = planned(dataclasses.replace(options, device_memory_bytes=2 * 10**9))
    assert [s.activation_checkpointing for s in narrow.stages] == ["full"] * 3
    assert narrow.activation_checkpointing == "full"
    assert [s.micro_batch_samples for s in narrow.stages] == [8, 1, 8]


def test_the_estimate_is_of_the_longest_samples(tmp_path: Path) -> None:
    assert "samples of 24 tokens" in estimated(given(tmp_path), 1)


@pytest.mark.parametrize(
    ("old", "new", "more", "said"),
    [
        ("tokens: 192", "tokens: 95", [], "stage third: its 95 tokens are less than a step of 96"),
        ("warmup_steps: 2", "warmup_steps: 9", [], "stage first: steps of warm-up and decay are"),
        ("{a: 3, b: 1}", "{a: 3, c: 1}", [], "stage first: weights: no source 'c'; known are a, b"),
        ("h: 24", "h: 25", [], "must be a multiple of the sequence length, 25"),
        ("", "", ["--max_steps", "3"], "--max_steps: each stage of --stages has its own"),
        ("", "", ["--sequence_length", "8"], "--sequence_length: each stage of --stages has its"),
        ("", "", ["--packing", "best_fit"], "all stages need one sequence length, here are 4, 8"),
        ("name: third", "nome: third", [], "no key 'nome'; did you mean 'name'?"),
    ],
)
def test_mistakes(
    tmp_path: Path, old: str, new: str, more: list[str], said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    options = given(tmp_path, FILE.replace(old, new) if old else FILE)
    arguments = ["--data", options.data, "--model", "10M", "--output", options.output]
    arguments += ["--stages", str(options.stages), "--batch_tokens", "96", "--device", "cpu"]
    try:
        status = main([*arguments, *more])
    except SystemExit as left:
        status = left.code
    printed = capsys.readouterr().err
    assert status == 2 and said in printed and printed.count("\n") == 1
    assert not Path(options.output).exists()

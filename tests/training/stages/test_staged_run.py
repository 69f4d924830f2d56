"""The trainer in stages, over real shards: stopped and continued across a border, and traced."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
import torch

from pipeline.commands.main import main as corpus
from tests.support.runs import ROOT
from tests.support.training_runs import rows, start
from training.checkpoint import newest_whole
from training.train import FINISHED, MISTAKEN, STOPPED, main
from training.trainer import Trainer

pytestmark = pytest.mark.slow

ONE, TWO = (ROOT / "recipes" / "stages" / "demo.yaml").read_text().split("- name: two")
TWO = f"- name: two{TWO}"
THREE = TWO.replace("two", "three").replace("640", "256").replace("64", "16", 1)
STEPS, BORDER, STOP = 11, 6, 4


def arguments(data: Path, run: Path, stages: str) -> list[str]:
    run.parent.mkdir(parents=True, exist_ok=True)
    path = run.parent / "stages.yaml"
    path.write_text(stages)
    return ["--data", str(data), "--output", str(run), "--stages", str(path), "--model", "10M",
            "--device", "cpu", "--batch_tokens", "128", "--validate_every", "0", "--workers", "0",
            "--log_every", "1", "--micro_batch_samples", "2"]  # fmt: skip


def losses(run: Path) -> dict[int, float]:
    return {row["step"]: row["loss"] for row in rows(run)}


@pytest.fixture(scope="module")
def whole(demo_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process through two stages, undisturbed."""
    torch.set_num_threads(1)  # as in processes of their own, so that sums are equal
    run = tmp_path_factory.mktemp("whole") / "run"
    assert main(arguments(demo_run, run, ONE + TWO)) == FINISHED
    return run


def test_the_rates_are_those_of_the_stages(whole: Path) -> None:
    rates = [row["learning_rate"] for row in rows(whole)]
    assert len(rates) == STEPS and rates[BORDER - 1] == pytest.approx(1e-3)
    assert rates[BORDER:] == pytest.approx([8e-4, 6e-4, 4e-4, 2e-4, 0])


def test_the_trace_proves_that_no_token_came_twice(
    whole: Path, demo_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predicted: Counter[tuple[str, int]] = Counter()
    for step in range(1, STEPS + 1):
        assert (
            corpus(["trace", str(demo_run), "--run", str(whole), "--step", str(step), "--json"])
            == 0
        )
        traced = json.loads(capsys.readouterr().out)
        assert {row["stage"] for row in traced} == {"one" if step <= BORDER else "two"}
        assert {row["epoch"] for row in traced} == {0}
        if step > BORDER:
            assert {row["source"] for row in traced} <= {"wikipedia", "c4"}
        for row in traced:
            first = row["begin"] + (row["sample_begin"] == 0)  # what a sample begins with
            predicted.update((row["id"], token) for token in range(first, row["end"]))
    assert sum(predicted.values()) == STEPS * 128 and set(predicted.values()) == {1}
    assert corpus(["trace", str(demo_run), "--run", str(whole), "--step", "7"]) == 0
    assert "stage" in capsys.readouterr().out
    given = ["trace", str(demo_run), "--run", str(whole), "--step", "7", "--mixture", "other"]
    assert corpus(given) == 2
    assert "--mixture: the run's stages say" in capsys.readouterr().err


def test_stopped_and_continued_across_the_border(
    whole: Path, demo_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    plain = Trainer.step

    def step(self, batches):
        if self.done_steps == STOP - 1:
            self.stop()
        return plain(self, batches)

    one, two = tmp_path / "one" / "run", tmp_path / "two" / "run"
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "step", step)
        assert main(arguments(demo_run, one, ONE + TWO)) == STOPPED
    stopped_at = newest_whole(one)
    assert stopped_at is not None and STOP <= stopped_at < BORDER
    shutil.copytree(one, two, copy_function=os.link)

    capsys.readouterr()
    assert main(arguments(demo_run, one, ONE + TWO)) == FINISHED
    assert f"step {BORDER + 1}: stage two begins" in capsys.readouterr().out
    assert losses(one) == losses(whole), "to the bit on the same number of processes"

    # By two processes, whose second stage is another one: it has not begun.
    process = start(arguments(demo_run, two, ONE + THREE), 2)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert "stages that have not begun are others than before: three new or" in output
    assert "two gone" in output
    by_two = losses(two)
    assert sorted(by_two) == list(range(1, BORDER + 3))
    first_stage = {number: by_two[number] for number in range(1, BORDER + 1)}
    assert first_stage == pytest.approx({n: losses(whole)[n] for n in first_stage}, rel=2e-4)

    # A run that is finished goes on with a stage more; one that has begun must stay.
    assert main(arguments(demo_run, two, ONE + THREE + TWO)) == FINISHED
    assert sorted(losses(two)) == list(range(1, BORDER + 8))
    assert main(arguments(demo_run, two, ONE.replace("3e-3", "2e-3") + THREE)) == MISTAKEN
    assert "the stage one has begun, as 13 steps are done" in capsys.readouterr().err

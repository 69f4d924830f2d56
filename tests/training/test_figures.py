"""The figures of a run: speed from its first steps on, and validation of any number of tokens."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.training_runs import arguments, rows, small_corpus
from training.data.mixture import Validation
from training.train import FINISHED, main
from training.trainer import Trainer

pytestmark = pytest.mark.slow


def test_the_speed_of_the_first_steps_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step is reported when the next one is queued already, which must not count."""
    plain, lasted, now = Trainer.step, [8.0, 2.0, 4.0, 16.0], [0.0]
    left = iter(lasted)

    def timed(*given):
        now[0] += next(left)
        return plain(*given)

    # A clock that only steps move: what else the machine does must not show.
    monkeypatch.setattr("training.trainer.time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(Trainer, "step", timed)
    corpus = small_corpus(tmp_path / "corpus")
    assert main(arguments(corpus, tmp_path / "run", "--max_steps", "4")) == FINISHED
    assert [64 / row["tokens_per_second"] for row in rows(tmp_path / "run")] == lasted


def test_a_validation_part_of_one_token_has_no_loss(tmp_path: Path, capsys) -> None:
    """There is nothing to predict its token from."""
    corpus = small_corpus(tmp_path / "one", {"c4": [[[7]]], "books": [[range(40, 80)]]})
    assert Validation(corpus, sequence_length=16).n_samples == {"books": 3}
    given = ["--max_steps", "2", "--validate_every", "1"]
    assert main(arguments(corpus, tmp_path / "run", *given)) == FINISHED
    losses = [row for row in rows(tmp_path / "run") if "loss" not in row]
    assert [row.keys() - {"step"} for row in losses] == [{"validation_loss/books"}] * 2
    assert all(math.isfinite(value) for row in losses for value in row.values())
    capsys.readouterr()

    corpus = small_corpus(tmp_path / "only", {"c4": [[[7]]]})
    assert main(arguments(corpus, tmp_path / "other", *given)) == FINISHED
    assert "validation" not in capsys.readouterr().out
    assert all("loss" in row for row in rows(tmp_path / "other"))


def test_two_tokens_are_validated(tmp_path: Path) -> None:
    corpus = small_corpus(tmp_path, {"c4": [[[7, 8]]]})
    assert Validation(corpus, sequence_length=16).n_samples == {"c4": 1}

"""The plan of a training run: the mixture that it is on is a part of what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.samples.corpora import write_corpus
from training.options import TrainOptions
from training.plan import Plan, make_plan
from training.run_folder import claim

DOCUMENTS = [[range(0, 500)], [range(500, 900)]]


def identity(data: Path, mixture: str | None = None) -> dict:
    options = TrainOptions(data=str(data), model="10M", output="-", mixture=mixture,
                           sequence_length=10, batch_tokens=100)  # fmt: skip
    return make_plan(options, 1, "cpu")[0].identity


def planned(data: Path, *, steps: int = 40, **given: Any) -> Plan:
    options = TrainOptions(data=str(data), model="10M", output="-", sequence_length=10,
                           batch_tokens=100, max_steps=steps, **given)  # fmt: skip
    return make_plan(options, 1, "cpu")[0]


def test_the_steps_of_decay_are_a_share_of_the_run(tmp_path: Path) -> None:
    """A cosine leaves no trace in the identity, so that runs of earlier versions go on."""
    write_corpus(tmp_path, {"a": DOCUMENTS}, {"a": 1.0}, 4000)
    cosine = planned(tmp_path)
    assert cosine.decay_steps is None and "decay_steps" not in cosine.identity
    for share, steps in [(None, 4), (0.25, 10), (0.0, 0)]:
        plan = planned(tmp_path, schedule="wsd", decay_share=share)
        assert plan.decay_steps == plan.identity["decay_steps"] == steps
    with pytest.raises(ValueError, match="38 steps of decay and 4 of warm-up are more than the r"):
        planned(tmp_path, schedule="wsd", decay_share=0.95)


def test_a_run_goes_on_with_the_mixture_that_it_began_with(tmp_path: Path) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    write_corpus(data, {"a": DOCUMENTS, "b": DOCUMENTS}, {"a": 0.5, "b": 0.5}, 4000)
    claim(run, identity(data))
    (data / "mixtures").mkdir()
    (data / "manifest.json").rename(data / "mixtures" / "even.json")
    write_corpus(data, {"a": DOCUMENTS, "b": DOCUMENTS}, {"a": 0.1, "b": 0.9}, 4000)
    with pytest.raises(ValueError, match=r"corpus is '.*--mixture NAME goes on with an") as error:
        claim(run, identity(data))
    assert "\n" not in str(error.value)
    claim(run, identity(data, "even"))

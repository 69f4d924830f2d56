"""The plan of a training run: the mixture that it is on is a part of what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.samples.corpora import write_corpus
from training.options import TrainOptions
from training.plan import make_plan
from training.run_folder import claim

DOCUMENTS = [[range(0, 500)], [range(500, 900)]]


def identity(data: Path, mixture: str | None = None) -> dict:
    options = TrainOptions(data=str(data), model="10M", output="-", mixture=mixture,
                           sequence_length=10, batch_tokens=100)  # fmt: skip
    return make_plan(options, 1, "cpu")[0].identity


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

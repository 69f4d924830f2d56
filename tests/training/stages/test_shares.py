"""The shares of a stage: from weights, from a mixture by its name, or from the run's."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from tests.support.samples.corpora import write_corpus
from training.data.files import LocalFiles
from training.stages.shares import Manifests, StageShares, shares_of
from training.stages.stage_file import Stage, Weights

TRAIN = {"web": [[range(50)]], "wiki": [[range(20), range(20, 60)]]}


def write(folder: Path, web: float, de: float, train: dict = TRAIN) -> None:
    write_corpus(
        folder, train, {"web": web, "wiki": 1 - web}, 100,
        domains={"wiki": [["de", "en"]]}, domain_shares={"wiki": {"de": de, "en": 1 - de}},
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A corpus whose newest mixture is even, and that has an earlier one, and one of no more."""
    (tmp_path / "mixtures").mkdir()
    for name, web, train in [("early", 1.0, TRAIN), ("old", 0.5, {**TRAIN, "web": [[range(9)]]})]:
        write(tmp_path, web, 0.25, train)
        (tmp_path / "manifest.json").rename(tmp_path / "mixtures" / f"{name}.json")
    write(tmp_path, 0.5, 0.75)
    return tmp_path


def shares(
    folder: Path, weights: Weights | None = None, *, mixture: str | None = None,
    run_mixture: str | None = None,
) -> StageShares:  # fmt: skip
    stage = Stage("one", 100, 8, "constant", 1e-3, mixture=mixture, weights=weights)
    return shares_of(stage, Manifests(LocalFiles(folder), "out", run_mixture))


def test_shares_of_a_mixture(folder: Path) -> None:
    half, quarter = Fraction(1, 2), Fraction(1, 4)
    even = ({"web": half, "wiki": half}, {"wiki": {"de": 3 * quarter, "en": quarter}})
    assert shares(folder) == even
    assert shares(folder, mixture="early") == ({"web": Fraction(1)}, {})
    assert shares(folder, run_mixture="early") == ({"web": Fraction(1)}, {})


def test_shares_of_weights(folder: Path) -> None:
    """All weights are on one scale; a source without weights of domains has the mixture's."""
    of_domains = shares(folder, {"web": 4, "wiki": {"de": 1, "en": 3}})
    assert of_domains.proportions == {"web": Fraction(1, 2), "wiki": Fraction(1, 2)}
    assert of_domains.domains == {"wiki": {"de": Fraction(1, 4), "en": Fraction(3, 4)}}
    plain = shares(folder, {"web": 0.1, "wiki": 0.3})
    assert plain.proportions == {"web": Fraction(1, 4), "wiki": Fraction(3, 4)}
    assert plain.domains == {"wiki": {"de": Fraction(3, 4), "en": Fraction(1, 4)}}
    assert shares(folder, {"web": 2, "wiki": 0}) == ({"web": Fraction(1)}, {})


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"wik": 1}, "no source 'wik'; did you mean 'wiki'?"),
        ({"web": {"de": 1}}, "web is not divided into domains"),
        ({"wiki": {"enn": 1}}, "wiki has no domain 'enn'; did you mean 'en'?"),
        ({"wiki": {"en": 0}, "web": 0}, "weights: all are 0"),
    ],
)
def test_weights_of_what_is_not_there(folder: Path, weights: Weights, said: str) -> None:
    with pytest.raises(ValueError) as error:
        shares(folder, weights)
    assert said in str(error.value)


def test_mixtures_that_cannot_be_taken(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"no mixtures/none\.json there"):
        shares(folder, mixture="none")
    with pytest.raises(ValueError, match="the mixture old is of shards that are no more"):
        shares(folder, mixture="old")
    with pytest.raises(ValueError, match="not the name of a mixture"):
        shares(folder, mixture="../x")

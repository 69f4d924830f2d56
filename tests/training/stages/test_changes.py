"""Stages that change while a run is stopped: those that have begun may not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.checkpoint import CONTENTS, checkpoint_folder
from training.run_folder import claim, read_run
from training.stages.changes import take_changed_stages


def described(name: str, steps: int, rate: float = 1.0) -> dict:
    return {"name": name, "steps": steps, "learning_rate": rate}


def identity(*stages: dict, seed: int = 0, length: int = 8) -> dict:
    return {"seed": seed, "stages": list(stages), "sequence_length": length,
            "steps": sum(stage["steps"] for stage in stages)}  # fmt: skip


BEFORE = identity(described("one", 10), described("two", 10), described("three", 5))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    claim(tmp_path, BEFORE)
    return tmp_path


def done(run: Path, steps: int) -> None:
    """Let a checkpoint be there that is whole as far as names and sizes tell."""
    folder = checkpoint_folder(run, steps)
    folder.mkdir(parents=True)
    (folder / CONTENTS).write_text("{}")


def test_nothing_to_say(run: Path, tmp_path: Path) -> None:
    assert take_changed_stages(run, BEFORE) is None
    assert take_changed_stages(tmp_path / "new", BEFORE) is None


@pytest.mark.parametrize(
    ("steps", "after", "said"),
    [
        (10, [described("one", 10), described("two", 7)], "two new or changed; three gone"),
        (15, [described("one", 10), described("two", 10), described("x", 1)],
         "x new or changed; three gone"),
        (25, [*BEFORE["stages"], described("four", 5)], "four new or changed"),
        (10, [described("one", 10), described("three", 5), described("two", 10)], "their order"),
        (0, [described("one", 9)], "one new or changed; two, three gone"),
    ],
)  # fmt: skip
def test_stages_that_have_not_begun_are_taken(
    run: Path, steps: int, after: list, said: str
) -> None:
    if steps:
        done(run, steps)
    now = identity(*after, length=16)
    told = take_changed_stages(run, now)
    assert told == f"stages that have not begun are others than before: {said}"
    assert read_run(run) == now
    claim(run, now)


@pytest.mark.parametrize(
    ("steps", "after", "said"),
    [
        (11, [described("one", 10), described("two", 7)], "the stage two has begun, as 11 steps"),
        (1, [described("one", 10, 0.5)], "its learning_rate is 1.0 there and 0.5 here"),
        (10, [described("other", 10)], "its name is 'one' there and 'other' here"),
        (25, [described("one", 10)], "the stage two has begun"),
    ],
)
def test_stages_that_have_begun_must_stay(run: Path, steps: int, after: list, said: str) -> None:
    done(run, steps)
    with pytest.raises(ValueError) as error:
        take_changed_stages(run, identity(*after))
    assert said in str(error.value) and "\n" not in str(error.value)
    assert read_run(run) == BEFORE


def test_another_run_is_left_to_claim(run: Path) -> None:
    now = identity(described("one", 3), seed=1)
    assert take_changed_stages(run, now) is None
    with pytest.raises(ValueError, match="seed is 0 there and 1 here"):
        claim(run, now)
    plain = json.loads(json.dumps({**BEFORE, "stages": None}))
    del plain["stages"]
    assert take_changed_stages(run, plain) is None
    with pytest.raises(ValueError, match="holds another run"):
        claim(run, plain)

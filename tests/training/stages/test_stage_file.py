"""The file of stages: what it may say, and mistakes in it, each told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.runs import ROOT
from training.stages.stage_file import read_stages

GOOD = (
    "{name: one, tokens: 100, sequence_length: 8, schedule: cosine, learning_rate: 3e-4, "
    "end_learning_rate: 3e-5}"
)


def test_the_example_has_the_three_stages_of_olmo() -> None:
    stages = read_stages(ROOT / "recipes" / "stages" / "olmo3.yaml")
    assert [stage.tokens for stage in stages] == [59 * 10**11, 10**11, 5 * 10**10]
    assert [stage.sequence_length for stage in stages] == [8192, 8192, 65536]
    assert [stage.schedule for stage in stages] == ["cosine", "linear", "linear"]
    assert stages[0].learning_rate == 3e-4 and stages[0].minimum_fraction == pytest.approx(0.1)
    assert [stage.minimum_fraction for stage in stages[1:]] == [0, 0]


def test_the_steps_of_decay_by_schedule(tmp_path: Path) -> None:
    path = tmp_path / "stages.yaml"
    lines = [
        GOOD,
        GOOD.replace("one", "two").replace("cosine", "wsd"),
        GOOD.replace("one", "three").replace("cosine", "wsd").replace("}", ", decay_share: 0.5}"),
        GOOD.replace("one", "four").replace("cosine", "linear"),
        GOOD.replace("one", "five")
        .replace("cosine", "constant")
        .replace(", end_learning_rate: 3e-5", ", weights: {web: 2, wiki: {de: 1, en: 0}}"),
    ]
    path.write_text("".join(f"- {line}\n" for line in lines))
    stages = read_stages(path)
    assert [stage.decay_steps(40, 10) for stage in stages] == [None, 4, 20, 30, 0]
    assert stages[-1].minimum_fraction == 1
    assert stages[-1].weights == {"web": 2, "wiki": {"de": 1, "en": 0}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a list of stages"),
        ("stages: []", "expected a list of stages"),
        ("- [", "no YAML: "),
        ("- 3", "stage 1: expected keys and values, not 3"),
        (
            f"- {GOOD}\n- {GOOD.replace('sequence_length', 'sequence_lenght')}",
            "stage 2 (one): no key 'sequence_lenght'; did you mean 'sequence_length'?",
        ),
        (f"- {GOOD}\n- {GOOD}", "several stages have the name one"),
        ("- {name: one, tokens: 5}", "sequence_length, schedule, learning_rate missing"),
        (f"- {GOOD.replace('100', '1.5')}", "tokens: expected a whole number, not 1.5"),
        (f"- {GOOD.replace('100', '0')}", "tokens 0: must be more than 0"),
        (f"- {GOOD.replace('3e-4', 'yes')}", "learning_rate: expected a number, not True"),
        (f"- {GOOD.replace('3e-4', '.nan')}", "learning_rate: expected a number"),
        (f"- {GOOD.replace('cosine', 'cosin')}", "no schedule 'cosin'; did you mean 'cosine'?"),
        (f"- {GOOD.replace('cosine', 'constant')}", "schedule constant has none"),
        (f"- {GOOD.replace(', end_learning_rate: 3e-5', '')}", "schedule cosine needs it"),
        (f"- {GOOD.replace('3e-5', '1')}", "must lie between 0 and the maximum, 0.0003"),
        (f"- {GOOD.replace('}', ', decay_share: 0.1}')}", "changes nothing without schedule wsd"),
        (
            f"- {GOOD.replace('}', ', decay_share: 2}').replace('cosine', 'wsd')}",
            "decay_share: must lie between 0 and 1",
        ),
        (f"- {GOOD.replace('}', ', warmup_steps: -1}')}", "warmup_steps -1: must not be negative"),
        (f"- {GOOD.replace('}', ', mixture: a, weights: {b: 1}}')}", "give one of them"),
        (f"- {GOOD.replace('}', ', weights: [b]}')}", "weights: expected weights of sources"),
        (f"- {GOOD.replace('}', ', weights: {b: -1}}')}", "a weight of -1: must not be negative"),
        (f"- {GOOD.replace('}', ', weights: {b: x}}')}", "weights: expected a number, not 'x'"),
        (f"- {GOOD.replace('one', '2')}", "name: expected a name, not 2"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "stages.yaml"
    path.write_text(text)
    with pytest.raises(ValueError) as error:
        read_stages(path)
    told = str(error.value)
    assert told.startswith(f"--stages {path}: ") and said in told and "\n" not in told


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not readable: No such file"):
        read_stages(tmp_path / "stages.yaml")

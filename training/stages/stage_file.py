"""The file of a run's stages: a list in YAML, of which every key and value is checked."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from training.optimiser import COSINE, DEFAULT_DECAY_SHARE, WARM_UP_STABLE_DECAY

LINEAR, CONSTANT = "linear", "constant"
STAGE_SCHEDULES = (COSINE, WARM_UP_STABLE_DECAY, LINEAR, CONSTANT)

Weights = Mapping[str, float | Mapping[str, float]]
"""Weights of sources, or of the domains of a source."""

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stage of a run, as its file has it."""

    name: str
    tokens: int  # budget; whole steps are taken of it
    sequence_length: int
    schedule: str
    learning_rate: float  # the maximum
    end_learning_rate: float | None = None  # of the last step; a constant rate has none
    warmup_steps: int | None = None
    decay_share: float | None = None  # share of the stage's steps in which wsd decays
    mixture: str | None = None  # of the corpus; None without weights: the run's
    weights: Weights | None = None

    def __post_init__(self) -> None:
        """Check what needs no data. Raises ValueError in one line."""
        for name in ("tokens", "sequence_length", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} {getattr(self, name)}: must be more than 0")
        if self.warmup_steps is not None and self.warmup_steps < 0:
            raise ValueError(f"warmup_steps {self.warmup_steps}: must not be negative")
        if self.schedule not in STAGE_SCHEDULES:
            raise ValueError(
                f"no schedule {self.schedule!r}{nearest(self.schedule, STAGE_SCHEDULES)}"
            )
        if (self.end_learning_rate is None) != (self.schedule == CONSTANT):
            raise ValueError(
                f"end_learning_rate: schedule {self.schedule} "
                f"{'has none' if self.schedule == CONSTANT else 'needs it'}"
            )
        if self.end_learning_rate is not None and not (
            0 <= self.end_learning_rate <= self.learning_rate
        ):
            raise ValueError(
                f"end_learning_rate {self.end_learning_rate}: must lie between 0 and the maximum, "
                f"{self.learning_rate}"
            )
        if self.decay_share is not None and self.schedule != WARM_UP_STABLE_DECAY:
            raise ValueError(
                f"decay_share: changes nothing without schedule {WARM_UP_STABLE_DECAY}"
            )
        if self.decay_share is not None and not 0 <= self.decay_share <= 1:
            raise ValueError("decay_share: must lie between 0 and 1")
        if self.mixture is not None and self.weights is not None:
            raise ValueError("mixture and weights: give one of them")

    @property
    def minimum_fraction(self) -> float:
        """The learning rate of the last step, as a fraction of the maximum."""
        if self.end_learning_rate is None:
            return 1.0
        return self.end_learning_rate / self.learning_rate

    def decay_steps(self, n_steps: int, warmup_steps: int) -> int | None:
        """Return the steps in which the rate falls linearly at the end; None: a cosine."""
        match self.schedule:
            case "cosine":
                return None
            case "constant":
                return 0
            case "linear":
                return n_steps - warmup_steps
        share = DEFAULT_DECAY_SHARE if self.decay_share is None else self.decay_share
        return round(share * n_steps)


def read_stages(path: str | Path) -> list[Stage]:
    """Read a file of stages. Raises ValueError, in one line, for any mistake in it."""
    try:
        entries = yaml.safe_load(Path(path).read_bytes())
    except OSError as error:
        raise ValueError(f"--stages {path}: not readable: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"--stages {path}: no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"--stages {path}: expected a list of stages")
    stages: list[Stage] = []
    for number, entry in enumerate(entries, 1):
        where = f"--stages {path}: stage {number}"
        if isinstance(entry, dict) and isinstance(entry.get("name"), str):
            where += f" ({entry['name']})"
        try:
            stages.append(_stage(entry))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    names = [stage.name for stage in stages]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"--stages {path}: several stages have the name {twice[0]}")
    return stages


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: the nearest known one, or all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"


def _stage(entry: Any) -> Stage:
    if not isinstance(entry, dict):
        raise ValueError(f"expected keys and values, not {entry!r}")
    fields = dataclasses.fields(Stage)
    for key in entry:
        if key not in PARSERS:
            raise ValueError(f"no key {key!r}{nearest(str(key), PARSERS)}")
    values = {
        key: _parsed(key, PARSERS[key], value) for key, value in entry.items() if value is not None
    }
    if missing := [
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.name not in values
    ]:
        raise ValueError(f"{', '.join(missing)} missing")
    return Stage(**values)


def _parsed(key: str, parse: Callable[[Any], T], value: Any) -> T:
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or "\n" in value:
        raise ValueError(f"expected a name, not {value!r}")
    return value


def _number(value: Any) -> float:
    # YAML 1.1 takes 3e-4 for a text, as it has no point.
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected a number, not {value!r}")
    return number


def _whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value  # may have more digits than a float
    number = _number(value)
    if not number.is_integer():
        raise ValueError(f"expected a whole number, not {value!r}")
    return int(number)


def _weights(value: Any) -> Weights:
    if not isinstance(value, dict) or not value:
        raise ValueError(f"expected weights of sources, not {value!r}")
    return {
        _text(source): _of_domains(weight) if isinstance(weight, dict) else _weight(weight)
        for source, weight in value.items()
    }


def _of_domains(value: dict[Any, Any]) -> dict[str, float]:
    return {_text(domain): _weight(weight) for domain, weight in value.items()}


def _weight(value: Any) -> float:
    weight = _number(value)
    if weight < 0:
        raise ValueError(f"a weight of {value}: must not be negative")
    return weight


PARSERS: Mapping[str, Callable[[Any], Any]] = {
    "name": _text,
    "tokens": _whole,
    "sequence_length": _whole,
    "schedule": _text,
    "learning_rate": _number,
    "end_learning_rate": _number,
    "warmup_steps": _whole,
    "decay_share": _number,
    "mixture": _text,
    "weights": _weights,
}
"""What reads the value of each key."""

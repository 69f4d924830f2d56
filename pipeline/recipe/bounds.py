"""Range checks of a recipe's numbers by the names of their parameters.

Parameters are named alike everywhere: ``min_`` and ``max_`` begin limits, a ``fraction`` is a part
of a whole, ``bytes`` and ``words`` are counts. So impossible values are found in one place, also in
the parameters of a user's own steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

_ANY_SIGN = {"score", "log", "logit", "logprob", "margin", "difference"}
"""Words in the names of parameters that may be negative."""

_SHARES = {"fraction", "share", "probability", "proportion", "overlap"}
_SIZES = {"bytes", "tokens", "files"}
_COUNTS = {*_SIZES, "chars", "words", "lines", "sentences", "documents", "records", "pages",
           "members"}  # fmt: skip


def expected_number(name: str, value: Any) -> str | None:
    """Return what a parameter's numbers should be, or None if they are right or there are none.

    NaN is always wrong. A limit or count must not be negative. A size, or an upper limit of a
    count, must be above 0. A fraction or probability must lie between 0 and 1.
    """
    numbers = list(_numbers(value))
    if any(map(math.isnan, numbers)):
        return "a number"
    words = name.split("_")
    limit, what = words[0], words[-1]
    if not numbers or _ANY_SIGN & set(words):
        return None
    if what in _SHARES:
        return None if all(0 <= number <= 1 for number in numbers) else "a number from 0 to 1"
    if limit != "min" and (what in _SIZES or (limit == "max" and what in _COUNTS)):
        return None if min(numbers) > 0 else "a number above 0"
    if limit in ("min", "max") or what in _COUNTS:
        return None if min(numbers) >= 0 else "0 or more"
    return None


def crossed_limits(values: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the names of a lower and an upper limit if the lower is above the upper."""
    for low, value in values.items():
        high = f"max_{low.removeprefix('min_')}"
        if low.startswith("min_") and high in values:
            limits = list(_numbers([value])), list(_numbers([values[high]]))
            if all(limits) and limits[0] > limits[1]:
                return low, high
    return None


def _numbers(value: Any) -> Iterator[float]:
    """Yield the numbers of a value: itself, those in a list, or those in a mapping or its lists."""
    items = list(value.values()) if isinstance(value, Mapping) else [value]
    for item in items:
        for number in item if isinstance(item, (list, tuple)) else [item]:
            if isinstance(number, (int, float)) and not isinstance(number, bool):
                yield number

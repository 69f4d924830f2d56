"""Crafted files: time and memory are bounded, and every promise is kept."""

from __future__ import annotations

import pytest

from tests.hostile.crafted import Crafted, crafted
from tests.hostile.harness import Harness
from tests.hostile.worker import Allowance

pytestmark = pytest.mark.slow

SIZE = 200_000
"""Approximate size of a file, in bytes. A quadratic step is noticed at this size."""

LONG_LINE_BYTES, EMPTY_LINES = 100_000_000, 10_000_000


@pytest.fixture(scope="module")
def harness():
    with Harness() as made:
        yield made


@pytest.mark.parametrize("made", crafted(), ids=lambda made: f"{made.reader}: {made.label}")
def test_a_crafted_file_keeps_every_promise(harness: Harness, made: Crafted):
    outcome = harness.run(made.reader, made.name, made.make(SIZE), small=False)
    assert outcome.error is None, outcome.error


@pytest.mark.parametrize(
    ("made", "size"),
    [
        (made, LONG_LINE_BYTES if made.label == "one line" else EMPTY_LINES)
        for made in crafted()
        if made.label in ("one line", "empty lines")
    ],
    ids=lambda value: f"{value.reader}: {value.label}" if isinstance(value, Crafted) else "",
)
def test_a_line_of_100_megabytes_and_ten_million_empty_ones(
    harness: Harness, made: Crafted, size: int
):
    limit = Allowance(seconds=10.0, memory_bytes=500_000_000)
    outcome = harness.run(made.reader, made.name, made.make(size), small=False, limit=limit)
    assert outcome.error is None, outcome.error

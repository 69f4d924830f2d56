"""What grows with its input passes, what grows with the square of it does not."""

from __future__ import annotations

import pytest

from tests.support.growth import assert_linear


def test_linear_work_passes() -> None:
    assert_linear(lambda size: sum(range(size)), 100_000)


def test_work_that_grows_with_the_square_does_not() -> None:
    with pytest.raises(AssertionError, match="times the time for 8 times the size"):
        assert_linear(lambda size: sum(range(size * size)), 500)

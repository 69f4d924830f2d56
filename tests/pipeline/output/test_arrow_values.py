from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.output.arrow_values import added_up

ROWS = pa.table(
    {
        "step": ["write", "read", "write", "read", "read"],
        "reason": ["train", None, "train", "empty", None],
        "documents": [1, 2, 3, 4, 1 << 60],
        "characters": [-1, 0, 5, 0, 7],
    }
)


def test_columns_are_added_up_in_the_order_of_the_first_rows():
    assert added_up(ROWS, ["step", "reason"], ["documents", "characters"]) == [
        {"step": "write", "reason": "train", "documents": 4, "characters": 4},
        {"step": "read", "reason": None, "documents": (1 << 60) + 2, "characters": 7},
        {"step": "read", "reason": "empty", "documents": 4, "characters": 0},
    ]


def test_rows_lie_in_several_pieces_or_none():
    pieces = pa.concat_tables([ROWS.slice(1, 2), ROWS.slice(0, 0), ROWS.slice(3)])
    assert added_up(pieces, ["step"], ["documents"]) == [
        {"step": "read", "documents": 6 + (1 << 60)},
        {"step": "write", "documents": 3},
    ]
    assert added_up(ROWS.slice(0, 0), ["step"], ["documents"]) == []


def test_what_is_no_number_is_an_error():
    with pytest.raises(ValueError, match="as a scalar of type int64"):
        added_up(ROWS, ["step"], ["reason"])

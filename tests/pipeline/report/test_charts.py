"""Charts of the report, as the places and sizes that are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.report import charts
from pipeline.report.distributions import (
    KEPT,
    LENGTH_EDGES,
    OF_LANGUAGE,
    OTHERWISE,
    PERPLEXITY_EDGES,
    SCORE_EDGES,
    Histogram,
)
from pipeline.report.marks import Columns


def histogram(edges, values):
    made = Histogram(edges)
    made.add(np.array(values, float))
    return made


def test_the_overview_has_all_text_of_every_source_and_steps_by_what_they_took():
    many = {f"step_{i}": 10 - i for i in range(9)}
    sources = [
        {"name": "<a>", "characters": 45, "gone": many},
        {"name": "b", "characters": 0, "gone": {"step_8": 99}},
        {"name": "c", "characters": 0, "gone": {}},
    ]
    chart = charts.overview(sources)
    assert [row.label for row in chart.rows] == ["all sources", "<a>", "b", "c"]
    for row in chart.rows[:3]:
        assert sum(part.share for part in row.bars[0].parts) == pytest.approx(1)
    assert [row.bars[0].text for row in chart.rows] == [
        "22.7% of 198", "45.5% of 99", "0.0% of 99", "nothing"
    ]  # fmt: skip
    names = [name for name, _ in chart.legend]
    assert names[:3] == ["kept", "step_8", "step_0"] and names[-1] == "other steps"
    assert len(names) == 2 + len(charts.STEP_COLOURS)
    colours = dict(chart.legend)
    (only,) = chart.rows[2].bars[0].parts
    assert only.colour == colours["step_8"] and only.title == "step_8: 99 characters, 100.0%"


def test_a_heat_map_is_strongest_where_most_documents_are():
    chart = charts.lengths({"a": histogram(LENGTH_EDGES, [10, 1000, 1000, 1000]),
                            "none": histogram(LENGTH_EDGES, [])})  # fmt: skip
    ((name, cells),) = chart.rows
    assert name == "a" and chart.most == 0.75
    few, most = cells
    assert most.strength == 1 and few.strength == pytest.approx(0.08 + 0.92 / 3)
    assert few.left == 0 and most.left + most.width == pytest.approx(1)
    assert most.title == "a, 1,000 to 1,585 characters: 75.0%"
    assert charts.lengths({}).rows == []


def test_columns_stand_on_each_other_and_limits_are_where_they_belong():
    scores = {
        KEPT: histogram(SCORE_EDGES, [0.95, 0.95]),
        OF_LANGUAGE: histogram(SCORE_EDGES, [0.31]),
        OTHERWISE: histogram(SCORE_EDGES, [0.95]),
    }
    chart = charts.scores(scores, 0.5)
    kept, of_language, otherwise = chart.rectangles
    assert chart.most == 3 and chart.limits == [0.5]
    assert (kept.bottom, kept.height) == (0, pytest.approx(2 / 3))
    assert otherwise.left == kept.left and otherwise.bottom == pytest.approx(2 / 3)
    assert of_language.left == pytest.approx(0.3) and of_language.height == pytest.approx(1 / 3)
    assert of_language.colour == "dropped" and kept.colour == "kept"


def test_cut_offs_outside_of_what_is_shown_are_left_out():
    shown = {"head": histogram(PERPLEXITY_EDGES, [100, 400])}
    chart = charts.perplexities(shown, {"en": [200.0, 5000.0]})
    (limit,) = chart.limits
    assert isinstance(chart, Columns) and 0 < limit < 1
    places = [at for at, _ in chart.axis.ticks]
    assert places == sorted(places) and 0 < len(places) <= charts.MAX_TICKS


def test_first_uses_stand_apart_from_the_times_of_steps():
    def row(step, seconds, first):
        return {"step": step, "processor_seconds": seconds, "first_processor_seconds": first}

    steps = [row("read", 2.0, 0.5), row("mine", 3.0, 1.0), {"step": "old", "processor_seconds": 1}]
    chart = charts.times([{"name": "a", "steps": steps}])
    (bar,) = chart.rows[0].bars
    assert [part.title for part in bar.parts] == [
        "a, first use: 1.50 s", "a, read: 1.50 s", "a, steps of the recipe: 3.00 s"
    ]  # fmt: skip
    assert bar.text == "6 s" and sum(part.share for part in bar.parts) == pytest.approx(1)

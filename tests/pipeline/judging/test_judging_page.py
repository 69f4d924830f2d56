"""The page of a comparison: its figures, its names, and what it loads."""

from __future__ import annotations

import json
import re

import numpy as np

from pipeline.judging.certainty import LEVEL, Scores, certainty
from pipeline.judging.page import render
from pipeline.judging.scorers import NGRAMS_MEANING

NAMES = ["a<b>&", "other"]


def judgement() -> dict:
    bits = 200 + np.arange(2 * 3 * 12, dtype=float).reshape(2, 3, 12)
    scores = {"wi<ki": Scores(bits, np.full(12, 100.0))}
    text = {"name": "wi<ki", "documents": 12, "passages": 13, "bytes": 1200,
            "removed_passages": 7, "intervals_over": "documents"}  # fmt: skip
    return {
        "meaning": NGRAMS_MEANING, "draws": 3, "tokens": 12345, "level": LEVEL, "n_gram_words": 13,
        "held_out": [text], "results": certainty(NAMES, [0.5, 0.5], scores, 0),
    }  # fmt: skip


def test_the_page_has_the_figures_and_says_what_they_are():
    told = judgement()
    page = render(told, ["One & two."])
    assert NGRAMS_MEANING in page and "12,345 tokens" in page and "One &amp; two." in page
    assert "wi&lt;ki" in page and "<td>7</td>" in page
    plots = re.findall(r"Plotly\.newPlot\(\s*\"[^\"]+\",\s*(\[.*?\]),\s*\{", page, re.DOTALL)
    assert len(plots) == 2  # of the text, and of the mean
    trace = json.loads(plots[0])[0]
    figures = told["results"]["wi<ki"]["figures"]
    assert trace["y"] == ["a&lt;b&gt;&amp;", "other"]
    assert trace["x"] == [figures[name]["bits_per_byte"] for name in NAMES]
    for name, x, more, less in zip(
        NAMES, trace["x"], trace["error_x"]["array"], trace["error_x"]["arrayminus"], strict=True
    ):
        assert (round(x - less, 9), round(x + more, 9)) == (
            round(figures[name]["low"], 9), round(figures[name]["high"], 9),
        )  # fmt: skip


def test_the_page_loads_nothing_and_holds_the_library_once():
    page = render(judgement(), [])
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page)
    assert page.count("plotly.js v") == 1

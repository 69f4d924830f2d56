"""A recipe's text: variables where YAML has braces of its own, merges, keys given twice."""

from __future__ import annotations

import pytest

from pipeline.errors import RecipeError
from pipeline.recipe.parse import parse_recipe


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: [${data}/a.txt, x]", {"a": ["${data}/a.txt", "x"]}),
        ("a: {b: ${data}/a, c: [${x}]}", {"a": {"b": "${data}/a", "c": ["${x}"]}}),
        ("a: ${data}", {"a": "${data}"}),
        ("a: '${data}'  # ${data}", {"a": "${data}"}),
        ('a: "${data}/\\u00e9"', {"a": "${data}/é"}),
        ("${a}: 1", {"${a}": 1}),
        ("a: |\n  ${b}\n  {c}", {"a": "${b}\n{c}"}),
    ],
)
def test_variables(text: str, value: object) -> None:
    assert parse_recipe(text) == value


def test_merges() -> None:
    text = "base: &base {a: 1, b: 2}\nother: {<<: *base, b: 3}\nmore: {<<: [*base], c: 4}"
    found = parse_recipe(text)
    assert found["other"] == {"a": 1, "b": 3} and found["more"] == {"a": 1, "b": 2, "c": 4}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [${data}/x", r"not YAML: .*\$\{data\}/x"),
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' is given twice"),
        ("a: {<<: 3}", "not YAML: .*merging"),
        ("a: !!python/object:os.system {}", "not YAML: .*constructor"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_recipe(text)

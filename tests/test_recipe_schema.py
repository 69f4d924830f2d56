"""docs/recipe.schema.json: up to date, every recipe here is valid by it, and mistakes are not."""

from __future__ import annotations

import copy
import json
import runpy
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pipeline.recipe.parse import parse_recipe
from tests.support.runs import ROOT

RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
VALIDATOR = Draft202012Validator(json.loads((ROOT / "docs" / "recipe.schema.json").read_text()))


def test_the_schema_is_up_to_date() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "recipe_schema.py"))
    written = (ROOT / "docs" / "recipe.schema.json").read_text(encoding="utf-8")
    assert written == script["text"](), "run: python scripts/recipe_schema.py"
    Draft202012Validator.check_schema(script["schema"]())


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_are_valid_and_name_the_schema(path: Any) -> None:
    text = path.read_text()
    assert [error.message for error in VALIDATOR.iter_errors(parse_recipe(text))] == []
    assert text.startswith("# yaml-language-server: $schema=../docs/recipe.schema.json\n")


@pytest.mark.parametrize(
    ("change", "is_valid"),
    [
        ({"token_budgets": 5}, False),
        ({"token_budget": "many"}, False),
        ({"token_budget": "${budget}"}, True),
        ({"shards": {"target_shard_tokens": 5}}, False),
        ({"reading": None}, False),
        (
            {"deduplications": [{"deduplicate_documents": {"sources": "all", "keep": "first"}}]},
            True,
        ),
        ({"deduplications": [{"deduplicate_documents": {"keep": "first"}}]}, False),
    ],
)
def test_mistakes_at_the_top(change: dict[str, Any], is_valid: bool) -> None:
    recipe = parse_recipe((ROOT / "recipes" / "demo.yaml").read_text()) | change
    assert VALIDATOR.is_valid(recipe) is is_valid


@pytest.mark.parametrize(
    ("steps", "is_valid"),
    [
        ([], True),
        (["drop_short"], False),  # its parameters are required
        ([{"drop_short": {"min_chars": 3}}], True),
        ([{"drop_short": {"min_chars": "3"}}], False),
        ([{"drop_short": {"min_char": 3}}], False),
        ([{"drop_shorts": {"min_chars": 3}}], False),
        (["my_package.steps.drop", {"my_package.steps.cut": {"anything": 1}}], True),
        ("drop_short", False),
    ],
)
def test_mistakes_in_steps(steps: Any, is_valid: bool) -> None:
    recipe = parse_recipe((ROOT / "recipes" / "demo.yaml").read_text())
    recipe = copy.deepcopy(recipe)
    recipe["sources"]["c4"]["steps"] = steps
    assert VALIDATOR.is_valid(recipe) is is_valid

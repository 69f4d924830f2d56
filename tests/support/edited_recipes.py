"""The demo's recipe with changes that a user might make."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pipeline.errors import RecipeError
from pipeline.recipe.from_yaml import load_recipe
from tests.support.runs import ROOT

DEMO = str(ROOT / "recipes" / "demo.yaml")


def edited(tmp_path: Path, change) -> str:
    raw = yaml.safe_load(Path(DEMO).read_text())
    raw["variables"] = {
        "data": str(ROOT / "samples" / "data"),
        "models": str(ROOT / "samples" / "models"),
    }
    change(raw)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return str(path)


def refused(tmp_path: Path, change, *expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(edited(tmp_path, change))
    message = str(caught.value)
    assert "\n" not in message
    for part in ("recipe.yaml", *expected):
        assert part in message

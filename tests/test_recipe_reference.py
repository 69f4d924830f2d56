"""docs/recipe_reference.md is what its script writes of the code as it is."""

from __future__ import annotations

import runpy

from tests.support.runs import ROOT


def test_the_page_is_up_to_date():
    script = runpy.run_path(str(ROOT / "scripts" / "recipe_reference.py"))
    written = (ROOT / "docs" / "recipe_reference.md").read_text(encoding="utf-8")
    assert written == script["page"](), "run: python scripts/recipe_reference.py"

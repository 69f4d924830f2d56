"""docs/recipe_reference.md, which must equal the page that its script writes from the code."""

from __future__ import annotations

import runpy

from tests.support.runs import ROOT


def test_the_page_is_up_to_date():
    script = runpy.run_path(str(ROOT / "scripts" / "recipe_reference.py"))
    written = (ROOT / "docs" / "recipe_reference.md").read_text(encoding="utf-8")
    assert written == script["page"](), "run: python scripts/recipe_reference.py"

"""What the demo's recipe does with each format, from which recipes for one's own files begin."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from pipeline.files.bundled import bundled
from pipeline.recipe.parse import parse_recipe
from pipeline.starting.columns import Columns

WITH_COLUMNS = ("json_lines", "huggingface")
"""Readers that are told which column is the text."""

WITH_LANGUAGES = (*WITH_COLUMNS, "wet", "warc")
"""Readers of documents that are kept by their language."""

_ALIKE = {"huggingface": "json_lines", "repositories": "bigquery_github"}
"""Readers that the demo does not use, with those whose sources stand for theirs."""


@functools.cache
def demo() -> Any:
    """Return the plain values of the demo's recipe, its variables not filled in."""
    return parse_recipe(Path(bundled("recipes/demo.yaml")).read_text())


def demo_source(reader: str) -> dict[str, Any]:
    """Return the demo's source of a reader, or the one whose format is the most alike."""
    wanted = _ALIKE.get(reader, reader)
    entries: list[dict[str, Any]] = list(demo()["sources"].values())
    return next(entry for entry in entries if wanted in (entry["reader"], *entry["reader"]))


def reader_parameters(reader: str, columns: Columns | None) -> dict[str, Any]:
    """Return a reader's parameters: by the columns of the records, or else those of the demo."""
    if columns is None:
        given = demo_source(reader)["reader"]
        return dict(given[reader]) if isinstance(given, dict) and reader in given else {}
    kind = "field" if reader == "json_lines" else "column"
    return {
        f"text_{kind}": columns.text,
        f"url_{kind}": columns.url,
        f"metadata_{kind}s": list(columns.metadata),
    }


def steps_of(reader: str, languages: list[str]) -> list[Any]:
    """Return steps to begin with: the demo's, or for records with columns those of web pages.

    Documents in ``languages`` stay, in all where there are none. Perplexity is left out, which
    needs models of the languages and cutoffs of the pages.
    """
    pages = {next(iter(step)): step for step in demo_source("wet")["steps"]}
    identify = {**pages["identify_language"]["identify_language"], "languages": languages}
    if reader in WITH_COLUMNS:
        whole = demo_source(reader)["steps"]
        return [pages["drop_short"], {"identify_language": identify}, *whole]
    if reader in WITH_LANGUAGES:
        lines = [pages["drop_short"], pages["deduplicate_lines"]]
        return [*lines, {"identify_language": identify}]
    return list(demo_source(reader)["steps"])

"""Templates of what people read about a run: the report, its data card, the browser's pages."""

from __future__ import annotations

from pathlib import Path

import jinja2

from pipeline.tables import cell


def load_templates(folder: Path, *, is_html: bool) -> jinja2.Environment:
    """Return the templates of a folder; in HTML, what documents hold is escaped.

    A name that a template asks for and nobody gave is an error. ``cell`` writes a value as tables
    show it.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=is_html,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not is_html,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["cell"] = cell
    return environment

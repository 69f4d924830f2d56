"""The text of one article."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from transforms.documents import documents, with_column
from transforms.wikipedia.wikitext import clean_wikitext


def wikitext_to_text(
    wikitext: str, language: str | None, text_templates: Mapping[str, Sequence[int]]
) -> str:
    """Return the text that the step makes of an article's wikitext."""
    batch = with_column(
        documents(["article"], [wikitext]), "language", pa.array([language], "string")
    )
    cleaned = clean_wikitext(batch, drop_disambiguation=False, text_templates=text_templates)
    return str(cleaned["text"][0])

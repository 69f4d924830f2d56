"""Decisions of datatrove's filters by rule, as FineWeb uses them, on the main text of WARC's pages.

    python datatrove_rules.py FOLDER OUTPUT

The peers' Python runs it. OUTPUT gets a line of JSON a page: the text that datatrove extracts, and
for each filter whether it keeps the page.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.readers import WarcReader

FILTERS: dict[str, BaseFilter] = {
    "filter_gopher_repetition": GopherRepetitionFilter(),
    "filter_gopher_quality": GopherQualityFilter(),
    "apply_c4_rules": C4QualityFilter(filter_no_terminal_punct=False),
    "apply_fineweb_rules": FineWebQualityFilter(),
}


def keeps(one: BaseFilter, text: str) -> bool:
    """Tell whether a filter keeps a text; what it fails on (a text without a word) it drops."""
    try:
        return one.filter(Document(text=text, id="")) is True
    except (ZeroDivisionError, ValueError):
        return False


def main(folder: str, output: str) -> None:
    """Write the decisions."""
    extractor = Trafilatura(favour_precision=True)
    with Path(output).open("w") as out:
        for page in WarcReader(folder, glob_pattern="*.warc.gz").run():
            text = extractor.extract(page.text)
            if text:
                kept = {name: keeps(one, text) for name, one in FILTERS.items()}
                print(json.dumps({"text": text, "kept": kept}), file=out)


if __name__ == "__main__":
    main(*sys.argv[1:])

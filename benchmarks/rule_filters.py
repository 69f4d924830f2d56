"""Speed of the filters by rule, compared with plain Python filters, a document at a time.

    python benchmarks/rule_filters.py [--data ../shared/data] [--json]

The input is the text of all WET pages. All runs on one core. Kernels are compiled and evaluation
sets are read before the clock starts. The plain filters are those of the tests, and both sides make
the same decisions.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import pyarrow as pa

from benchmarks.measuring import best_seconds, wet_texts
from tests.support.plain import decontaminate as plain_decontaminate
from tests.support.plain import gopher as plain_gopher
from tests.support.plain import personal_data as plain_personal_data
from tests.support.plain import rules as plain_rules
from transforms.decontamination.decontaminate import decontaminate
from transforms.decontamination.evaluation_sets import read_items
from transforms.documents import documents
from transforms.privacy.personal_data import scrub_personal_data
from transforms.web.c4_rules import apply_c4_rules
from transforms.web.fineweb_rules import apply_fineweb_rules
from transforms.web.gopher_quality import filter_gopher_quality
from transforms.web.gopher_repetition import filter_gopher_repetition

C4: dict[str, Any] = {
    "max_page_chars": 190_000, "max_word_chars": 1_000, "strip_citations": True,
    "line_end_marks": [".", "?", "!", '"'], "refused_line_ends": ["..."], "min_line_words": 5,
    "drop_lorem_ipsum": True, "drop_javascript_lines": True, "drop_curly_brackets": True,
    "policy_phrases": ["terms of use", "privacy policy", "cookie policy", "uses cookies",
                       "use of cookies", "use cookies"],
    "bad_words": None, "min_sentences": 3,
}  # fmt: skip
FINEWEB: dict[str, Any] = {
    "line_end_marks": [".", "'", '"', "!", "?"], "min_marked_line_fraction": 0.12,
    "short_line_chars": 30, "max_short_line_fraction": 0.67, "max_duplicate_char_fraction": 0.01,
    "max_newlines_per_word": 0.3,
}  # fmt: skip
PAGES_A_BATCH = 400


class Filter(NamedTuple):
    """A step and the plain function that it is compared with."""

    name: str
    step: Callable[..., pa.RecordBatch]
    parameters: dict[str, Any]
    plain: Callable[..., str | None]  # from a text and the same parameters to the reason


def gopher_filters() -> list[Filter]:
    """Return Gopher's rules with the thresholds of the paper."""
    quality, repetition = plain_gopher.quality_reason, plain_gopher.repetition_reason
    return [
        Filter("Gopher, quality", filter_gopher_quality, plain_gopher.QUALITY, quality),
        Filter("Gopher, repetition", filter_gopher_repetition, plain_gopher.REPETITION, repetition),
    ]


def web_filters() -> list[Filter]:
    """Return C4's and FineWeb's rules and the scrubbing of personal data."""
    c4 = plain_rules.C4Rules(**{**C4, "bad_words": ()})
    fineweb = plain_rules.FineWebRules(**FINEWEB)
    kinds = {"email": ["a@example.com"], "ip": ["192.0.2.1"], "phone": ["555-0100"]}
    parameters = {f"{kind}_placeholders": names for kind, names in kinds.items()}

    def plain_scrub(text: str, **_: Any) -> None:
        plain_personal_data.scrub(text, kinds)

    return [
        Filter("C4", apply_c4_rules, C4, lambda text, **_: plain_rules.c4(text, c4).reason),
        Filter("FineWeb", apply_fineweb_rules, FINEWEB,
               lambda text, **_: plain_rules.fineweb(text, fineweb).reason),
        Filter("personal data", scrub_personal_data, parameters, plain_scrub),
    ]  # fmt: skip


def decontamination(data: Path, folder: Path) -> Filter:
    """Return decontamination against the documents of C4's samples."""
    path = folder / "items.jsonl"
    path.write_bytes((data / "c4" / "c4_demo.jsonl").read_bytes())
    parameters = {
        "evaluation_sets": [str(path)],
        "fields": ["text"],
        "n_gram_words": 13,
        "min_item_words": 8,
    }
    return Filter("decontamination", decontaminate, parameters, _plain_decontaminate)


@cache
def _plain_n_grams(file: str, n: int, least: int) -> tuple[plain_decontaminate.NGrams, set[int]]:
    items = [item.text for item in read_items(file, ("text",))]
    grams = plain_decontaminate.n_grams_of_items(items, n, least)
    return grams, {len(gram) for gram in grams}


def _plain_decontaminate(
    text: str,
    *,
    evaluation_sets: list[str],
    fields: list[str],
    n_gram_words: int,
    min_item_words: int,
) -> str | None:
    grams = _plain_n_grams(evaluation_sets[0], n_gram_words, min_item_words)
    return "contaminated" if plain_decontaminate.is_contaminated(text, *grams) else None


def measure(data: Path, filters: list[Filter]) -> list[list[Any]]:
    """Return a row a filter: name, MB/s of the plain function, MB/s of the step, ratio."""
    texts = wet_texts(data)
    mb = sum(len(text.encode()) for text in texts) / 1e6
    batches = [
        documents([str(i) for i in range(len(some))], some)
        for first in range(0, len(texts), PAGES_A_BATCH)
        if (some := texts[first : first + PAGES_A_BATCH])
    ]
    rows = []
    for name, step, parameters, plain in filters:

        def ours(step: Any = step, parameters: Any = parameters) -> list[str | None]:
            made = [step(batch, **parameters) for batch in batches]
            return [reason for batch in made for reason in batch["dropped_by"].to_pylist()]

        def theirs(plain: Any = plain, parameters: Any = parameters) -> list[str | None]:
            return [plain(text, **parameters) for text in texts]

        plain("", **parameters)  # reads the files that it needs
        assert ours() == theirs(), f"{name}: not the same decisions"
        plain_seconds, seconds = best_seconds(theirs, 1), best_seconds(ours)
        rows.append([name, mb / plain_seconds, mb / seconds, plain_seconds / seconds])
    return rows


def together(rows: list[list[Any]]) -> list[Any]:
    """Return the row of several filters that run one after another."""
    plain = 1 / sum(1 / row[1] for row in rows)
    ours = 1 / sum(1 / row[2] for row in rows)
    return [" + ".join(row[0] for row in rows), plain, ours, ours / plain]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        web = web_filters()
        filters = [*gopher_filters(), *web, decontamination(options.data, Path(folder))]
        rows = measure(options.data, filters)
    rows.append(together(rows[:3]))
    if options.json:
        columns = ["filter", "plain_mb_per_s", "mb_per_s", "ratio"]
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], indent=1))
        return
    print(f"{'one core':<40}{'plain MB/s':>12}{'MB/s':>10}{'ratio':>8}")
    for name, theirs, ours, ratio in rows:
        print(f"{name:<40}{theirs:>12.2f}{ours:>10.1f}{ratio:>8.1f}")


if __name__ == "__main__":
    main()

"""Holes in sentences: templates of running text that are dropped, by language.

    python benchmarks/wikipedia/wikitext_holes.py DUMP... [--names 20]

A template is in a sentence if it stands on a line of text with other words beside it. It makes a
hole if a reader of the page would see text there and a reader of the document sees none. Marks that
readers do not miss, which the tables say show nothing, are left out. "Before" are the six templates
that recipes named when there were no tables, "after" are the tables. ``--names`` lists the most
frequent names that make holes.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pipeline.readers.wikipedia import read_wikipedia
from transforms.wikipedia.names import FILE_NAMES
from transforms.wikipedia.templates import shown_by_template

NAMED_BEFORE = frozenset(("lang", "langue", "nowrap", "nobr", "convert", "cvt"))

_UNSEEN = re.compile(r"<ref\b[^<>]*/>|<ref\b.*?</ref>|<!--.*?-->|<math\b.*?</math>", re.DOTALL)
_TEMPLATE = re.compile(r"\{\{([^{}|]*)((?:\|[^{}]*)?)\}\}")
_WORDS = re.compile(r"[^\W\d_]{2,}")


def templates_in_sentences(wikitext: str) -> list[tuple[str, str]]:
    """Return name and whole content of the templates that stand in sentences."""
    found = []
    depth = 0
    for line in _UNSEEN.sub("", wikitext).split("\n"):
        outside = depth == 0
        depth = max(0, depth + line.count("{{") - line.count("}}"))
        if not outside or not line or line[0] in "|{!=*#:;" or line.startswith("[["):
            continue
        rest = _TEMPLATE.sub("", line)
        if len(_WORDS.findall(rest)) >= 3:
            found += [(call[1].strip(), call[1] + call[2]) for call in _TEMPLATE.finditer(line)]
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("dumps", nargs="+")
    options.add_argument("--names", type=int, default=0)
    arguments = options.parse_args()
    seen: Counter[str] = Counter()
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    holes: dict[str, Counter[str]] = defaultdict(Counter)
    for path in map(Path, arguments.dumps):
        name = path.name if re.match("[a-z]{2}wiki-", path.name) else f"enwiki-{path.name}"
        with path.open("rb") as stream:
            batches = read_wikipedia(
                stream,
                name,
                start=0,
                end=None,
                batch_bytes=1 << 24,
                max_record_bytes=1 << 26,
                languages=list(FILE_NAMES),
            )
            rows = [row for batch in batches for row in batch.to_pylist()]
        for row in rows:
            if row["dropped_by"]:
                continue
            language = row["language"]
            for template, content in templates_in_sentences(row["text"]):
                head = content.partition("|")[0]
                value = shown_by_template(head, [content], 0, language=language, shown={})
                if value == "":
                    continue
                seen[language] += 1
                before[language] += template.lower().replace("_", " ") not in NAMED_BEFORE
                if value is None:
                    after[language] += 1
                    holes[language][template.lower()] += 1
    print("| language | templates | holes before, per 1,000 | after, per 1,000 |")
    print("| --- | --- | --- | --- |")
    for language in [*sorted(seen), "all"]:
        counts = [
            sum(count.values()) if language == "all" else count[language]
            for count in (seen, before, after)
        ]
        print(
            f"| {language} | {counts[0]} | {1000 * counts[1] / counts[0]:.0f}"
            f" | {1000 * counts[2] / counts[0]:.0f} |"
        )
    for language, names in holes.items():
        for template, count in names.most_common(arguments.names):
            print(f"{language} {count} {template}")


if __name__ == "__main__":
    main()

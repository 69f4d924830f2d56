"""CommonCrawl, and a C4 that is made of its pages, with what deduplication across them should keep.

What it should keep is worked out in plain Python, over all pairs of documents.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import yaml

from pipeline.output.ledger import Tally
from pipeline.passes.plan import make_plan
from pipeline.passes.process import process_split
from pipeline.recipe.recipe import Recipe, recipe_of_source
from tests.support.plain.near import plain_overlap
from tests.support.runs import ROOT
from transforms.dedup.shingles import distinct_shingles
from transforms.kernels.lines import paragraph_keys

MIN_OVERLAP = 0.7
SHINGLE_WORDS = 3
N_PAGES = 150

NEAR = {
    "min_overlap": MIN_OVERLAP, "shingle_words": SHINGLE_WORDS, "bands": 40, "rows": 3,
    "prefer": "longest", "max_neighbours": 200, "max_partners": 200,
}  # fmt: skip


class Document(NamedTuple):
    """A document as it is read."""

    id: str
    text: str


def write_recipe(folder: Path, deduplications: list[Any]) -> str:
    """Write a recipe of CommonCrawl's bundled pages and of a C4 made of them; return its path."""
    demo = yaml.safe_load((ROOT / "recipes" / "demo.yaml").read_text())
    demo["variables"] = {
        "data": str(ROOT / "samples" / "data"),
        "models": str(ROOT / "samples" / "models"),
    }
    short = {"drop_short": {"min_chars": 300}}
    sources = {
        "commoncrawl": {
            **demo["sources"]["commoncrawl"],
            "proportion": 0.5,
            "steps": [short],
            "input": ["${data}/commoncrawl/wet/*-0000[01].warc.wet.gz"],
        },
        "c4": {**demo["sources"]["c4"], "proportion": 0.5, "steps": []},
    }
    demo["sources"] = sources
    demo["reading"] |= {"batch_bytes": 20_000, "split_bytes": 60_000}
    data = folder / "c4"
    data.mkdir(parents=True)
    sources["c4"]["input"] = [f"{data}/*.json"]
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({**demo, "deduplications": deduplications}))
    pages = documents_of(yaml_mapping(recipe), "commoncrawl")[:N_PAGES]
    write_c4(data, [page.text for page in pages])
    return str(recipe)


def yaml_mapping(recipe: Path) -> dict[str, Any]:
    """Return a recipe's plain values, without its variables."""
    text = recipe.read_text()
    variables = yaml.safe_load(text)["variables"]
    for name, value in variables.items():
        text = text.replace(f"${{{name}}}", value)
    mapping = yaml.safe_load(text)
    del mapping["variables"]
    return mapping


def write_c4(folder: Path, texts: list[str]) -> None:
    """Write files of pages as they are, with some words changed, cut short, twice, and others."""
    rows = []
    for i, text in enumerate(texts):
        if i % 5 == 0:
            rows.append(text)
        if i % 5 == 1:
            rows.append(text.replace(" the ", " these ", 2) + " changed")
        if i % 10 == 2:
            rows += [text[: len(text) // 2], text[: len(text) // 2]]
        if i % 5 == 3:
            rows.append(f"{text.splitlines()[0]}\na page of its own, number {i}")
    for number in range(3):
        lines = [json.dumps({"text": text, "url": "https://a.org"}) for text in rows[number::3]]
        (folder / f"c4-train.{number:05d}-of-00003.json").write_text("\n".join(lines) + "\n")


def documents_of(mapping: dict[str, Any], source: str) -> list[Document]:
    """Return the documents of a source after its own steps, in the order of the input."""
    recipe: Recipe = recipe_of_source(mapping, source, mapping["sources"][source]["steps"])
    made = []
    for split in make_plan(recipe).splits:
        for batch in process_split(split, recipe, "", Tally(), until=len(recipe.sources[0].steps)):
            made += map(Document, batch["id"].to_pylist(), batch["text"].to_pylist())
    return made


def without_copies(sources: list[list[Document]]) -> tuple[list[list[Document]], dict[str, str]]:
    """Keep the first of equal texts; return the sources, and of each that goes what it equals."""
    seen: dict[str, str] = {}
    fell = {}
    left: list[list[Document]] = []
    for documents in sources:
        left.append([])
        for one in documents:
            if one.text in seen:
                fell[one.id] = seen[one.text]
            else:
                seen[one.text] = one.id
                left[-1].append(one)
    return left, fell


def without_near(sources: list[list[Document]]) -> tuple[list[list[Document]], dict[str, set[str]]]:
    """Take out each document with a preferred one like it; return these as well, by its id."""
    ranked = [
        ((rank, -len(one.text), number), one.id, shingles(one.text))
        for rank, documents in enumerate(sources)
        for number, one in enumerate(documents)
    ]
    ranked.sort(key=lambda item: item[0])
    fell: dict[str, set[str]] = {}
    for i, (_, identifier, mine) in enumerate(ranked):
        likes = {
            other
            for _, other, its in ranked[:i]
            if min(len(mine), len(its)) > MIN_OVERLAP * max(len(mine), len(its))
            and plain_overlap(mine, its) > MIN_OVERLAP
        }
        if likes:
            fell[identifier] = likes
    return [[one for one in documents if one.id not in fell] for documents in sources], fell


def shingles(text: str) -> set[int]:
    """Return the shingles of a text."""
    column = pa.array([text], pa.string())
    return set(distinct_shingles(column, shingle_words=SHINGLE_WORDS).hashes.tolist())


def lines_left(sources: list[list[Document]]) -> list[dict[str, str]]:
    """Keep the first of lines with equal keys; return what is left of each document's text."""
    seen: set[int] = set()
    left: list[dict[str, str]] = []
    for documents in sources:
        left.append({})
        for one in documents:
            keys, _ = paragraph_keys(pa.array([one.text], pa.string()))
            kept = []
            for key, line in zip(keys.tolist(), one.text.split("\n"), strict=True):
                if key not in seen:
                    kept.append(line)
                seen.add(key)
            if kept:
                left[-1][one.id] = "\n".join(kept)
    return left

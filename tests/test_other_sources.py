"""Runs over real files of code, Wikipedia, books, ArXiv and StackExchange."""

from __future__ import annotations

import bz2
import json
import re
import unicodedata
from itertools import combinations
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from sentencepiece import SentencePieceProcessor

from pipeline.inspection.explain import explain
from pipeline.inspection.verify import verify
from pipeline.output.layout import read_plan
from pipeline.output.ledger import Tally
from pipeline.passes.process import process_split
from pipeline.recipe.recipe import recipe_from_mapping
from tests.support.runs import OTHER_SOURCES, ROOT, digests, run_demo, run_samples
from tokenizer.shards import ShardReader

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tokenizer(shared_models):
    return SentencePieceProcessor(model_file=str(shared_models / "mistral-tokenizer.model.v1"))


def kept(output: Path, source: str) -> dict[str, dict]:
    rows = {}
    for path in sorted((output / "shards" / source).glob("*.docs.parquet")):
        for number, row in enumerate(pq.read_table(path).to_pylist()):
            metadata = json.loads(row["metadata"] or "{}")
            rows[row["id"]] = {**row, "metadata": metadata, "at": (path, number)}
    return rows


def text_of(row: dict, tokenizer) -> str:
    path, number = row["at"]
    ids = ShardReader(str(path).removesuffix(".docs.parquet"))[number].tolist()
    return tokenizer.decode(ids)


def test_licences_are_of_the_three_families(samples_run):
    licences = {row["metadata"]["licence"] for row in kept(samples_run, "github").values()}
    assert licences == {"mit", "apache-2.0", "bsd-3-clause"}


def test_wikipedia_holds_no_markup(samples_run, tokenizer):
    rows = kept(samples_run, "wikipedia")
    texts = [text_of(row, tokenizer) for row in rows.values()]
    residue = sum(len(re.findall(r"\[\[|\{\{|<ref|\{\|", text)) for text in texts)
    assert residue * 10_000 <= sum(map(len, texts))
    languages = {row["language"] for row in rows.values()}
    assert {"en", "it", "bg", "de", "fr", "ru", "uk"} <= languages and "ltg" not in languages


def test_books_are_resolved_as_their_true_pairs_say(samples_run, shared_data):
    pairs = json.loads((shared_data / "books" / "near_duplicate_pairs.json").read_text())
    stay = {identifier.split("/")[1].split("#")[0] for identifier in kept(samples_run, "books")}
    partners: dict[str, set[str]] = {}
    for overlap, a, b in pairs:
        if overlap > 0.9:
            assert not (a in stay and b in stay), f"{a} and {b} overlap by {overlap} and both stay"
            partners.setdefault(a, set()).add(b)
            partners.setdefault(b, set()).add(a)
    every = {path.name for path in (shared_data / "books").glob("*.txt")}
    assert every - set(partners) <= stay, "a book without a near-duplicate was lost"
    for book in every - stay:
        assert partners[book] & stay, f"{book} went, and none of its editions stayed"


def plain_shingles(text: str) -> set[tuple[str, ...]]:
    """Return the shingles of five words of a text in Latin letters, by plain Python."""
    decomposed = unicodedata.normalize("NFD", text.casefold())
    bare = "".join(c for c in decomposed if not 0x300 <= ord(c) < 0x370)
    words = re.findall(r"[^\W_]+", bare)
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}


def test_books_are_those_that_comparing_every_pair_leaves(samples_run):
    """All pairs of books are compared by plain Python, as they are before the deduplication."""
    recipe = recipe_from_mapping(json.loads((samples_run / "run.json").read_text())["recipe"])
    steps = [step.name for step in recipe.source("books").steps]
    texts: dict[str, str] = {}
    for split in read_plan(str(samples_run)):
        if split.source == "books":
            until = steps.index("deduplicate_near")
            for batch in process_split(split, recipe, str(samples_run), Tally(), until=until):
                texts.update(zip(batch["id"].to_pylist(), batch["text"].to_pylist(), strict=True))
    shingles = {identifier: plain_shingles(text) for identifier, text in texts.items()}
    goes = set()
    for a, b in combinations(texts, 2):  # pairs in the order of the input
        shared = len(shingles[a] & shingles[b])
        if shared > 0.9 * (len(shingles[a]) + len(shingles[b]) - shared):
            goes.add(a if len(texts[b]) > len(texts[a]) else b)
    assert len(goes) > 15
    assert set(kept(samples_run, "books")) == set(texts) - goes


def test_answers_come_by_score_as_numbers(samples_run):
    rows = kept(samples_run, "stackexchange").values()
    scores = [row["metadata"]["answer_scores"] for row in rows]
    assert all(one == sorted(one, reverse=True) for one in scores)
    assert any(max(one) >= 10 and min(one) < 10 for one in scores), "strings would sort them wrong"


def test_papers_are_without_comments_macros_and_bibliography(samples_run, tokenizer):
    rows = kept(samples_run, "arxiv")
    assert len(rows) >= 35
    for row in rows.values():
        text = text_of(row, tokenizer)
        assert "\\begin{thebibliography}" not in text and "\\bibliography{" not in text
        assert "\\newcommand" not in re.sub(
            r"(?s)\\begin\{verbatim\}.*?\\end\{verbatim\}", "", text
        )


def test_explain_finds_a_joined_document_and_a_near_duplicate(samples_run, shared_data):
    identifier = next(iter(kept(samples_run, "stackexchange")))
    assert explain(str(samples_run), identifier)["kept"]
    stay = kept(samples_run, "books")
    gone = next(
        f"books/{path.name}#0"
        for path in sorted((shared_data / "books").glob("*.txt"))
        if f"books/{path.name}#0" not in stay
    )
    assert explain(str(samples_run), gone)["dropped_by"] == "near_duplicate"


def run_over(folder: Path, source: str, split_bytes: int, models: Path) -> dict[str, str]:
    """Run one source over a folder with splits of a given size; return its shards' digests."""
    output = folder / f"out-{source}-{split_bytes}"
    arguments = ["--sources", source, "--set", f"reading.split_bytes={split_bytes}",
                 "--set", "shards.target_shard_tokens=1000000000"]  # fmt: skip
    assert run_samples(output, folder, models, *arguments) == 0
    assert verify(str(output)) == []
    return {k: v for k, v in digests(output).items() if k.startswith("shards/")}


def test_one_file_in_many_splits_gives_the_same_bytes(tmp_path, shared_data, shared_models):
    """The inputs are a dump of bzip2 streams, a Posts.xml and a file of JSON lines."""
    wiki = tmp_path / "wikipedia"
    wiki.mkdir()
    dump = shared_data / "wikipedia" / "enwiki-test.xml.bz2"
    pages = re.split(rb"(?=<page>)", bz2.decompress(dump.read_bytes()))
    streams = [b"".join(pages[i : i + 5]) for i in range(0, len(pages), 5)]
    (wiki / dump.name).write_bytes(b"".join(map(bz2.compress, streams)))
    posts = next((shared_data / "stackexchange").rglob("Posts.xml"))
    site = tmp_path / "stackexchange" / posts.parent.name
    site.mkdir(parents=True)
    (site / "Posts.xml").write_bytes(posts.read_bytes())
    (tmp_path / "c4").mkdir()
    lines = (shared_data / "c4" / "c4_demo.jsonl").read_bytes()
    (tmp_path / "c4" / "one.jsonl").write_bytes(lines)
    for source, small in (("wikipedia", 30_000), ("stackexchange", 20_000), ("c4", 50_000)):
        whole = run_over(tmp_path, source, 1 << 30, shared_models)
        assert run_over(tmp_path, source, small, shared_models) == whole
        plan = (tmp_path / f"out-{source}-{small}" / "plan.jsonl").read_text()
        assert plan.count('"start"') > 5, "the file was not cut"


def test_a_join_in_many_partitions_gives_the_same_documents(
    tmp_path, shared_data, shared_models, monkeypatch
):
    monkeypatch.setattr("pipeline.passes.first.join_records.SORTED_BYTES", 500_000)
    rows = []
    for part_bytes, n_parts in ((100_000_000, 1), (2_000_000, 7)):
        output = tmp_path / str(part_bytes)
        setting = f"reading.joined_part_bytes={part_bytes}"
        arguments = ["--sources", "stackexchange", "--set", setting]
        assert run_samples(output, shared_data, shared_models, *arguments) == 0
        files = list((output / "joined" / "stackexchange").iterdir())
        assert len(files) == n_parts
        rows.append(sorted(row for f in files for row in pq.read_table(f).to_pydict()["text"]))
    assert rows[0] == rows[1]


def test_partitions_without_records_are_files_all_the_same(tmp_path):
    output = tmp_path / "out"
    few = ["--sources", "stackexchange", "--set", "reading.joined_part_bytes=200"]
    assert run_demo(output, *few) == 0
    assert verify(str(output)) == []
    counts = [pq.read_metadata(f).num_rows for f in (output / "joined/stackexchange").iterdir()]
    assert 0 in counts and sum(counts) > 10


def test_the_demo_has_all_seven_sources_and_two_processes_write_the_same(tmp_path):
    recipe = yaml.safe_load((ROOT / "recipes" / "demo.yaml").read_text())
    assert set(OTHER_SOURCES.split(",")) | {"commoncrawl", "c4"} <= set(recipe["sources"])
    one, two = tmp_path / "one", tmp_path / "two"
    assert run_demo(one, "--sources", OTHER_SOURCES) == 0
    assert run_demo(two, "--sources", OTHER_SOURCES, workers=2) == 0
    assert digests(one) == digests(two)

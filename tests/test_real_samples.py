"""Runs of the real samples' recipe, compared page by page with a plain implementation of CCNet."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.inspection.verify import verify
from pipeline.recipe.from_yaml import load_recipe
from tests.support.plain import web_path as plain
from tests.support.report_checks import assert_report_opens
from tests.support.runs import ROOT, assert_readme_has_counts_of, assert_steps_leave_texts

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models(shared_models):
    return plain.load_models(shared_models, shared_models / "mistral-tokenizer.model.v1")


def rows_of(output, source):
    """Return a source's documents with their tokens, read from the raw bytes of the shards."""
    found = {}
    for docs in sorted((output / "shards" / source).glob("*.docs.parquet")):
        tokens = np.fromfile(str(docs).replace(".docs.parquet", ".bin"), np.uint16)
        for row in pq.read_table(docs).to_pylist():
            at = row["token_offset"]
            found[row["id"]] = {**row, "tokens": tokens[at : at + row["token_count"]].tolist()}
    return found


def test_everything_verifies(samples_run):
    assert verify(str(samples_run)) == []
    assert_steps_leave_texts(samples_run)


def test_web_pages_are_those_of_ccnet(samples_run, shared_data, shared_models, models):
    recipe = load_recipe(
        str(ROOT / "recipes" / "samples.yaml"), [f"data={shared_data}", f"models={shared_models}"]
    )
    steps = {s.name: s.parameters for s in recipe.source("commoncrawl").steps}
    files = sorted((shared_data / "commoncrawl" / "wet").glob("*.wet.gz"))
    pages = [page for path in files for page in plain.read_pages(path, "commoncrawl")]
    expected = {
        kept.id: kept
        for kept in plain.kept_pages(
            pages, plain.shared_keys(pages, steps["drop_short"]["min_chars"]), models,
            min_chars=steps["drop_short"]["min_chars"],
            min_score=steps["identify_language"]["min_score"],
            cutoff=steps["bucket_by_perplexity"]["cutoffs"]["en"][1],
        )
    }  # fmt: skip
    found = rows_of(samples_run, "commoncrawl")
    assert len(pages) == 2364 and len(expected) > 500
    assert set(found) == set(expected)
    encode = models["tokenizer"].encode
    for identifier, row in found.items():
        kept = expected[identifier]
        assert row["tokens"] == encode(kept.text, add_bos=True, add_eos=True)
        assert row["chars"] == len(kept.text)
        assert row["language"] == kept.language
        assert row["language_score"] == pytest.approx(kept.language_score, abs=1e-6)
        assert row["perplexity"] == pytest.approx(kept.perplexity, rel=1e-9)
        low = steps["bucket_by_perplexity"]["cutoffs"]["en"][0]
        assert row["bucket"] == ("head" if kept.perplexity < low else "middle")


def test_the_buckets_are_the_percentiles_of_the_english_pages(samples_run, shared_data, models):
    """The recipe's cut-offs are the 30th and the 60th percentile."""
    recipe = json.loads((samples_run / "run.json").read_text())["recipe"]
    steps = {
        next(iter(s)): next(iter(s.values())) for s in recipe["sources"]["commoncrawl"]["steps"]
    }
    files = sorted((shared_data / "commoncrawl" / "wet").glob("*.wet.gz"))
    pages = [page for path in files for page in plain.read_pages(path, "commoncrawl")]
    scored = [
        kept.perplexity
        for kept in plain.kept_pages(pages, plain.shared_keys(pages, 300), models, min_chars=300,
                                     min_score=0.5, cutoff=float("inf"))
    ]  # fmt: skip
    cutoffs = steps["bucket_by_perplexity"]["cutoffs"]["en"]
    shares = [np.mean(np.array(scored) < cutoff) for cutoff in cutoffs]
    assert shares == pytest.approx([0.3, 0.6], abs=0.01)


def test_c4_is_taken_as_it_is_but_for_exact_duplicates(samples_run, shared_data, models):
    import gzip

    texts = []
    for path in sorted((shared_data / "c4").iterdir()):
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        texts += [json.loads(line)["text"] for line in data.split(b"\n") if line.strip()]
    distinct = list(dict.fromkeys(texts))
    found = rows_of(samples_run, "c4")
    assert len(texts) == 940
    encode = models["tokenizer"].encode
    expected = sorted(tuple(encode(t, add_bos=True, add_eos=True)) for t in distinct)
    assert sorted(tuple(row["tokens"]) for row in found.values()) == expected


def test_the_report_opens(samples_run, browser):
    assert_report_opens(browser, samples_run / "report.html")


def test_the_counts_in_the_readme_are_those_of_the_run(samples_run):
    assert_readme_has_counts_of(samples_run)

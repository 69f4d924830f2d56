"""Runs of FineWeb's, FineWeb-2's and DCLM's recipes over the real WARC samples."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import beam_runner
from pipeline.inspection.explain import explain
from pipeline.inspection.manifest import load_manifest, statistics
from pipeline.inspection.verify import verify
from pipeline.models.classifier_training import probabilities, train, training_lines
from pipeline.models.model_card import write_card
from tests.support.runs import ROOT, assert_steps_leave_texts
from tests.support.samples.web_samples import web_batches

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models(tmp_path_factory, shared_data: Path, shared_models: Path) -> Path:
    """A folder with the models and lists that the recipes name."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "lid.176.bin").symlink_to(shared_models / "lid.176.ftz")
    (folder / "tokenizer.model").symlink_to(shared_models / "mistral-tokenizer.model.v1")
    for name, entries in {
        "domains": "# blocked\nmedium.com\ncampmor.com\n",
        "urls": "https://nowhere.invalid/page\n",
        "words": "casino\n",
        "subwords": "pornhub\n",
        "soft_words": "bet\npoker\n",
    }.items():
        (folder / f"{name}.txt").write_text(entries)
    # A stand-in for DCLM's classifier, which tells documents of C4 from pages of WET files.
    sets = {"wiki": "c4/", "other": "wet/"}
    texts = {
        label: pa.chunked_array(
            [b["text"] for b in web_batches(shared_data) if b["id"][0].as_py().startswith(prefix)]
        ).slice(0, 300)
        for label, prefix in sets.items()
    }
    lines = [line for label in sets for line in training_lines(texts[label], label)]
    (folder / "lines.txt").write_bytes(b"".join(lines))
    model = folder / "quality.bin"
    train(folder / "lines.txt", model, {"dim": 16, "bucket": 10_000, "epoch": 5}, quantise=False)
    found = probabilities(texts["other"], str(model), "wiki")
    percentiles = {"wiki": np.percentile(found, np.arange(101)).tolist()}
    scores = {"random_page_percentiles": percentiles}
    write_card(
        str(folder), model.name, kind="classifier", data={}, parameters={}, scores=scores,
        packages=("fasttext",),
    )  # fmt: skip
    return folder


def run(recipe: str, output: Path, data: Path, models: Path, *more: str) -> int:
    lists = [] if recipe == "fineweb2.yaml" else ["--set", f"lists={models}"]
    return beam_runner.main(
        ["--recipe", str(ROOT / "recipes" / recipe), "--output", str(output), "--workers", "1",
         "--set", f"data={data}", "--set", f"models={models}", *lists, *more]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "reasons"),
    [
        (
            "fineweb.yaml",
            {"blocked_domain", "other_language", "gopher_words", "c4_curly_bracket",
             "fineweb_few_end_marks", "near_duplicate"},
        ),
        (
            "dclm.yaml",
            {"blocked_domain", "other_language", "gopher_words", "refinedweb_removed_words",
             "low_class_probability"},
        ),
    ],
)  # fmt: skip
def test_runs_over_the_warc_samples(recipe, reasons, tmp_path, shared_data, models):
    output = tmp_path / "out"
    more = []
    if recipe == "fineweb.yaml":  # trafilatura is slow
        pattern = f"{shared_data}/commoncrawl/warc/[rg]*.warc.gz"
        more = ["--set", f"sources.commoncrawl.input=[{pattern!r}]"]
    assert run(recipe, output, shared_data, models, *more) == 0
    assert verify(str(output)) == []
    source = statistics(str(output))["sources"]["commoncrawl"]
    dropped = {r["reason"]: r["documents"] for r in source["funnel"] if r["outcome"] == "dropped"}
    steps = list(dict.fromkeys(r["step"] for r in source["funnel"] if r["outcome"] == "dropped"))
    written = sum(r["documents"] for r in source["funnel"] if r["outcome"] == "out")
    print(recipe, written, json.dumps(dropped))
    assert reasons <= set(dropped) and written > 20
    order = [next(iter(step)) for step in _steps(output)]
    assert [s for s in steps if s != "read"] == [s for s in order if s in steps]
    names = {r["reason"]: r["step"] for r in source["funnel"] if r["outcome"] == "dropped"}
    assert names["blocked_domain"] == "filter_urls"
    assert_steps_leave_texts(output)


def test_pages_in_several_languages_count_by_their_near_duplicates(tmp_path, shared_data, models):
    warc = shared_data / "commoncrawl" / "warc"
    data = tmp_path / "data" / "commoncrawl" / "warc"
    data.mkdir(parents=True)
    for copy in ("a", "b"):
        (data / f"{copy}.warc.gz").symlink_to(warc / "readability.warc.gz")
    (data / "c.warc.gz").symlink_to(warc / "trafilatura-tests.warc.gz")
    output = tmp_path / "out"
    settings = "--set", "sources.commoncrawl.reader.warc.extractor=resiliparse"
    assert run("fineweb2.yaml", output, tmp_path / "data", models, *settings) == 0
    assert verify(str(output)) == []
    source = statistics(str(output))["sources"]["commoncrawl"]
    dropped = {r["reason"]: r["documents"] for r in source["funnel"] if r["outcome"] == "dropped"}
    rows = [
        row
        for file in sorted((output / "shards").rglob("*.docs.parquet"))
        for row in pq.read_table(file).to_pylist()
    ]
    print(len(rows), json.dumps(dropped), Counter(row["language"] for row in rows))
    assert {
        "other_language", "low_language_score", "gopher_words", "near_duplicate"
    } <= dropped.keys()  # fmt: skip
    assert {"de", "zh", "ja"} <= {row["language"] for row in rows} <= set(_languages(output))
    domains = load_manifest(str(output))["sources"]["commoncrawl"]["domains"]
    for row in rows:
        twice = row["id"].split("#")[0] != "commoncrawl/c.warc.gz"
        size = json.loads(row["metadata"])["cluster_size"]
        assert (size >= 2 and size % 2 == 0) if twice else size >= 1
        assert row["domain"] == str(sum(size >= cutoff for cutoff in (2, 3, 5, 100, 1000)))
    assert domains["1"]["epochs"] == pytest.approx(2 * domains["0"]["epochs"])


def _languages(output: Path) -> dict[str, dict]:
    by_language = next(step for step in _steps(output) if "filter_by_language" in step)
    return by_language["filter_by_language"]["languages"]


def _steps(output: Path) -> list[dict]:
    recipe = json.loads((output / "run.json").read_text())["recipe"]
    return recipe["sources"]["commoncrawl"]["steps"]


def test_a_missing_list_is_named_before_any_work(tmp_path, shared_data, models, capsys):
    arguments = ["--set", "sources.commoncrawl.steps.filter_urls.blocked_domains=[gone.txt]"]
    assert run("fineweb.yaml", tmp_path / "out", shared_data, models, *arguments) == 2
    error = capsys.readouterr().err
    assert "gone.txt" in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_document_that_goes_is_explained(tmp_path, shared_data, models):
    output = tmp_path / "out"
    pattern = f"{shared_data}/commoncrawl/warc/goose3*.gz"
    setting = f"sources.commoncrawl.input=[{pattern}]"
    assert run("dclm.yaml", output, shared_data, models, "--set", setting) == 0
    ids = [
        i
        for b in web_batches(shared_data)
        for i in b["id"].to_pylist()
        if i.startswith("warc/goose3")
    ]
    reasons = set()
    for identifier in ids[:12]:
        name = identifier.rpartition("/")[2]
        reasons.add(explain(str(output), f"commoncrawl/{name}")["dropped_by"])
    assert len(reasons) > 1

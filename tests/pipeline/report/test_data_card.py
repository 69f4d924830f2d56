"""The data card, compared with the run, and read by Hugging Face's own reader of cards."""

from __future__ import annotations

import json

import pytest
import yaml
from datasets import load_dataset
from huggingface_hub import DatasetCard

from pipeline.inspection.manifest import load_manifest
from pipeline.report.data import collect
from pipeline.report.data_card import LICENCES, card_text, metadata
from pipeline.report.llama_mixture import LLAMA_SOURCES, llama_source
from tests.support.runs import run_demo

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    output = tmp_path_factory.mktemp("card") / "out"
    assert run_demo(output, "--sources", "c4,github,wikipedia") == 0
    return output


@pytest.fixture(scope="module")
def card(run):
    return DatasetCard.load(run / "DATACARD.md", ignore_metadata_errors=False)


def test_hugging_face_reads_its_metadata(card):
    data = card.data
    assert {"de", "en", "fr"} <= set(data.language) and data.license == "other"
    assert data.size_categories == ["n<1K"] and data.task_categories == ["text-generation"]
    assert data.pretty_name == "LLaMA mixture: C4, GitHub, Wikipedia"
    configs = {one["config_name"]: one for one in data.to_dict()["configs"]}
    assert set(configs) == {"c4", "github", "wikipedia"}


def test_its_configurations_load_what_they_name(run, card, tmp_path):
    """Every configuration's files hold the documents that the card counts."""
    counts = load_manifest(str(run))["sources"]
    for config in card.data.to_dict()["configs"]:
        files = {one["split"]: str(run / one["path"]) for one in config["data_files"]}
        loaded = load_dataset("parquet", data_files=files, cache_dir=str(tmp_path))
        mine = counts[config["config_name"]]
        assert {split: loaded[split].num_rows for split in files} == {
            split: mine[f"{split}_documents"] for split in files
        }


def test_it_tells_thresholds_counts_licences_and_fingerprints(run, card):
    recipe = json.loads((run / "run.json").read_text())["recipe"]
    assert recipe["sources"]["github"]["steps"][2]["filter_code"]["max_longest_line_chars"] == 1000
    for wanted in ("max_longest_line_chars: `1000`", "`licence_gpl-3.0` (keep_licences)",
                   load_manifest(str(run))["sha256"], LICENCES["wikipedia"],
                   "Not compared with evaluation sets: all sources."):  # fmt: skip
        assert wanted in card.text
    counts = load_manifest(str(run))["sources"]["c4"]
    assert f"| {counts['train_tokens']:,} | {counts['validation_tokens']:,} |" in card.text


def test_it_names_no_place(run, card):
    assert str(run) not in card.content and "/models/" not in card.content
    report = collect(str(run))
    assert card_text(report) == card.content
    recipe = yaml.safe_load(report["recipe"])
    place = "/home/me/models/card.json"
    recipe["sources"]["c4"]["steps"] += [
        {"bucket_by_perplexity": {"cutoffs": {"en": place}, "keep": ["head"]}},
        {"mine.step": {"kinds": ["text/html"]}},
    ]
    text = card_text({**report, "recipe": yaml.safe_dump(recipe), "files": [place]})
    assert "`{en: card.json}`" in text and "/home/me" not in text and "`[text/html]`" in text


def test_it_speaks_of_the_papers_sources_and_of_steps_only_where_they_are(run, card):
    assert "token shards: the sources of the LLaMA paper" in card.text
    assert "The step `strip_licence_header` takes" in card.text
    report = collect(str(run))
    recipe = yaml.safe_load(report["recipe"])
    for source in report["sources"]:
        mine = {**recipe["sources"][source["name"]], "steps": []}
        source["name"] = f"my {source['name']}"
        recipe["sources"][source["name"]] = mine
    text = card_text({**report, "recipe": yaml.safe_dump(recipe)})
    assert "as token shards, prepared by" in text and "LLaMA" not in text
    assert "The step `strip_licence_header`" not in text
    for source in report["sources"]:
        source["kept_languages"] = []
    assert "multilinguality" not in metadata(report)
    report["sources"][0]["name"] = "github"
    text = card_text({**report, "recipe": yaml.safe_dump(recipe)})
    assert "token shards: sources of the LLaMA paper" in text and "2302.13971)) and others," in text
    assert "The step `strip_licence_header` takes" in text


@pytest.mark.parametrize(("kept", "size"), [(999, "n<1K"), (1000, "1K<n<10K"), (10**13, "n>1T")])
def test_sizes(kept, size):
    report = {"totals": {"documents_kept": kept}, "sources": [], "holds_text": False}
    assert metadata(report)["size_categories"] == [size]


def test_every_source_of_the_paper_has_a_licence():
    assert set(LICENCES) == set(LLAMA_SOURCES)
    assert llama_source("commoncrawl_warc") == "commoncrawl" and llama_source("mine") is None
    assert sum(one.proportion for one in LLAMA_SOURCES.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (
            [],
            {
                "Not deduplicated: c4.",
                "Documents that are nearly the same were not looked for: all sources.",
            },
        ),
        (
            ["deduplicate_lines"],
            {"Documents that are nearly the same were not looked for: all sources."},
        ),
        (
            ["deduplicate_near"],
            {"Documents that are nearly the same were not looked for: github, wikipedia."},
        ),
        (
            ["tests.support.third_deduplication.DeduplicateTitles"],
            {"Documents that are nearly the same were not looked for: all sources."},
        ),
        (
            ["a_module.that_is_not_here"],
            {"Documents that are nearly the same were not looked for: all sources."},
        ),
    ],
)
def test_it_tells_which_duplicates_were_not_looked_for(run, steps, expected):
    report = collect(str(run))
    recipe = yaml.safe_load(report["recipe"])
    recipe["sources"]["c4"]["steps"] = steps
    text = card_text({**report, "recipe": yaml.safe_dump(recipe)})
    told = {line.removeprefix("- ") for line in text.splitlines()}
    assert {
        line for line in told if "deduplicated:" in line or "nearly the same" in line
    } == expected

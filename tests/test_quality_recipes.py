"""Runs of the recipes with buckets of quality, Nemotron-CC's and Dolma 3's, over real pages."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import beam_runner
from pipeline.commands.main import main
from pipeline.inspection.verify import verify
from pipeline.models.classifier_training import train, training_lines
from tests.support.runs import ROOT
from tests.support.samples.web_samples import wet_batches
from transforms.scoring.score_buckets import CARD_KIND

pytestmark = pytest.mark.slow

QUANTILES = 20
SCORES = ("dclm", "wiki", "answers")
LISTS = ("domains", "urls", "words", "subwords", "soft_words")


@pytest.fixture(scope="module")
def models(tmp_path_factory, shared_data: Path, shared_models: Path) -> Path:
    """A folder with what the recipes name, but for the cards; stand-ins for the classifiers."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "lid.176.bin").symlink_to(shared_models / "lid.176.ftz")
    (folder / "tokenizer.model").symlink_to(shared_models / "mistral-tokenizer.model.v1")
    for name in LISTS:
        (folder / f"{name}.txt").write_text("nowhere.invalid\n")
    pages = pa.chunked_array([batch["text"] for batch in wet_batches(shared_data)])
    order = pc.sort_indices(pc.utf8_length(pages))
    texts = [pages.take(order[-300:]), pages.take(order[-900:-600])]  # long ones and shorter ones
    for name, label in (("dclm", "hq"), ("wiki/wiki", "wiki"), ("answers/answers", "answers")):
        lines = training_lines(texts[0], label) + training_lines(texts[1], "other")
        (folder / "lines.txt").write_bytes(b"".join(lines))
        (folder / name).parent.mkdir(exist_ok=True)
        parameters = {"dim": 4 + len(label), "bucket": 10_000, "epoch": 5, "lr": 0.3}
        train(folder / "lines.txt", folder / f"{name}.bin", parameters, quantise=False)
        texts.reverse()  # so that the classifiers are not of one mind
    (folder / "quality.bin").symlink_to(folder / "dclm.bin")
    return folder


def options(recipe: str, data: Path, models: Path) -> list[str]:
    """Return the options of every command; the input is a part of the samples."""
    pattern = f"{data}/commoncrawl/warc/[fg]o*.warc.gz"
    of_lists = ["--set", f"lists={models}"] if recipe == "dolma3.yaml" else []
    return ["--recipe", str(ROOT / "recipes" / recipe), "--set", f"data={data}", *of_lists,
            "--set", f"models={models}",
            "--set", f"sources.commoncrawl.input=[{pattern!r}]"]  # fmt: skip


def write_card(models: Path, score: str, cutoffs: list[float]) -> None:
    card = {"kind": CARD_KIND, "parameters": {"score": score}, "scores": {"cutoffs": cutoffs}}
    (models / "cut" / f"{score}.card.json").write_text(json.dumps(card))


@pytest.fixture(scope="module")
def cards(models, shared_data) -> Path:
    """The folder with its cards: one measured by the command, the others of the same values."""
    given = options("nemotron_cc.yaml", shared_data, models)
    cut = ["--source", "commoncrawl", "--score", "dclm", "--output", str(models / "cut")]
    assert main(["cutoffs", *given, *cut, "--workers", "1"]) == 0
    cutoffs = json.loads((models / "cut" / "dclm.card.json").read_text())["scores"]["cutoffs"]
    write_card(models, "quality", cutoffs)
    write_card(models, "wiki", [1 - cutoff for cutoff in reversed(cutoffs)])
    write_card(models, "answers", cutoffs)
    return models


def made(recipe: str, output: Path, data: Path, models: Path, budget: int) -> dict:
    """Run a recipe, and return what the manifest says of its source."""
    given = [*options(recipe, data, models), "--set", f"token_budget={budget}"]
    command = [*given, "--output", str(output), "--workers", "1", "--no_report"]
    assert beam_runner.main(command) == 0
    assert verify(str(output)) == []
    return of_source(output)


def of_source(output: Path) -> dict:
    return json.loads((output / "manifest.json").read_text())["sources"]["commoncrawl"]


def test_nemotron_cc_takes_the_highest_of_three_bins(tmp_path, shared_data, cards) -> None:
    output = tmp_path / "out"
    source = made("nemotron_cc.yaml", output, shared_data, cards, 50_000)
    domains = source["domains"]
    assert set(domains) <= {str(i) for i in range(QUANTILES)} and len(domains) > 5
    assert sum(one["train_tokens"] for one in domains.values()) == source["train_tokens"]
    assert len({round(one["epochs"], 9) for one in domains.values()}) == 1, "natural weight"
    cutoffs = {
        name: json.loads((cards / "cut" / f"{name}.card.json").read_text())["scores"]["cutoffs"]
        for name in SCORES
    }
    rows = pq.read_table(output / "shards/commoncrawl/train-00000.docs.parquet").to_pylist()
    assert len(rows) == source["train_documents"] > 50
    for row in rows:
        found = json.loads(row["metadata"])
        bins = [np.searchsorted(cutoffs[name], found[name], "right") for name in SCORES]
        assert [found[f"{name}_bin"] for name in SCORES] == bins
        assert row["domain"] == str(found["quality"]) == str(max(bins))

    best = 'sources.commoncrawl.domains.weights={"1[89]": 1, "*": 0}'  # as the recipe says
    given = [*options("nemotron_cc.yaml", shared_data, cards), "--set", "token_budget=50_000"]
    assert main(["mix", str(output), *given, "--set", best, "--no_report"]) == 0
    drawn = {name for name, one in of_source(output)["domains"].items() if one["proportion"]}
    assert drawn == {"18", "19"}


def test_dolma3_draws_the_better_pages_by_its_curve(tmp_path, shared_data, cards) -> None:
    output = tmp_path / "out"
    source = made("dolma3.yaml", output, shared_data, cards, 10_000)
    domains = dict(sorted(source["domains"].items()))
    assert set(domains) <= {f"{i:02d}" for i in range(QUANTILES)} and len(domains) > 15
    tokens = np.array([one["train_tokens"] for one in domains.values()])
    assert tokens.sum() == source["train_tokens"] > 20_000
    x = (np.cumsum(tokens) - tokens / 2) / tokens.sum()
    dropped = np.array([name < "08" for name in domains])
    wanted = np.where(dropped, 0.0, tokens * x**5 * np.exp(2 * x))
    shares = [one["proportion"] for one in domains.values()]
    assert shares == pytest.approx((wanted / wanted.sum()).tolist())

    budget = math.ceil(2.5 * tokens.sum())
    given = [*options("dolma3.yaml", shared_data, cards), "--set", f"token_budget={budget}"]
    assert main(["mix", str(output), *given, "--no_report"]) == 0
    mixed = of_source(output)["domains"]
    assert mixed["19"]["epochs"] == pytest.approx(7)
    assert max(one["epochs"] for one in mixed.values()) <= 7 + 1e-9
    assert sum(one["proportion"] for one in mixed.values()) == pytest.approx(1)

"""The chain from raw dumps without ready models, over a small part of the real samples."""

from __future__ import annotations

import gzip
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.commands.main import main
from pipeline.inspection.manifest import statistics
from pipeline.models.model_card import read_card
from tests.support.runs import ROOT, digests
from transforms.documents import FilePath, documents, with_column
from transforms.scoring.fasttext_predict import load_classifier
from transforms.scoring.perplexity import bucket_by_perplexity, score_perplexity

FILES = [
    "commoncrawl/wet/readability.warc.wet.gz",
    "commoncrawl/wet/goose3.warc.wet.gz",
    "commoncrawl/wet/newspaper4k.warc.wet.gz",
    "c4/c4_demo.jsonl",
    "wikipedia/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2",
    "wikipedia/enwiki-minidump-pages-articles.xml.bz2",
    "books/pg11-11.txt",
    "books/pg11-11-0.txt",
    "arxiv/1206.5501.zip",
    "stackexchange/datascience.meta.stackexchange.com_2017-03/Posts.xml",
]
GITHUB_FILES = 100
LID = str(ROOT / "samples" / "models" / "lid.176.ftz")

OPTIONS = {
    "LM_OPTIONS": "--pieces 4000 --held_out_fraction 0.15",
    "CLASSIFIER_OPTIONS": "--positive wikipedia --negative c4 --cited_urls= --lr 0.5 --epoch 25 "
    "--held_out_fraction 0.25",
    "TOKENIZER_OPTIONS": "--sample_bytes 4e5 --vocabulary_size 1000",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like that of the real samples, with a few files of each source."""
    folder = tmp_path_factory.mktemp("data")
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(shared_data / name)
    (folder / "github").mkdir()
    with gzip.open(shared_data / "github" / "bq_github_open.jsonl.gz") as rows:
        some = b"".join(row for row, _ in zip(rows, range(GITHUB_FILES), strict=False))
    (folder / "github" / "some.jsonl.gz").write_bytes(gzip.compress(some))
    return folder


@pytest.fixture(scope="module")
def made(data: Path, kenlm_programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of the script over these files."""
    output = tmp_path_factory.mktemp("made") / "out"
    done = subprocess.run(
        [ROOT / "scripts" / "from_scratch.sh", data, output, "--workers", "1"],
        env={**os.environ, **OPTIONS, "BIN": str(Path(sys.executable).parent), "LID": LID},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    return output


@pytest.fixture(scope="module")
def perplexities(made: Path) -> Any:
    """A function that returns the perplexities of texts under the language model."""

    def score(texts: list[str]) -> np.ndarray[Any, Any]:
        batch = documents(list(map(str, range(len(texts)))), texts)
        batch = with_column(batch, "language", ["en"] * len(texts))
        lm, pieces = (FilePath(f"{made}/lm/en.{name}") for name in ("arpa.bin", "sp.model"))
        scored = score_perplexity(batch, language="en", lm=lm, pieces=pieces)
        return scored["perplexity"].to_numpy()

    return score


def sampled(made: Path, model: str, source: str) -> pa.Table:
    return pq.read_table(made / model / "sample" / "samples" / f"{source}.parquet")


def held_out(made: Path) -> list[str]:
    """The articles that the language model was not trained on."""
    n = read_card(f"{made}/lm/en.arpa.bin", "language_model")["data"]["held_out_documents"]
    assert n >= 10
    return sampled(made, "lm", "train")["text"].to_pylist()[-n:]


def test_every_model_has_a_card_and_the_run_its_shards(made: Path) -> None:
    for name, kind in {
        "lm/en.arpa.bin": "language_model",
        "classifier/wikipedia_references.bin": "classifier",
        "tokenizer/tokenizer.model": "tokenizer",
        "cited/cited_urls.txt": "url_list",
    }.items():
        assert read_card(f"{made}/{name}", kind)["versions"]["llama-corpus"]
    funnel = statistics(f"{made}/corpus")["sources"]["commoncrawl"]["funnel"]
    reasons = Counter(row["reason"] for row in funnel if row["documents"])
    assert {"perplexity_tail", "low_class_probability"} <= set(reasons)
    assert main(["verify", f"{made}/corpus"]) == 0


def test_held_out_articles_rank_before_all_else(
    made: Path, shared_data: Path, perplexities: Any
) -> None:
    articles = held_out(made)
    middle = np.median(perplexities(articles))
    shuffled = []
    for text in articles:
        words = text.split()
        random.Random(0).shuffle(words)
        shuffled.append(" ".join(words))
    texts = ROOT / "samples" / "texts"
    others = [
        (texts / f"{language}.txt").read_text("utf-8")
        for language in ("cs", "de", "es", "fr", "it", "nl", "pl", "pt")
    ]
    worse = {
        "shuffled": perplexities(shuffled),
        "boilerplate": perplexities(list(boilerplate(shared_data))),
        "other languages": perplexities(others),
    }
    print({"articles": middle, **{name: np.median(found) for name, found in worse.items()}})
    for name, found in worse.items():
        assert len(found) >= 8, name
        assert np.median(found) > 2 * middle, name
    assert (perplexities(shuffled) > perplexities(articles)).all()


def boilerplate(data: Path) -> Iterator[str]:
    """Return the lines of at most four words of every page, such as those of navigation."""
    for path in sorted((data / "commoncrawl" / "wet").iterdir()):
        for record in re.split(rb"\r?\nWARC/1.0\r?\n", gzip.decompress(path.read_bytes())):
            lines = record.partition(b"\r\n\r\n")[2].decode("utf-8", "replace").split("\n")
            short = "\n".join(line for line in lines if len(line.split()) <= 4)
            if len(short) >= 300 and short.isascii():
                yield short


def test_cutoffs_split_the_web_sample(made: Path, perplexities: Any) -> None:
    (batch,) = sampled(made, "lm", "web").combine_chunks().to_batches()
    assert set(batch["language"].to_pylist()) == {"en"}
    batch = with_column(batch, "perplexity", perplexities(batch["text"].to_pylist()).tolist())
    card = FilePath(f"{made}/lm/en.arpa.bin.card.json")
    found = bucket_by_perplexity(batch, cutoffs={"en": card}, keep=["head", "middle"])
    counts = Counter(found["bucket"].to_pylist())
    n = batch.num_rows
    for bucket, share in {"head": 0.3, "middle": 0.3, "tail": 0.4}.items():
        assert abs(counts[bucket] - share * n) <= 1, counts


def test_the_classifier_is_far_above_chance(made: Path) -> None:
    card = read_card(f"{made}/classifier/wikipedia_references.bin", "classifier")
    print(card["scores"]["area_under_curve"], card["scores"]["at_probability"])
    assert card["scores"]["area_under_curve"] > 0.9
    percentiles = card["scores"]["random_page_percentiles"]["wiki"]
    n = card["data"]["held_out_of_each_set"]
    pages = sampled(made, "classifier", "negative-c4")
    classifier = load_classifier(f"{made}/classifier/wikipedia_references.bin")
    column = classifier.labels.index("wiki")
    everything = classifier.probabilities(pages["text"].combine_chunks(), delete_newlines=False)
    assert len(percentiles) == 101 and n <= len(pages)
    assert set(np.round(percentiles[::100], 9)) <= set(np.round(everything[:, column], 9))


def test_the_language_model_goes_on_from_the_stage_that_is_missing(
    made: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)  # as the script: the card names the recipe as it was given
    folder = made / "lm"
    before = digests(folder)
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    (folder / "en.arpa.bin").unlink()
    (folder / "en.arpa.bin.card.json").unlink()
    command = ["train-lm", "--recipe", "recipes/from_scratch.yaml", "--workers", "1",
               "--set", f"data={data}", "--set", f"made={made}",
               "--set", f"lid={LID}",
               "--output", str(folder), "--language", "en"]  # fmt: skip
    assert main([*command, *OPTIONS["LM_OPTIONS"].split()]) == 0
    assert digests(folder) == before
    kept = [path for path in times if path.stat().st_mtime_ns == times[path]]
    names = {path.name for path in kept}
    assert {"en.sp.model", "train.parquet", "web.parquet"} <= names
    capsys.readouterr()
    assert main([*command, "--pieces", "300"]) == 2
    assert "made otherwise (other held_out_fraction, pieces)" in capsys.readouterr().err

"""The command ``corpus judge`` over real runs, and its mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.commands.judge import order_lines
from pipeline.commands.main import main as corpus
from pipeline.inspection.document_rows import Filter
from pipeline.inspection.draw import sample_documents
from pipeline.judging.candidates import candidates_of
from pipeline.judging.draws import encoder_of, tokens_of
from pipeline.judging.scorers import NGRAMS_MEANING
from tests.support.judged_runs import ROOT, write_run, write_texts
from tests.support.runs import run_demo

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over web pages, most of which a step drops."""
    output = tmp_path_factory.mktemp("judged") / "out"
    cutoffs = "sources.commoncrawl.steps.bucket_by_perplexity.keep=[head]"
    assert run_demo(output, "--sources", "commoncrawl", "--set", cutoffs, "--no_report") == 0
    return output


@pytest.fixture
def prose(tmp_path: Path) -> Path:
    texts = [
        paragraph
        for name in ("wikipedia-en", "stackexchange-workshop")
        for paragraph in (ROOT / "samples" / "texts" / f"{name}.txt").read_text().split("\n\n")
    ]
    return write_texts(tmp_path / "prose.jsonl", texts)


@pytest.mark.slow
def test_what_a_step_dropped_is_judged_beside_what_was_kept(
    pages, prose, tmp_path, kenlm_programs, capsys
):
    arguments = ["judge", str(pages), "--by", "step", "--held_out", f"prose={prose}"]
    assert corpus([*arguments, "--draws", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    by_name = {one["name"]: one["tokens"] for one in told["candidates"]}
    dropped = "commoncrawl dropped by bucket_by_perplexity"
    manifest = json.loads((pages / "manifest.json").read_text())
    counts = manifest["sources"]["commoncrawl"]
    marks = 2 * counts["train_documents"]
    assert by_name["commoncrawl kept"] == counts["train_tokens"] - marks
    assert by_name[dropped] > by_name["commoncrawl kept"]
    assert {one["name"] for one in told["left_out"]} >= {"commoncrawl dropped by drop_short"}
    assert set(told["results"]["prose"]["order"]) == {"commoncrawl kept", dropped}
    page = tmp_path / "page.html"
    assert corpus([*arguments, "--draws", "2", "--html", str(page)]) == 0
    printed = capsys.readouterr()
    assert NGRAMS_MEANING in printed.out
    assert NGRAMS_MEANING in page.read_text() and dropped in page.read_text()
    assert "Left out, for too few tokens: " in printed.out
    assert f"{dropped}, draw 2 of 2 ..." in printed.err


def test_dropped_documents_have_the_tokens_of_their_texts(pages):
    name = "commoncrawl dropped by bucket_by_perplexity"
    (candidate,) = (one for one in candidates_of([str(pages)], "step") if one.name == name)
    ids_of = tokens_of(candidate, np.arange(len(candidate.row)))
    decoded = {encoder_of(candidate).decode(ids) for ids in ids_of.values()}
    wanted = Filter(step="bucket_by_perplexity")
    manifest = json.loads((pages / "manifest.json").read_text())
    n, drawn = sample_documents(str(pages), manifest, n=20, seed=0, wanted=wanted, part="dropped")
    assert len(ids_of) == n
    assert {document["text"] for document in drawn} <= decoded


def test_buckets_and_sources_of_several_runs_have_names_of_their_own(
    tmp_path, prose, kenlm_programs, capsys
):
    texts = {"web": ["Some words of this page. " * 40] * 20, "books": ["A long book. " * 90] * 20}
    one, other = (str(write_run(tmp_path / name, texts)) for name in ("one", "other"))
    options = ["--held_out", f"prose={prose}", "--tokens", "100", "--draws", "2", "--json"]
    assert corpus(["judge", one, other, "--by", "source", *options]) == 0
    names = [c["name"] for c in json.loads(capsys.readouterr().out)["candidates"]]
    assert names == [f"{one}: web", f"{one}: books", f"{other}: web", f"{other}: books"]
    assert corpus(["judge", one, "--by", "source", *options]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [c["name"] for c in told["candidates"]] == ["web", "books"]
    assert corpus(["judge", one, other, "--by", "bucket", *options]) == 0
    names = [c["name"] for c in json.loads(capsys.readouterr().out)["candidates"]]
    assert names == [f"{one}: no bucket", f"{other}: no bucket"]


def test_mistakes_are_told_in_one_line_before_work(tmp_path, prose, kenlm_programs, capsys):
    runs = [str(write_run(tmp_path / name, {"web": ["Few words."] * 9})) for name in "ab"]
    held_out = ["--held_out", f"prose={prose}"]
    for arguments, text in (
        ([runs[0], *held_out], "one run alone compares with nothing"),
        ([*runs, *held_out, "--draws", "1"], "two draws at the least"),
        ([*runs, *held_out], "tokens are too few for draws of 20,000"),
        ([*runs, *held_out, "--tokens", "0"], "draw one token at the least"),
        ([runs[0], runs[0], *held_out], "a run is given twice"),
        ([runs[0], str(tmp_path), *held_out], "no manifest.json there"),
        ([*runs, "--held_out", "x=nothing.txt", "--tokens", "9"], "there is no such file"),
        ([*runs, *held_out, f"prose={prose}"], "two texts have this name"),
        ([*runs, "--held_out", f"mean={prose}"], "the mean of all texts has this name"),
        ([*runs, *held_out, "--kenlm", str(tmp_path)], "'make kenlm-tools' builds them"),
    ):
        assert corpus(["judge", *arguments]) == 2
        printed = capsys.readouterr()
        assert printed.err.startswith("error: ") and printed.err.count("\n") == 1
        assert text in printed.err
        assert printed.out == ""
    with pytest.raises(SystemExit):
        corpus(["judge", *runs, "--held_out", "no_name"])
    assert "'no_name' is not of the form NAME=FILE" in capsys.readouterr().err


def test_the_order_names_pairs_that_are_not_told_apart():
    pairs = [
        {"better": "a", "worse": "b", "certainty": 0.6, "told_apart": False},
        {"better": "a", "worse": "c", "certainty": 1.0, "told_apart": True},
        {"better": "b", "worse": "c", "certainty": 0.99, "told_apart": True},
    ]
    lines = order_lines({"order": ["a", "b", "c"], "pairs": pairs}, 0.95)
    assert lines[1:] == [
        "  1. a, ahead of the next with certainty 0.600",
        "  2. b, ahead of the next with certainty 0.990",
        "  3. c",
        "Not told apart at 95%: a and b",
    ]
    clear = [pair | {"told_apart": True} for pair in pairs]
    assert order_lines({"order": ["a", "b", "c"], "pairs": clear}, 0.95)[-1] == (
        "All are told apart at 95%."
    )

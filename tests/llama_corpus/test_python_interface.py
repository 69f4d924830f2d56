"""The Python interface: what it reads is what the run's files and commands say."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from llama_corpus import open_corpus, run
from pipeline.inspection.manifest import statistics
from tests.support.runs import ROOT


def test_documents_tokens_and_drops_are_those_of_the_run(demo_run):
    corpus = open_corpus(str(demo_run))
    counts = corpus.manifest["sources"]["c4"]
    documents = pa.concat_tables(corpus.documents(source="c4", part="train"))
    tokens = pa.concat_tables(corpus.tokens(source="c4", part="train"))
    assert documents.num_rows == counts["train_documents"]
    assert tokens["id"].equals(documents["id"])
    assert pa.compute.list_value_length(tokens["tokens"]).to_pylist() == (
        documents["token_count"].to_pylist()
    )
    assert len(list(corpus.documents(source="c4", domain="none.test"))) == 0
    identifier = documents["id"][0].as_py()
    assert len(corpus.text(identifier)) == documents["chars"][0].as_py()
    assert corpus.explain(identifier)["kept"]
    dropped = pa.concat_tables(corpus.dropped(source="commoncrawl"))
    funnel = statistics(str(demo_run))["sources"]["commoncrawl"]["funnel"]
    assert dropped.num_rows == sum(r["documents"] for r in funnel if r["outcome"] == "dropped")
    assert corpus.mixture()["c4"]["epochs"] == counts["epochs"]


def test_mistakes_are_value_errors_of_one_line(demo_run, tmp_path):
    corpus = open_corpus(str(demo_run))
    for mistake, told in (
        (lambda: open_corpus(str(tmp_path)), "no manifest.json there"),
        (lambda: list(corpus.documents(source="c5")), "has no source 'c5'"),
        (lambda: list(corpus.documents(part="test")), "expected one of train, validation"),
        (lambda: run("nowhere.yaml", str(tmp_path)), "there is no such recipe"),
    ):
        with pytest.raises(ValueError, match=told):
            mistake()


def test_a_recipe_runs_and_gives_the_corpus(tmp_path):
    output = str(tmp_path / "out")
    corpus = run(
        str(ROOT / "recipes" / "demo.yaml"), output, workers=1, sources=["stackexchange"],
        settings={"token_budget": 1000},
    )  # fmt: skip
    assert set(corpus.mixture()) == {"stackexchange"}
    assert corpus.manifest["token_budget"] == 1000
    assert sum(table.num_rows for table in corpus.documents()) == 11


def test_the_cells_of_the_notebook_run_in_order(demo_run, tmp_path, monkeypatch, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "demo").symlink_to(demo_run)
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((ROOT / "docs" / "notebook.ipynb").read_text())
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert len(names["figure"].data[0].x) == 8
    assert "tokens each" in capsys.readouterr().out

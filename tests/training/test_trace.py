"""``corpus trace`` names the documents whose tokens are in a step's batch."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.command import main
from tests.runs import ROOT
from training.loader import Loader
from training.mixture import Mixture

LENGTH, BATCH = 128, 16
ORDER = ["--batch_tokens", str(LENGTH * BATCH), "--sequence_length", str(LENGTH), "--seed", "3"]


@pytest.mark.parametrize("step", [0, 41, 121])
def test_the_documents_named_are_those_of_the_batch(demo_corpus, capsys, step) -> None:
    assert main(["trace", str(demo_corpus), "--step", str(step), *ORDER, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    loader = Loader(Mixture(demo_corpus, sequence_length=LENGTH, seed=3), batch_samples=BATCH)
    batch = next(tokens_BT1 for i, tokens_BT1 in enumerate(loader) if i == step).numpy()
    covered = np.zeros_like(batch)
    for row in rows:
        sample = row["position"] - step * BATCH
        part = slice(row["sample_begin"], row["sample_end"])
        bin_path = demo_corpus / row["shard"]
        docs = pq.read_table(bin_path.with_suffix(".docs.parquet"))
        record = docs.filter(np.array(docs["id"].to_pylist()) == row["id"]).to_pylist()[0]
        tokens = np.fromfile(
            bin_path, "<u2", record["token_count"], offset=2 * record["token_offset"]
        )
        assert np.array_equal(batch[sample, part], tokens[row["begin"] : row["end"]])
        assert row["source"] == row["shard"].split("/")[1] and row["url"] == record["url"]
        covered[sample, part] += 1
    assert (covered == 1).all()


def test_the_table(demo_corpus, capsys) -> None:
    assert main(["trace", str(demo_corpus), "--step", "2", *ORDER]) == 0
    printed = capsys.readouterr().out
    mixture = Mixture(demo_corpus, sequence_length=LENGTH, seed=3)
    for position in range(2 * BATCH, 3 * BATCH):
        assert f"\n{position:>8} │ " in printed
        assert mixture.documents_of(position)[0].source in printed


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--step", "122"], "step 122 of a run of 122 steps"),
        (["--step", "-1"], "step -1"),
        (["--step", "0", "--batch_tokens", "100"], "not made of samples of 128"),
        (["--step", "0", "--token_budget", "10"], "a budget of 10 tokens"),
    ],
)
def test_mistakes_are_told_in_one_line(demo_corpus, capsys, more, text) -> None:
    assert main(["trace", str(demo_corpus), *ORDER, *more]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and text in error


def test_it_imports_no_pytorch(demo_corpus) -> None:
    code = (
        "import sys; from pipeline.command import main; "
        f"main(['trace', {str(demo_corpus)!r}, '--step', '0', *{ORDER!r}]); "
        "assert not [m for m in sys.modules if m.startswith(('torch', 'apache_beam', 'numba'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)

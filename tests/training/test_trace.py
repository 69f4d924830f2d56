"""The command ``corpus trace``, which names the documents in a step's batch."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.commands.main import main
from tests.support.runs import ROOT
from tests.support.samples.corpora import write_corpus
from training.data.loader import Loader
from training.data.mixture import Mixture
from training.run_folder import claim

LENGTH, BATCH = 128, 16
ORDER = ["--batch_tokens", str(LENGTH * BATCH), "--sequence_length", str(LENGTH), "--seed", "3"]


@pytest.mark.parametrize("step", [1, 42, 122])
def test_the_documents_named_are_those_of_the_batch(demo_run, capsys, step) -> None:
    assert main(["trace", str(demo_run), "--step", str(step), *ORDER, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    loader = Loader(Mixture(demo_run, sequence_length=LENGTH, seed=3), batch_samples=BATCH)
    batch = next(tokens_BT1 for i, tokens_BT1 in enumerate(loader) if i == step - 1).numpy()
    covered = np.zeros_like(batch)
    for row in rows:
        sample = row["position"] - (step - 1) * BATCH
        part = slice(row["sample_begin"], row["sample_end"])
        bin_path = demo_run / row["shard"]
        docs = pq.read_table(bin_path.with_suffix(".docs.parquet"))
        record = docs.filter(np.array(docs["id"].to_pylist()) == row["id"]).to_pylist()[0]
        tokens = np.fromfile(
            bin_path, "<u2", record["token_count"], offset=2 * record["token_offset"]
        )
        assert np.array_equal(batch[sample, part], tokens[row["begin"] : row["end"]])
        assert row["source"] == row["shard"].split("/")[1] and row["url"] == record["url"]
        covered[sample, part] += 1
    assert (covered == 1).all()


def test_the_table(demo_run, capsys) -> None:
    assert main(["trace", str(demo_run), "--step", "2", *ORDER]) == 0
    printed = capsys.readouterr().out
    mixture = Mixture(demo_run, sequence_length=LENGTH, seed=3)
    for position in range(BATCH, 2 * BATCH):
        assert f"\n{position:>8} │ " in printed
        assert mixture.documents_of(position)[0].source in printed


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--step", "123"], "step 123 of a run of the steps 1 to 122"),
        (["--step", "0"], "step 0"),
        (["--step", "1", "--batch_tokens", "100"], "not made of samples of 128"),
        (["--step", "1", "--token_budget", "10"], "a budget of 10 tokens"),
    ],
)
def test_mistakes_are_told_in_one_line(demo_run, capsys, more, text) -> None:
    assert main(["trace", str(demo_run), *ORDER, *more]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and text in error


def test_a_training_run_knows_its_order(demo_run, tmp_path, capsys) -> None:
    manifest = json.loads((demo_run / "manifest.json").read_text())
    run = {"corpus": manifest["sha256"], "steps": 50, "batch_tokens": LENGTH * BATCH,
           "sequence_length": LENGTH, "seed": 3}  # fmt: skip
    claim(tmp_path / "run", run)
    arguments = ["trace", str(demo_run), "--step", "50", "--json"]
    assert main([*arguments, "--run", str(tmp_path / "run")]) == 0
    of_run = json.loads(capsys.readouterr().out)
    assert main([*arguments, *ORDER, "--token_budget", str(50 * LENGTH * BATCH)]) == 0
    assert json.loads(capsys.readouterr().out) == of_run
    claim(tmp_path / "other", {**run, "corpus": "0"})
    for more, text in (
        (["--run", str(tmp_path / "other")], "on another corpus"),
        (["--run", str(tmp_path / "nothing")], "no run.json there"),
        (["--run", str(tmp_path / "run"), "--seed", "3"], "leave out --seed"),
        (["--seed", "3"], "give --run, or --batch_tokens"),
    ):
        assert main([*arguments, *more]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1 and text in error


@pytest.mark.slow
def test_it_imports_no_pytorch(demo_run) -> None:
    code = (
        "import sys; from pipeline.commands.main import main; "
        f"main(['trace', {str(demo_run)!r}, '--step', '1', *{ORDER!r}]); "
        "assert not [m for m in sys.modules if m.startswith(('torch', 'apache_beam', 'numba'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)


def test_a_run_on_an_earlier_mixture_is_traced_by_its_name(tmp_path, capsys) -> None:
    documents = [[range(0, 500)], [range(500, 900)]]
    write_corpus(tmp_path, {"a": documents, "b": documents}, {"a": 0.5, "b": 0.5}, 4000)
    arguments = ["trace", str(tmp_path), "--sequence_length", "10", "--batch_tokens", "100",
                 "--seed", "1", "--step", "2", "--json"]  # fmt: skip
    assert main(arguments) == 0
    before = capsys.readouterr().out
    (tmp_path / "mixtures").mkdir()
    (tmp_path / "manifest.json").rename(tmp_path / "mixtures" / "even.json")
    write_corpus(tmp_path, {"a": documents, "b": documents}, {"a": 0.1, "b": 0.9}, 4000)
    assert main(arguments) == 0
    assert capsys.readouterr().out != before
    assert main([*arguments, "--mixture", "even"]) == 0
    assert capsys.readouterr().out == before

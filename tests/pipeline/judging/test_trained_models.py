"""Comparison by trained models: the trainer is started, goes on, and finds what is planted."""

from __future__ import annotations

import json
import random
import shlex
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipeline.commands.main import main as corpus
from pipeline.errors import RunError
from pipeline.judging.scorers import Draw
from pipeline.judging.trained_models import (
    BATCH_TOKENS,
    TRAINED_MEANING,
    trained_scorer,
    write_draw,
)
from tests.support.judged_runs import wikipedia_texts, write_run, write_texts
from tests.support.runs import ROOT, start
from tests.support.samples.corpora import plain_streams
from tests.support.training_runs import rows
from training.checkpoint import newest_whole

STEPS = 3
MODULE = ROOT / "pipeline" / "commands" / "main.py"


def mixed_up(text: str) -> str:
    letters = text.split()
    random.Random(0).shuffle(letters)
    return " ".join(word[::-1] for word in letters)


@pytest.mark.slow
def test_a_spoiled_run_is_judged_worse_by_trained_models(tmp_path, shared_data: Path, capsys):
    articles = wikipedia_texts(shared_data, 120)
    held_out, kept = articles[:12], articles[12:]
    runs = {"whole": kept, "spoiled": [mixed_up(text) for text in kept]}
    outputs = [str(write_run(tmp_path / name, {"web": texts})) for name, texts in runs.items()]
    held_out_file = write_texts(tmp_path / "held_out.jsonl", [text[:400] for text in held_out])
    page, work = tmp_path / "page.html", tmp_path / "work"
    command = [
        "judge", *outputs, "--held_out", f"wiki={held_out_file}", "--model", "10M", "--draws", "2",
        "--tokens", str(STEPS * BATCH_TOKENS["10M"]), "--work", str(work), "--html", str(page),
    ]  # fmt: skip
    assert corpus([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["meaning"] == TRAINED_MEANING and told["model"] == "10M"
    assert [Path(name).name for name in told["results"]["wiki"]["order"]] == ["whole", "spoiled"]
    assert 1 < told["results"]["wiki"]["figures"][outputs[0]]["bits_per_byte"] < 8
    curves = told["curves"]
    assert set(curves) == set(outputs)
    assert all(len(curve) == STEPS for of_draws in curves.values() for curve in of_draws)
    assert all(curve[-1] < curve[0] for of_draws in curves.values() for curve in of_draws)
    assert "Losses of the trainings" in page.read_text()
    assert len([*work.iterdir()]) == 4  # scores of each draw, and no training
    assert corpus(command) == 0  # takes what is kept
    assert TRAINED_MEANING in capsys.readouterr().out


@pytest.mark.slow
def test_a_comparison_that_is_stopped_leaves_no_trainer_but_a_checkpoint(tmp_path, monkeypatch):
    outputs = [
        str(write_run(tmp_path / name, {"web": [f"{name} {i} of many. " * 100 for i in range(99)]}))
        for name in ("one", "other")
    ]
    held_out = write_texts(tmp_path / "held_out.jsonl", ["Some other words."] * 12)
    command = [
        "judge", *outputs, "--held_out", f"wiki={held_out}", "--model", "10M", "--draws", "2",
        "--tokens", str(20 * BATCH_TOKENS["10M"]), "--work", str(tmp_path / "work"),
    ]  # fmt: skip
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    process = start(*command, module="pipeline.commands.main")
    wait_until_a_step(process, tmp_path / "work")
    trainer = psutil.Process(process.pid).children(recursive=True)
    process.terminate()  # it alone
    said = process.communicate(timeout=120)[0].decode().splitlines()
    assert process.returncode == 143
    assert [line for line in said if not line.endswith(" ...")] == [
        f"stopped; to go on from here: python {MODULE} {shlex.join(command)}"
    ]
    _, alive = psutil.wait_procs(trainer, timeout=20)
    assert not alive, f"{alive} outlive the command"
    (run,) = (tmp_path / "work").glob("training-*/run")
    assert newest_whole(run) == rows(run)[-1]["step"] < 20


def wait_until_a_step(process: subprocess.Popen[bytes], work: Path) -> None:
    deadline = time.monotonic() + 120
    while not any(rows(run) for run in work.glob("training-*/run")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)


def test_a_draw_is_a_corpus_with_the_marks_of_its_run(tmp_path):
    documents = [np.array([5, 6, 7]), np.array([8])]
    write_draw(Draw(documents, 100, (1,), (2,)), tmp_path / "both")
    assert plain_streams(tmp_path / "both", "train") == {
        "draw": pytest.approx([1, 5, 6, 7, 2, 1, 8, 2])
    }
    write_draw(Draw(documents, 1 << 17, (), (2,)), tmp_path / "end")
    assert plain_streams(tmp_path / "end", "train") == {"draw": pytest.approx([5, 6, 7, 2, 8, 2])}


def test_draws_that_cannot_be_trained_on_are_refused(tmp_path):
    score = trained_scorer("10M", 0, tmp_path).score
    with pytest.raises(RunError, match="3 tokens is less than a step of 1,024"):
        score(Draw([np.array([5, 6, 7])], 100, (1,), ()), [[np.array([5])]])
    with pytest.raises(RunError, match="no mark of begin or end"):
        score(Draw([np.array([5, 6, 7])], 100), [[np.array([5])]])


def test_the_trainer_is_needed(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"install llama-corpus\[train\]"):
        trained_scorer("10M", 0)

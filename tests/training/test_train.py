"""The training command: one process and two, stopped in every way, and continued."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from pipeline.commands.main import main as corpus
from tests.support.runs import ROOT
from tests.support.samples.corpora import write_corpus
from tests.support.sentencepiece_models import trained
from training.checkpoint import checkpoint_folder, newest_whole, steps_with_checkpoints
from training.data.mixture import NO_TOKEN, Mixture
from training.run_folder import METRICS_NAME
from training.train import FAILED, FINISHED, MISTAKEN, STOPPED, main

pytestmark = pytest.mark.slow

STEPS = 12
SETTINGS = [
    "--model", "10M", "--device", "cpu", "--sequence_length", "32", "--batch_tokens", "128",
    "--max_steps", str(STEPS), "--checkpoint_every", "3", "--log_every", "4", "--workers", "0",
    "--learning_rate", "3e-3", "--validate_every", "0", "--within_documents",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)  # as in the processes below, so that sums are equal


def arguments(corpus: Path, run: Path, *more: str) -> list[str]:
    return ["--data", str(corpus), "--output", str(run), *SETTINGS, *more]


def losses(run: Path) -> dict[int, float]:
    """Return the loss of every step."""
    found: dict[int, float] = {}
    for line in (run / METRICS_NAME).read_text().splitlines():
        row = json.loads(line)
        if "loss" in row:
            assert row["step"] not in found, "a step twice"
            found[row["step"]] = row["loss"]
    return found


def start(given: list[str], n_processes: int) -> subprocess.Popen[bytes]:
    """Start the training command in a process group of its own."""
    command = ["-m", "training.train"]
    if n_processes > 1:
        command = ["-m", "torch.distributed.run", "--nproc_per_node", str(n_processes), *command]
    return subprocess.Popen(
        [sys.executable, *command, *given], cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def kill(process: subprocess.Popen[bytes], condition: Callable[[], bool], delay: float = 0) -> None:
    """Kill a command and its processes with SIGKILL, ``delay`` seconds after a condition holds."""
    deadline = time.monotonic() + 240
    while not condition():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline, "the condition did not come about"
        time.sleep(0.005)
    time.sleep(delay)
    started = psutil.Process(process.pid).children(recursive=True)
    for one in [process, *started]:
        one.kill()
    process.communicate()
    psutil.wait_procs(started)


def finish(process: subprocess.Popen[bytes]) -> str:
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output.decode()
    return output.decode()


def lines_written(run: Path) -> int:
    path = run / METRICS_NAME
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def when(condition: Callable[[], bool], action: Callable[[], object]) -> None:
    """Call a function in another thread as soon as a condition holds."""

    def wait() -> None:
        while not condition():
            time.sleep(0.01)
        action()

    threading.Thread(target=wait, daemon=True).start()


@pytest.fixture(scope="module")
def undisturbed(demo_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process from beginning to end."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    assert main(arguments(demo_run, run, "--micro_batch_samples", "4")) == FINISHED
    return run


def test_the_last_checkpoints_are_kept(undisturbed: Path) -> None:
    assert steps_with_checkpoints(undisturbed) == [6, 9, 12]
    assert sorted(losses(undisturbed)) == list(range(1, STEPS + 1))
    assert not list((undisturbed / "checkpoints").glob("unfinished-*"))


def test_a_finished_run_does_nothing_more(undisturbed: Path, demo_run: Path) -> None:
    before = losses(undisturbed)
    assert main(arguments(demo_run, undisturbed)) == FINISHED
    assert losses(undisturbed) == before


def test_accumulated_gradients_and_a_chunked_loss_give_the_same_curve(
    undisturbed: Path, demo_run: Path, tmp_path: Path
) -> None:
    more = ["--micro_batch_samples", "1", "--loss_chunk_tokens", "10", "--max_steps", str(STEPS)]
    assert main(arguments(demo_run, tmp_path, *more, "--checkpoint_every", "99")) == FINISHED
    assert losses(tmp_path) == pytest.approx(losses(undisturbed), rel=2e-4)


def test_two_processes_killed_and_gone_on_with_by_one(
    undisturbed: Path, demo_run: Path, tmp_path: Path
) -> None:
    """Two processes give the curve of one. After a kill, one continues on the same curve."""
    process = start(arguments(demo_run, tmp_path), 2)
    kill(process, lambda: newest_whole(tmp_path) is not None and lines_written(tmp_path) > 4)
    by_two = losses(tmp_path)
    assert by_two == pytest.approx({n: losses(undisturbed)[n] for n in by_two}, rel=2e-4)
    resumed_after = newest_whole(tmp_path)
    assert resumed_after and resumed_after < STEPS
    assert main(arguments(demo_run, tmp_path)) == FINISHED
    assert {n: losses(tmp_path)[n] for n in range(1, resumed_after + 1)} == {
        n: by_two[n] for n in range(1, resumed_after + 1)
    }
    assert losses(tmp_path) == pytest.approx(losses(undisturbed), rel=2e-4)


def test_killed_at_random_the_curve_goes_on_to_the_bit(
    undisturbed: Path, demo_run: Path, tmp_path: Path
) -> None:
    seed = random.randrange(1000)
    after, delay = random.Random(seed).randint(1, STEPS - 3), random.Random(seed).random() / 5
    process = start(arguments(demo_run, tmp_path, "--micro_batch_samples", "4"), 1)
    kill(process, lambda: lines_written(tmp_path) >= after, delay)
    assert main(arguments(demo_run, tmp_path, "--micro_batch_samples", "4")) == FINISHED
    assert losses(tmp_path) == losses(undisturbed), f"seed {seed}"


def test_one_process_gone_on_with_by_two(
    undisturbed: Path, demo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    when(lambda: lines_written(tmp_path) >= 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert main(arguments(demo_run, tmp_path, "--micro_batch_samples", "4")) == STOPPED
    stopped_at = newest_whole(tmp_path)
    assert stopped_at is not None and 2 < stopped_at < STEPS
    assert f"a checkpoint of step {stopped_at}" in capsys.readouterr().out
    assert sorted(losses(tmp_path)) == list(range(1, stopped_at + 1))
    assert f"going on after step {stopped_at}" in finish(start(arguments(demo_run, tmp_path), 2))
    assert losses(tmp_path) == pytest.approx(losses(undisturbed), rel=2e-4)


def test_packed_samples_give_one_curve_and_are_traced(
    demo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Processes have different numbers of targets, since samples are not all full."""
    more = ["--packing", "best_fit", "--sequence_length", "64", "--batch_tokens", "256"]
    more += ["--max_steps", "6"]
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(arguments(demo_run, one, *more, "--micro_batch_samples", "2")) == FINISHED
    finish(start(arguments(demo_run, two, *more, "--packing_folder", str(one / "packing")), 2))
    assert losses(two) == pytest.approx(losses(one), rel=2e-4)
    assert not (two / "packing").exists()
    mixture = Mixture(demo_run, sequence_length=64, seed=0, token_budget=6 * 256,
                      packing=one / "packing")  # fmt: skip
    assert (mixture.samples(np.arange(24)) == NO_TOKEN).any()
    capsys.readouterr()
    assert corpus(["trace", str(demo_run), "--run", str(one), "--step", "2", "--json"]) == 0
    traced = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in traced] == [
        span.id for position in range(4, 8) for span in mixture.documents_of(position)
    ]
    assert main(arguments(demo_run, one, *more, "--packing", "concatenate")) == MISTAKEN
    assert "packing is 'best_fit' there and None here" in capsys.readouterr().err


def test_damaged_and_unfinished_checkpoints_are_not_taken(
    demo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    four = arguments(demo_run, tmp_path, "--max_steps", "4", "--checkpoint_every", "1")
    assert main(four) == FINISHED
    before = losses(tmp_path)
    assert steps_with_checkpoints(tmp_path) == [2, 3, 4]
    cut = checkpoint_folder(tmp_path, 4) / "__0_0.distcp"
    cut.write_bytes(cut.read_bytes()[:-1])
    (checkpoint_folder(tmp_path, 3) / ".metadata").unlink()
    left = tmp_path / "checkpoints" / "unfinished-00000005"
    left.mkdir()
    assert main(four) == FINISHED
    printed = capsys.readouterr()
    assert "step-00000004 is damaged and not used: __0_0.distcp has" in printed.err
    assert "step-00000003 is damaged and not used: .metadata is missing" in printed.err
    assert "going on after step 2" in printed.out
    assert losses(tmp_path) == before
    assert not left.exists()


def test_a_tokenizer_that_cannot_be_exported_is_told_at_the_start(
    undisturbed: Path, demo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(demo_run, undisturbed)) == FINISHED
    assert "warning" not in capsys.readouterr().err
    model = trained(model_type="unigram")
    path = tmp_path / "tokenizer.model"
    path.write_bytes(model)
    train = {"c4": [[range(400)]]}
    write_corpus(tmp_path, train, {"c4": 1}, 256)
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    digest = hashlib.sha256(model).hexdigest()
    manifest["tokenizer"] |= {"model": str(path), "sha256": digest}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    given = arguments(tmp_path, tmp_path / "run", "--max_steps", "2", "--no-within_documents")
    assert main(given) == FINISHED
    printed = capsys.readouterr().err
    assert printed == "warning: training.export will refuse this run: it is not a BPE model\n"


def test_another_run_in_the_folder_is_refused(
    undisturbed: Path, demo_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (undisturbed / "run.json").read_bytes()
    assert main(arguments(demo_run, undisturbed, "--seed", "5")) == MISTAKEN
    printed = capsys.readouterr().err
    assert "holds another run: seed is 0 there and 5 here; give" in printed
    assert printed.count("\n") == 1
    assert (undisturbed / "run.json").read_bytes() == before


def test_a_loss_that_is_not_finite_names_its_documents(
    demo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arguments(demo_run, tmp_path, "--learning_rate", "1e30", "--max_gradient_norm",
                      "1e30", "--warmup_steps", "0")  # fmt: skip
    assert main(given) == FAILED
    printed = capsys.readouterr().err
    step = int(printed.split(":")[1].removeprefix(" step "))
    mixture = Mixture(demo_run, sequence_length=32, seed=0, token_budget=STEPS * 128)
    named = [s.id for i in range(4 * step - 4, 4 * step) for s in mixture.documents_of(i)]
    assert all(name in printed for name in named)
    assert f"corpus trace {demo_run} --run {tmp_path} --step {step}" in printed
    assert newest_whole(tmp_path) is None


def test_a_model_learns_the_demos_shards(demo_run: Path, tmp_path: Path) -> None:
    """Training and validation loss fall well below the entropy of the tokens' frequencies."""
    given = [
        "--data", str(demo_run), "--output", str(tmp_path), "--model", "10M", "--device", "cpu",
        "--sequence_length", "128", "--batch_tokens", "1024", "--max_steps", "90",
        "--checkpoint_every", "999", "--validate_every", "90", "--learning_rate", "1e-3",
        "--workers", "0",
    ]  # fmt: skip
    assert main(given) == FINISHED
    mixture = Mixture(demo_run, sequence_length=128, seed=0, token_budget=90 * 1024)
    counts = np.bincount(mixture.samples(np.arange(mixture.n_samples))[:, 1:].ravel())
    shares = counts[counts > 0] / counts.sum()
    entropy = float(-(shares * np.log(shares)).sum())
    curve = losses(tmp_path)
    last = np.mean([curve[n] for n in range(81, 91)])
    print(f"entropy {entropy:.3f}, last ten losses {last:.3f}")
    assert last < entropy - 0.4
    rows = [json.loads(line) for line in (tmp_path / METRICS_NAME).read_text().splitlines()]
    validation = {k: v for k, v in rows[-1].items() if k.startswith("validation_loss/")}
    assert {"validation_loss/c4", "validation_loss/commoncrawl"} <= validation.keys()
    assert all(0 < value < entropy for value in validation.values())

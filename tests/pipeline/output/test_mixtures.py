"""Mixtures of a finished run: new manifests over shards that stay as they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.commands.main import main as corpus
from pipeline.commands.program import INTERRUPTED
from pipeline.inspection.verify import verify
from pipeline.output import mixtures, whole_files
from tests.support.edited_recipes import edited
from tests.support.runs import ROOT, digests, run_demo
from training.data.mixture import Mixture

SOURCES = ["--sources", "c4,stackexchange"]
OTHER = ["--set", "sources.c4.proportion=0.3", "--set", "token_budget=90000"]
RECIPE = ["--recipe", str(ROOT / "recipes" / "demo.yaml"), *SOURCES]
PAGES = ("report.html", "DATACARD.md")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two sources, which tests copy."""
    output = tmp_path_factory.mktemp("made") / "out"
    assert run_demo(output, *SOURCES) == 0
    return output


@pytest.fixture
def output(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "out")


def mix(output: Path, *more: str) -> int:
    return corpus(["mix", str(output), *RECIPE, "--no_report", *more])


def manifest(output: Path, name: str = "manifest.json") -> dict:
    return json.loads((output / name).read_text())


def test_a_new_mixture_leaves_all_else_as_it_is(output: Path, capsys) -> None:
    before = digests(output)
    assert mix(output, *OTHER) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        f"{output} has a new mixture, mixture-2; no shard was changed",
        "  recipe.sources.c4.proportion was 0.8823529411764707, is now 0.9375",
        "  recipe.sources.stackexchange.proportion was 0.11764705882352942, is now 0.0625",
        "  recipe.token_budget was 250000, is now 90000",
        "The one before it stays as mixture-1: a trainer takes it with --mixture mixture-1",
    ]
    after = digests(output)
    assert after.pop("mixtures/mixture-1.json") == before["manifest.json"]
    assert after.pop("mixtures/mixture-2.json") == after.pop("manifest.json")
    assert after == {
        name: digest for name, digest in before.items() if name not in ("manifest.json", *PAGES)
    }
    assert verify(str(output)) == []
    made = manifest(output)
    assert made["token_budget"] == 90000
    for name, share in (("c4", 0.9375), ("stackexchange", 0.0625)):
        source = made["sources"][name]
        assert (source["proportion"], source["sampled_tokens"]) == (share, round(90000 * share))
        assert source["epochs"] == 90000 * share / source["train_tokens"]


def test_a_second_run_with_other_numbers_is_a_new_mixture(output: Path, capsys) -> None:
    before = digests(output)
    assert run_demo(output, *SOURCES, *OTHER) == 0
    printed = capsys.readouterr().out
    assert "has a new mixture, mixture-2; no shard was changed" in printed
    assert "Mixture of 90,000 tokens" in printed
    assert "90,000" in (output / "DATACARD.md").read_text()
    assert verify(str(output)) == []
    assert run_demo(output, *SOURCES, *OTHER) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert run_demo(output, *SOURCES) == 0
    kept = {name: d for name, d in digests(output).items() if not name.startswith("mixtures/")}
    assert kept == before


def test_a_run_that_goes_on_takes_the_newest_numbers(output: Path) -> None:
    before = manifest(output)
    (output / "manifest.json").unlink()
    assert run_demo(output, *SOURCES, *OTHER) == 0
    assert manifest(output)["token_budget"] == 90000
    assert verify(str(output)) == []
    assert run_demo(output, *SOURCES) == 0
    assert manifest(output) == before


def test_mixtures_have_names(output: Path, capsys) -> None:
    assert mix(output, "--name", "first") == 0
    assert "has this mixture already; it is first" in capsys.readouterr().out
    assert mix(output, *OTHER, "--name", "wide", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["name"], made["earlier"], len(made["changes"])) == ("wide", "first", 3)
    assert mix(output) == 0
    assert sorted(p.name for p in (output / "mixtures").iterdir()) == ["first.json", "wide.json"]
    assert manifest(output) == manifest(output, "mixtures/first.json")
    for more, text in (
        (["--name", "wide"], "has another mixture of that name"),
        (["--name", "../x"], "a name is made of letters"),
        (["--set", "sources.c4.steps.deduplicate_documents.keep=none"], "something else: recipe."),
    ):
        assert mix(output, *more) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1 and text in error


def test_the_first_mixture_comes_back_under_its_name(tmp_path: Path, capsys) -> None:
    """Also where a recipe says what it need not say: no weights, and how documents are kept."""

    def change(raw: dict) -> None:
        domains = {"by": ["language"], "weights": None}
        raw["sources"] = {"c4": {**raw["sources"]["c4"], "proportion": 1.0, "domains": domains}}
        raw["reading"]["keep_documents"] = "never"

    recipe = edited(tmp_path, change)
    output = tmp_path / "out"
    assert run_demo(output, "--recipe", recipe, "--no_report") == 0
    arguments = ["mix", str(output), "--recipe", recipe, "--no_report"]
    capsys.readouterr()
    before = (output / "manifest.json").read_bytes()
    weights = "sources.c4.domains.weights={unknown: 2}"
    assert corpus([*arguments, "--set", weights]) == 0
    assert corpus(arguments) == 0
    printed = capsys.readouterr()
    assert "has a new mixture, mixture-2" in printed.out and printed.err == ""
    assert (output / "manifest.json").read_bytes() == before
    assert sorted(path.name for path in (output / "mixtures").iterdir()) == [
        "mixture-1.json", "mixture-2.json",
    ]  # fmt: skip


def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path, capsys) -> None:
    assert mix(tmp_path) == 2
    assert "no manifest.json there" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def killed_after(n_files: int):
    """Return what writes some files and then is killed."""
    written: list[str] = []

    def write(folder: str, name: str, data: bytes) -> str:
        if len(written) == n_files:
            raise KeyboardInterrupt
        written.append(name)
        return whole_files.write_bytes(folder, name, data)

    return write


def test_a_killed_command_leaves_one_mixture_or_the_other(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shutil.copytree(output, tmp_path / "whole")
    assert mix(whole, *OTHER) == 0
    for at in range(3):
        killed = shutil.copytree(output, tmp_path / f"killed-{at}")
        with monkeypatch.context() as patched:
            writes = SimpleNamespace(write_bytes=killed_after(at))
            patched.setattr(mixtures, "whole_files", writes)
            assert mix(killed, *OTHER) == INTERRUPTED
        assert manifest(killed) == manifest(output)
        assert verify(str(killed)) == []
        assert mix(killed, *OTHER) == 0
        assert digests(killed) == digests(whole)


def test_damage_to_a_kept_mixture_is_found(output: Path) -> None:
    assert mix(output, *OTHER) == 0
    path = output / "mixtures" / "mixture-1.json"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"token_budget": 250000', b'"token_budget": 250001'))
    assert verify(str(output)) == ["mixtures/mixture-1.json: does not match its own SHA-256"]
    other = json.loads(whole)
    other["shards"][0]["shard"] += 1
    path.write_bytes(mixtures.storage.json_bytes(mixtures.sealed(other)))
    assert verify(str(output)) == [
        "mixtures/mixture-1.json: is of other shards than the manifest's"
    ]
    path.write_text("{")
    (problem,) = verify(str(output))
    assert problem.startswith("mixtures/mixture-1.json: not readable")


def test_a_changed_opt_out_list_removes_mixtures_of_shards_that_go(
    output: Path, tmp_path: Path
) -> None:
    assert mix(output, *OTHER) == 0
    (tmp_path / "list.txt").write_text("c4/none.gz#7\n")
    assert run_demo(output, *SOURCES, "--set", f"opt_out={tmp_path / 'list.txt'}") == 0
    assert not (output / "mixtures").exists()
    assert verify(str(output)) == []


def test_the_trainer_takes_a_mixture_by_its_name(output: Path) -> None:
    def opened(name: str | None = None) -> Mixture:
        return Mixture(output, sequence_length=64, seed=1, mixture=name)

    first = opened()
    state = first.state(5)
    assert mix(output, *OTHER) == 0
    newest, old = opened(), opened("mixture-1")
    assert np.array_equal(first.samples(np.arange(50)), old.samples(np.arange(50)))
    assert old.position_in(state) == 5
    assert opened("mixture-2").fingerprint == newest.fingerprint
    counts = dict(zip(newest.sources, newest.samples_of_source, strict=True))
    assert counts == {"c4": round(90000 // 64 * 0.9375), "stackexchange": 88}
    with pytest.raises(ValueError, match="another corpus or mixture"):
        newest.position_in(state)
    with pytest.raises(ValueError, match=r"no mixtures/none\.json there"):
        opened("none")
    with pytest.raises(ValueError, match="not the name of a mixture"):
        opened("../manifest")

"""The main command: equal bytes everywhere, resuming after a kill, errors in one line."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import time

import pytest

import beam_runner
from pipeline.commands.main import command_parser
from pipeline.inspection.status import status
from pipeline.inspection.verify import verify
from tests.support.runs import ROOT, digests, kill_when, run_demo, start

SLOW = [
    "--set",
    "sources.commoncrawl.steps=[{drop_short: {min_chars: 300}}, "
    "{tests.support.runs.slow: {seconds: 0.3}}, "
    "{deduplicate_lines: {keep: none, window_files: null}}, "
    "{tests.support.runs.slow: {seconds: 0.1}}]",
    "--set",
    "shards.target_shard_tokens=50000",
]


@pytest.fixture(scope="module")
def demo(demo_run, tmp_path_factory):
    """A copy of the run, because tests give its command again."""
    return shutil.copytree(demo_run, tmp_path_factory.mktemp("demo") / "out")


def test_the_demo_verifies_and_leaves_no_work_behind(demo):
    assert verify(str(demo)) == []
    names = digests(demo)
    assert not [name for name in names if name.startswith(("work/", "."))]
    assert {name.split("/")[0] for name in names} == {
        "DATACARD.md", "decisions", "joined", "ledger", "ledger.parquet", "manifest.json",
        "plan.jsonl", "run.json", "shards",
    }  # fmt: skip


@pytest.mark.slow
def test_the_same_bytes_from_two_processes(demo, tmp_path):
    assert run_demo(tmp_path / "out", workers=2) == 0
    assert digests(tmp_path / "out") == digests(demo)


def test_a_finished_run_does_nothing(demo, capsys):
    before = {path: path.stat().st_mtime_ns for path in demo.rglob("*")}
    assert run_demo(demo) == 0
    printed = capsys.readouterr().out
    assert "nothing to do" in printed and "made before. To look:" in printed
    assert printed.index("stackexchange") > printed.index("commoncrawl"), "the recipe's order"
    assert printed.index("wikipedia") < printed.index("books"), "the recipe's order"
    assert {path: path.stat().st_mtime_ns for path in demo.rglob("*")} == before


@pytest.mark.parametrize("recipe", ["recipes/demo.yaml", "./recipes/../recipes/demo.yaml"])
def test_one_recipe_by_another_path_is_the_same_run(demo, monkeypatch, capsys, recipe):
    monkeypatch.chdir(ROOT)
    before = digests(demo)
    assert run_demo(demo, "--recipe", recipe) == 0
    assert "nothing was changed" in capsys.readouterr().out
    assert digests(demo) == before and verify(str(demo)) == []


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("moment", ["work/fingerprints/**/*.fp", "ledger/commoncrawl/*.json"])
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path, workers, moment):
    arguments = [*SLOW, "--sources", "commoncrawl"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run_demo(whole, *arguments) == 0
    command = ["--output", str(killed), "--workers", workers, *arguments]
    kill_when(start(*command), lambda: any(killed.glob(moment)))
    assert not (killed / "manifest.json").exists()
    for _ in range(500):  # until the guard has ended what the killed command had started
        if (found := status(str(killed)))["state"] != "running":
            break
        time.sleep(0.02)
    assert found["state"] == "stopped" and found["go_on"].endswith(shlex.join(command))
    counts = found["sources"]["commoncrawl"]
    assert counts["shards_done"] == len(list(killed.glob("ledger/*/*.json"))) < counts["shards"]
    done = {path: path.stat().st_mtime_ns for path in killed.glob("ledger/*/*.json")}
    assert run_demo(killed, *arguments) == 0
    assert digests(killed) == digests(whole)
    found = status(str(killed))
    assert (found["state"], found["go_on"], found["passes"]) == ("finished", None, {})
    assert {path: path.stat().st_mtime_ns for path in done} == done, "a whole shard was built again"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "moment"),
    [
        ("books", "work/fingerprints/**/*.sketch"),
        ("stackexchange", "work/records/**/*.index"),
        ("stackexchange", "joined/*/*.parquet"),
    ],
)
def test_a_run_killed_while_it_compares_or_joins_goes_on(tmp_path, source, moment):
    slow_steps = {
        "books": "[strip_gutenberg, {tests.support.runs.slow: {seconds: 0.3}}, {deduplicate_near: "
        "{min_overlap: 0.9, shingle_words: 5, bands: 20, rows: 8, prefer: longest, "
        "max_neighbours: 8, max_partners: 4}}]",
        "stackexchange": "[{tests.support.runs.slow: {seconds: 1.0}}]",
    }[source]
    arguments = ["--sources", source, "--set", f"sources.{source}.steps={slow_steps}"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run_demo(whole, *arguments) == 0
    command = ["--output", str(killed), "--workers", "2", *arguments]
    kill_when(start(*command), lambda: any(killed.glob(moment)))
    assert not (killed / "manifest.json").exists()
    assert run_demo(killed, *arguments) == 0
    assert digests(killed) == digests(whole)


def test_another_recipe_is_noticed_and_refused(demo, capsys):
    before = digests(demo)
    setting = "sources.commoncrawl.steps.drop_short.min_chars=301"
    assert run_demo(demo, "--set", setting) == 2
    error = capsys.readouterr().err
    assert "min_chars was 300, is now 301" in error and "--start_over" in error
    assert error.count("\n") == 1
    assert digests(demo) == before


@pytest.mark.slow
def test_other_inputs_are_noticed_and_start_over_takes_them(tmp_path, capsys):
    data = tmp_path / "data" / "c4"
    data.mkdir(parents=True)
    (data / "a.json.gz").write_bytes(next((ROOT / "samples/data/c4").glob("*.gz")).read_bytes())
    output = tmp_path / "out"
    arguments = ["--sources", "c4", "--set", f"data={tmp_path / 'data'}"]
    assert run_demo(output, *arguments) == 0
    (data / "b.json.gz").write_bytes((data / "a.json.gz").read_bytes())
    assert run_demo(output, *arguments) == 2
    assert "input c4/b.json.gz is new" in capsys.readouterr().err
    assert run_demo(output, *arguments, "--start_over") == 0
    assert verify(str(output)) == []


@pytest.mark.slow
def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert run_demo(tmp_path) == 2
    assert "is not empty and holds no run" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_dry_run_starts_nothing(tmp_path, capsys):
    output = tmp_path / "out"
    assert run_demo(output, "--dry_run") == 0
    printed = capsys.readouterr().out
    for word in (
        "files",
        "bytes",
        "splits",
        "shards",
        "shuffle bytes",
        "kept bytes",
        "core-seconds",
        "c4",
    ):
        assert word in printed
    assert not output.exists()


@pytest.mark.slow
def test_a_shuffle_that_does_not_fit_is_refused_with_a_window_that_does(tmp_path, capsys):
    output = tmp_path / "out"
    few = ["--memory_bytes", "1200000"]
    assert run_demo(output, *few) == 2
    error = capsys.readouterr().err
    assert "in memory" in error and not output.exists()
    found = re.search(r"--set (\S+window_files=\d+)", error)
    assert found is not None
    assert run_demo(output, *few, "--dry_run") == 1
    assert "would be refused" in capsys.readouterr().out
    assert run_demo(output, *few, "--set", found.group(1), "--dry_run") == 0
    assert run_demo(output, "--memory_bytes", "12000") == 2
    assert "not even one file fits" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--recipe", "nowhere.yaml"], "no such recipe"),
        (["--sources", "c5"], "did you mean 'c4'"),
        (["--sources", "c4", "books"], "books: this word belongs to no option"),
        (["--set", "models=/nowhere"], "/nowhere/"),
        (["--set", "data=/nowhere"], "no file matches"),
        (["--workers", "0"], "--workers"),
        (["--runner=DirctRunner"], "did you mean 'DirectRunner'?"),
        (["--output", f"{ROOT}/README.md"], "README.md is a file; give a folder"),
        (["--output", f"{ROOT}/README.md/out"], "README.md is a file; give a folder"),
        (["--dry-run"], "did you mean --dry_run?"),
        (["--ouput=x"], "did you mean --output?"),
        (["--foo=3"], "--foo: there is no such option"),
        (["--runner=SparkRunner", "--spark_master_ulr=x"], "did you mean --spark_master_url?"),
    ],
)
def test_mistakes_are_told_in_one_line_before_any_work(tmp_path, capsys, arguments, expected):
    output = tmp_path / "out"
    assert beam_runner.main(["--output", str(output), *arguments]) == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1
    assert not output.exists()


@pytest.mark.slow
def test_windows_change_what_is_compared_and_run_in_waves(demo, tmp_path):
    output = tmp_path / "out"
    window = "sources.commoncrawl.steps.deduplicate_lines.window_files=1"
    assert run_demo(output, "--set", window, "--memory_bytes", "800000") == 0
    assert verify(str(output)) == []
    whole, windowed = (
        sum(path.stat().st_size for path in (folder / "shards/commoncrawl").glob("*.bin"))
        for folder in (demo, output)
    )
    assert windowed > whole


@pytest.mark.slow
def test_what_stops_a_run_is_told_in_a_line_and_it_goes_on(tmp_path, capfd, monkeypatch):
    (tmp_path / "fragile.py").write_text(
        "from pathlib import Path\n"
        "def step(batch, *, broken: str):\n"
        "    if Path(broken).exists():\n"
        "        raise OSError('no space left on device')\n"
        "    return batch\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    broken, output = tmp_path / "broken", tmp_path / "out"
    broken.touch()
    arguments = ["--sources", "c4", "--set",
                 f"sources.c4.steps=[{{fragile.step: {{broken: {broken}}}}}]"]  # fmt: skip
    assert run_demo(output, *arguments, workers=2) == 1
    printed = capfd.readouterr().err.splitlines()
    (error,) = [line for line in printed if not line.startswith("second pass")]
    place = f"the step fragile.step of source c4, file {ROOT}/recipes/../samples/data/c4/"
    assert error.startswith(f"error: the run stopped: {place}") and ", record c4/" in error
    assert ": OSError: no space left on device (" in error and "while running" not in error
    assert "Traceback" in (output / "error.txt").read_text()
    broken.unlink()
    assert run_demo(output, *arguments, workers=2) == 0
    assert verify(str(output)) == [] and not (output / "error.txt").exists()


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit):
        beam_runner.main(["--help"])
    printed = capsys.readouterr().out
    for option in ("--recipe", "--output", "--sources", "--set", "--dry_run", "--workers"):
        assert option in printed


def test_another_environment_is_told_which_python_to_use():
    command = [sys.executable, "-S", "beam_runner.py", "--dry_run"]  # without its packages
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1 and "'make demo' installs them" in ended.stderr


def test_options_that_are_unknown_here_go_to_beam():
    options = ["--runner=SparkRunner", "--spark_master_url=local[2]"]
    _, others = command_parser().parse_known_args(["run", *options])
    assert others == ["--spark_master_url=local[2]"]


def test_the_readme_names_every_recipe_and_no_other():
    named = set(re.findall(r"recipes/(\w+\.yaml)", (ROOT / "README.md").read_text()))
    assert named == {path.name for path in (ROOT / "recipes").glob("*.yaml")}

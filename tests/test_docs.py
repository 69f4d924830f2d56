"""Pages of the root and of docs/: their commands run, and the files and names in them exist."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.commands import main as corpus_command
from tests.support.docs_commands import CANNOT_RUN, COVERED, FILLED_IN
from tests.support.docs_text import File, actions, commands, inline_code, links, pages
from tests.support.runs import ROOT

FOLDERS = ("benchmarks", "docs", "pipeline", "recipes", "samples", "scripts", "spark", "tests",
           "tokenizer", "training", "transforms")  # fmt: skip


def begins_with(command: str, listed: dict[str, str]) -> bool:
    return any(command.startswith(beginning) for beginning in listed)


@pytest.fixture
def scratch(demo_run, tmp_path):
    """A folder that looks like the project, with a finished demo and the files of the README."""
    for path in ROOT.iterdir():
        if path.name not in ("out", ".venv", ".git"):
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "out").mkdir()
    subprocess.run(["cp", "-r", demo_run, tmp_path / "out" / "demo"], check=True)
    demo = yaml.safe_load((ROOT / "recipes" / "demo.yaml").read_text())
    demo["variables"] = {name: f"{ROOT}/samples/{name}" for name in ("data", "models")}
    shown = re.search(r"^```yaml\n(steps:.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    steps = yaml.safe_load(shown[1])["steps"]  # with the README's own filter
    demo["sources"] = {"c4": {**demo["sources"]["c4"], "proportion": 1.0, "steps": steps}}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(demo))
    return tmp_path


@pytest.mark.slow
def test_commands_run_as_written(scratch, demo_run):
    """Every page's files are written and its commands are run in order, each command once."""
    docs = pq.read_table(demo_run / "shards" / "c4" / "train-00000.docs.parquet", columns=["id"])
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                   "OMP_NUM_THREADS": "2"}  # fmt: skip
    done: set[str] = set()
    for page in pages():
        for file in (action for action in actions(page) if isinstance(action, File)):
            path = scratch / file.name
            assert not path.exists(), f"{page}: {file.name} is shown by another page too"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text)
        for command in commands(page):
            if command in done or begins_with(command, COVERED) or begins_with(command, CANNOT_RUN):
                continue
            done.add(command)
            for written, filled_in in FILLED_IN.get(str(page), {}).items():
                command = command.replace(written, filled_in.format(id=docs["id"][0]))
            result = subprocess.run(
                command, shell=True, cwd=scratch, env=environment, text=True, check=False,
                timeout=600, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            assert result.returncode == 0, f"{page}: {command}\n{result.stdout[-3000:]}"
    assert len(done) > 15


def test_the_lists_of_commands_name_what_there_is():
    """Every entry matches a command, and every test that an entry names exists."""
    written = {page: commands(page) for page in pages()}
    everything = [command for found in written.values() for command in found]
    for beginning in (*COVERED, *CANNOT_RUN):
        assert any(command.startswith(beginning) for command in everything), beginning
    for page, replaced in FILLED_IN.items():
        for text in replaced:
            assert any(text in command for command in written[Path(page)]), (page, text)
    for test in COVERED.values():
        file, name = test.split("::")
        functions = ast.parse((ROOT / file).read_text()).body
        assert name in {f.name for f in functions if isinstance(f, ast.FunctionDef)}, test


@pytest.mark.parametrize("page", pages(), ids=str)
def test_what_a_page_names_is_there(page):
    for target in links(page):
        assert (ROOT / page.parent / target).exists(), f"{page} links to {target}"
    known = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    known |= {path.name for path in ROOT.glob("*.py")}
    shown = {action.name for action in actions(page) if isinstance(action, File)}
    for code in inline_code(page):
        for name in re.findall(rf"(?<![\w/.$}}])(?:{'|'.join(FOLDERS)})/[\w./*-]+", code):
            assert list(ROOT.glob(name.rstrip("/."))), f"{page} names {name}"
        if re.fullmatch(r"\w+\.py", code):
            assert code in known | shown, f"{page} names {code}"


@pytest.mark.parametrize("page", pages(), ids=str)
def test_commands_that_a_page_names_have_these_options(page):
    """Commands in blocks and between backticks are checked, also those that are not run here."""
    targets = re.findall(r"^([\w./$()-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets += re.findall(r"^\w+ = (build/\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    shown = {action.name for action in actions(page) if isinstance(action, File)}
    for command in [*commands(page), *inline_code(page)]:
        if not re.match(r"(corpus|make|python) ", command):
            continue
        words = shlex.split(command)
        if words[0] == "make":
            assert words[1] in targets, f"{page}: {command}"
        if words[0] == "python" and words[1].endswith(".py"):
            assert words[1] in shown or (ROOT / words[1]).exists(), f"{page}: {command}"
        if words[0] == "corpus":
            check_corpus_command(page, words)


def test_modules_have_moved_to_where_the_changelog_says():
    rows = re.findall(r"^  \| (`.*) \|$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert len(rows) > 50
    for names, *_, new in (row.split(" | ") for row in rows):
        module = importlib.import_module(re.findall("`(.*?)`", new)[0])
        for name in re.findall(r"`(\w+)`", names):  # one with dots is a module's old name
            if not hasattr(module, name):
                importlib.import_module(f"{module.__name__}.{name}")


def check_corpus_command(page, words):
    subparsers = next(a for a in corpus_command.command_parser()._actions if a.dest == "command")
    assert words[1] in subparsers.choices, f"{page}: {' '.join(words)}"
    parser = subparsers.choices[words[1]]
    for action in parser._actions:
        if isinstance(action.choices, dict) and len(words) > 2:  # of commands of its own
            assert words[2] in action.choices, f"{page}: {' '.join(words)}"
            parser = action.choices[words[2]]
    options = parser._option_string_actions
    for word in words[2:]:
        if re.match(r"--[a-z]", word):
            assert word.split("=")[0] in options, f"{page}: {' '.join(words)}: {word}"

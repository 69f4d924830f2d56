"""Code of a run: a step's modules and the package's files, and how a change of them is told."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import ChangedError
from pipeline.output.differences import what_changed
from pipeline.passes.process import CODE, cached_recipe
from pipeline.recipe.code import ROOMS, ROOT, all_code, code_digest, modules_of, package_code
from pipeline.recipe.from_yaml import load_recipe
from tests.support.changing import arguments, errors, write_lines
from tests.support.runs import kill_when

FILTERS = """\
import json
import numpy
import transforms.documents
from . import words
from .rules.strict import is_good

def step(batch):
    from my_words import late
    return batch
"""


def files(root: Path, **sources: str) -> None:
    """Write modules, whose names have two underscores for each slash."""
    for name, text in sources.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    """A folder of a user's modules, which can be imported."""
    root = tmp_path / "mine"
    files(
        root,
        my_filters__init="",
        my_filters__filters=FILTERS,
        my_filters__words="from my_filters import *\n",
        my_filters__rules__strict="import importlib\nimportlib.import_module('my_named')\n",
        my_words__late="from my_words import missing\n",
        my_named="import json",
        my_unused="",
    )
    (root / "my_filters" / "init.py").rename(root / "my_filters" / "__init__.py")
    monkeypatch.syspath_prepend(str(root))
    importlib.invalidate_caches()
    yield root
    for name in [name for name in sys.modules if name.startswith("my_")]:
        del sys.modules[name]


def test_a_steps_modules_are_those_of_the_user_that_it_imports(mine):
    found = modules_of("my_filters.filters")
    assert list(found) == [
        "my_filters", "my_filters.filters", "my_filters.rules.strict", "my_filters.words",
        "my_named", "my_words.late",
    ]  # fmt: skip
    text = (mine / "my_named.py").read_bytes()
    assert found["my_named"] == hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize(
    "name", ["my_filters/filters.py", "my_words/late.py", "my_named.py", "my_filters/__init__.py"]
)
def test_a_change_of_any_of_them_is_another_code(mine, name):
    before = modules_of("my_filters.filters")
    with (mine / name).open("a") as file:
        file.write("\n# edited\n")
    after = modules_of("my_filters.filters")
    (changed,) = [module for module in before if before[module] != after[module]]
    assert changed == name[:-3].replace("/", ".").removesuffix(".__init__")
    assert code_digest(before) != code_digest(after)


def test_an_installed_package_is_the_users_only_where_it_has_the_step():
    assert modules_of("yaml.loader")["yaml.reader"]
    assert "yaml.reader" not in modules_of("transforms.wikipedia.inline_templates")


def test_the_packages_own_files_are_code(tmp_path):
    found = package_code()
    for name in ("transforms/length.py", "pipeline/readers/wet.py", "tokenizer/encode.py",
                 "transforms/wikipedia/template_tables/fr.yaml"):  # fmt: skip
        assert found[name] == hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
    assert "pipeline/commands/look.py" not in found, "it makes no document"
    assert not [name for name in found if "__pycache__" in name]
    assert {name.rpartition("/")[0] for name in found} >= set(ROOMS) - {"pipeline/models"}


def described(**given: object) -> dict[str, object]:
    return {"version": "1", "recipe": {}, "files": {}, "own_steps": {}, **given}


def test_changed_code_is_named(tmp_path):
    (tmp_path / "plan.jsonl").touch()

    def changes(old: object, new: object) -> list[str]:
        return what_changed(described(code=old), described(code=new), str(tmp_path), [])

    old = {"transforms/a.py": "1", "my_words": "2"}
    assert changes(old, old) == []
    assert changes(old, {**old, "my_words": "3"}) == ["the code of my_words has changed"]
    assert changes(old, {"my_words": "2", "transforms/b.py": "4"}) == [
        "the code of llama-corpus has changed: transforms/a.py, transforms/b.py"
    ]
    many = {f"transforms/{i}.py": "" for i in range(7)}
    (said,) = changes({}, many)
    assert said.endswith("transforms/3.py, transforms/4.py and 2 more")
    assert changes(None, old) == ["which code made it is not known: it is of an older version"]


def test_a_worker_with_other_code_does_nothing(monkeypatch):
    recipe = load_recipe(str(ROOT / "recipes" / "demo.yaml"), [], ["c4"])
    for told in (None, code_digest(all_code(recipe))):
        assert cached_recipe(json.dumps({**recipe.mapping, CODE: told})).sources
    with pytest.raises(ChangedError, match=r"the code on .* is not what the run began with"):
        cached_recipe(json.dumps({**recipe.mapping, CODE: "0"}))


STEP = """\
import time
from my_helper import mark

def slow(batch):
    time.sleep(1)
    return batch
"""


def run_of(data: Path, output: Path, root: Path) -> subprocess.Popen[bytes]:
    """Start a run of a second or so for each of four shards, with the package in ``root``."""
    given = arguments(data, output, "--set", "shards.target_shard_tokens=1",
                      steps="[my_step.slow, drop_short: {min_chars: 5}]")  # fmt: skip
    path = os.pathsep.join([str(root), str(data.parent / "mine")])
    return subprocess.Popen(
        [sys.executable, str(root / "beam_runner.py"), *given], start_new_session=True,
        env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def ended(process: subprocess.Popen[bytes]) -> tuple[int, list[str]]:
    """Wait for a run; return its status and its errors."""
    said, _ = process.communicate(timeout=120)
    return process.returncode, errors(said.decode())


@pytest.mark.slow
def test_code_that_changed_between_a_kill_and_the_resume_is_named(tmp_path):
    """A helper of the user's own step, and a step of the package, of which this is a copy."""
    root, data, output = tmp_path / "package", tmp_path / "data", tmp_path / "out"
    for name in ("pipeline", "tokenizer", "transforms"):
        shutil.copytree(ROOT / name, root / name)
    shutil.copy(ROOT / "beam_runner.py", root)
    files(tmp_path / "mine", my_step=STEP, my_helper="mark = 1\n")
    data.mkdir()
    for i in range(4):
        write_lines(data / f"{i}.json", [f"A page in English, of number {i}, as many are."])
    kill_when(run_of(data, output, root), lambda: bool(list(output.glob("ledger/**/*.json"))))
    before = {path: path.read_bytes() for path in output.glob("[ls]*/**/*.*")}
    assert before

    files(tmp_path / "mine", my_helper="mark = 2\n")
    step = root / "transforms" / "length.py"
    text = step.read_text()
    step.write_text(text + "\n# edited\n")
    status, (said,) = ended(run_of(data, output, root))
    assert status == 2
    assert "the code of my_helper has changed" in said
    assert "the code of llama-corpus has changed: transforms/length.py" in said
    assert {path: path.read_bytes() for path in output.glob("[ls]*/**/*.*")} == before

    files(tmp_path / "mine", my_helper="mark = 1\n")
    step.write_text(text)
    assert ended(run_of(data, output, root)) == (0, [])

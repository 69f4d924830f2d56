"""The wheel: what it has in it runs from a folder that is no checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.support.runs import ROOT

pytestmark = pytest.mark.slow

IN_WHEEL = ("llama_corpus", "pipeline", "recipes", "samples", "tokenizer", "training",
            "transforms", "pyproject.toml", "README.md", "LICENSE", "beam_runner.py")  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what the wheel installs, and the environment in which Python finds it."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in IN_WHEEL:  # a copy, since the build leaves files beside its sources
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / "source" / name, symlinks=True,
                            ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
        else:
            shutil.copy(ROOT / name, folder / "source" / name)
    build = [
        sys.executable, "-c",
        "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])",
        str(folder),
    ]  # fmt: skip
    subprocess.run(build, cwd=folder / "source", check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return {**os.environ, "PYTHONPATH": str(folder / "site")}


def corpus(environment, folder, *arguments):
    command = [sys.executable, "-m", "pipeline.commands.main", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_recipe_for_ones_own_files_and_the_demo_from_another_folder(installed, tmp_path):
    """The files are of a kind whose texts need no kernel, which would be compiled anew here."""
    (tmp_path / "dump").mkdir()
    posts = ROOT / "samples/data/stackexchange/workshop.example.org/Posts.xml"
    shutil.copy(posts, tmp_path / "dump")
    begun = corpus(installed, tmp_path, "init", "dump")
    assert begun.returncode == 0, begun.stderr
    assert "models: ${bundled_dir}/samples/models" in (tmp_path / "corpus.yaml").read_text()
    for recipe, source in ((["--recipe", "corpus.yaml"], "Posts"), ([], "commoncrawl_warc")):
        ended = corpus(installed, tmp_path, "run", *recipe, "--dry_run")
        assert ended.returncode == 0, ended.stderr
        assert source in ended.stdout

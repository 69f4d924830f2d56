"""Checks that the container's file fits the package. Images cannot be fetched to build it here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.runs import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def instructions(name: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.removeprefix(name).strip() for line in joined.split("\n") if line.startswith(name)]


def copied() -> list[str]:
    return [source for line in instructions("COPY ") for source in line.split()[:-1]]


def test_hadolint_has_nothing_to_say():
    command = [Path(sys.executable).with_name("hadolint"), "--no-color", "Dockerfile"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_beam_is_the_version_that_is_pinned():
    (image,) = instructions("FROM ")
    found = re.fullmatch(r"apache/beam_python3\.(\d+)_sdk:([\d.]+)", image)
    assert found and int(found[1]) >= 10, image
    pinned = re.search(r"(?m)^apache-beam==(\S+)", (ROOT / "constraints.txt").read_text())
    assert pinned and found[2] == pinned[1]


def test_what_it_copies_is_in_the_repository():
    listed = ["git", "ls-files", "--error-unmatch", *copied()]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_it_copies_all_that_the_package_is_made_of():
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    setuptools = project["tool"]["setuptools"]
    packages = [name.rstrip("*") for name in setuptools["packages"]["find"]["include"]]
    modules = [f"{name}.py" for name in setuptools["py-modules"]]
    needed = {*packages, *modules, project["project"]["readme"], "pyproject.toml"}
    assert needed <= set(copied())


def test_the_context_lets_through_what_it_copies_and_no_more():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert sorted(line[1:] for line in lines if line.startswith("!")) == sorted(copied())
    assert "*" in lines


def test_beams_boot_program_starts():
    assert instructions("ENTRYPOINT ") == ['["/opt/apache/beam/boot"]']

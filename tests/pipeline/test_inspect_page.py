"""The commands of docs/inspect.md are run as they stand there."""

from __future__ import annotations

import re
import shlex

import pytest

from pipeline.command import main
from tests.runs import ROOT

PAGE = (ROOT / "docs" / "inspect.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("corpus ") and not line.startswith("corpus serve")
]


@pytest.mark.parametrize("line", COMMANDS)
def test_command(line, demo_run, changed_demo_run, capsys):
    folders = {"out/demo": str(demo_run), "out/other": str(changed_demo_run)}
    arguments = [folders.get(word, word) for word in shlex.split(line)[1:]]
    assert main(arguments) == (1 if arguments[0] == "diff" else 0)
    assert capsys.readouterr().out


def test_the_page_names_every_command_that_looks_at_a_run():
    named = {line.split()[1] for line in COMMANDS} | {"serve", "verify", "completion"}
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert set(rows) <= named

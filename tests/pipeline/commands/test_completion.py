"""Completion of the command in a real shell, exit statuses in its help, and JSON output."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys

import pytest

from pipeline.commands.main import command_parser, main
from tests.support.runs import ROOT


def commands_of(parser):
    """Return the parsers of a parser's commands by their names, none where it has none."""
    actions = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return next((action.choices for action in actions), {})


def subcommands():
    return commands_of(command_parser())


def completed(line, tmp_path):
    """Return bash's completions of a line."""
    script = tmp_path / "completion.bash"
    code = "from pipeline.commands.main import main; main(['completion', 'bash'])"
    script.write_bytes(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT))
    words = line.split(" ")
    ask = (
        f'source "{script}"; COMP_WORDS=({" ".join(words[:-1])} "{words[-1]}"); '
        f"COMP_CWORD={len(words) - 1}; "
        "$(complete -p corpus | sed 's/.*-F \\([^ ]*\\).*/\\1/'); "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return subprocess.check_output(["bash", "-c", ask], text=True).split()


@pytest.mark.slow
def test_bash_completes_commands_options_and_choices(tmp_path):
    assert shutil.which("bash")
    assert set(completed("corpus ", tmp_path)) >= set(subcommands())
    assert set(completed("corpus s", tmp_path)) == {c for c in subcommands() if c.startswith("s")}
    assert completed("corpus search out --ign", tmp_path) == ["--ignore_case"]
    assert set(completed("corpus sample out --part ", tmp_path)) >= {"train", "dropped"}
    assert completed("corpus completion z", tmp_path) == ["zsh"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_every_shell_has_its_script(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(name in script for name in subcommands())


def test_every_command_that_prints_results_has_json_and_tells_its_exit_status():
    # What a run makes, `corpus stats --json` prints.
    without_results = {"completion", "demo", "report", "run", "worker-pool"}
    for name, parser in subcommands().items():
        assert "exit status:" in parser.format_help() or name == "completion", name
        for one in commands_of(parser).values() or [parser]:
            assert "--json" in one.format_help() or name in without_results, name

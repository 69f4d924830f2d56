"""The program ``corpus``: a command that is spelt wrong."""

from __future__ import annotations

import pytest

from pipeline.commands.main import main


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("shw", "error: there is no command 'shw'; did you mean 'show'?\n"),
        ("verfy", "error: there is no command 'verfy'; did you mean 'verify'?\n"),
        ("zzz", "error: there is no command 'zzz'; known are cited-urls, completion,"),
    ],
)
def test_a_wrong_command_is_told_with_the_nearest_one(word, message, capsys):
    assert main([word, "out/demo"]) == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith(message) and err.count("\n") == 1


def test_no_command_and_help_are_left_to_the_parser(capsys):
    for arguments, status in ([], 2), (["--help"], 0):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == status
    assert "usage: corpus" in capsys.readouterr().out

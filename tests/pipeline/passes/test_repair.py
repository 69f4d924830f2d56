"""Repair of a finished run whose shards are damaged or gone."""

from __future__ import annotations

import json
import shutil

import pytest

from pipeline.commands.main import main
from pipeline.inspection.status import status
from pipeline.inspection.verify import verify
from tests.support.runs import digests

pytestmark = pytest.mark.slow


def test_damaged_and_missing_shards_are_built_again_alone(demo_run, tmp_path, capsys):
    output = shutil.copytree(demo_run, tmp_path / "out")
    whole = digests(output)
    damaged = output / "shards/github/train-00000.bin"
    damaged.write_bytes(damaged.read_bytes()[:-2] + b"\xff\xff")
    (output / "shards/books/dropped-00000.parquet").unlink()
    (output / "ledger/wikipedia/00000.json").unlink()
    assert main(["verify", str(output)]) == 1
    assert f"'corpus repair {output}' builds such shards again" in capsys.readouterr().out
    assert status(str(output))["go_on"] == f"corpus repair {output}"
    mine = ("github", "books", "wikipedia")
    others = {path: path.stat().st_mtime_ns for path in output.glob("shards/*/*")
              if path.parent.name not in mine}  # fmt: skip
    assert main(["repair", str(output), "--workers", "1"]) == 0
    printed = capsys.readouterr().out
    assert "built again: " in printed and all(f"{name}/00000" in printed for name in mine)
    assert verify(str(output)) == [] and digests(output) == whole
    assert {path: path.stat().st_mtime_ns for path in others} == others
    assert main(["repair", str(output), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"built": []}


def test_a_folder_without_a_finished_run_is_told_in_a_line(tmp_path, capsys):
    assert main(["repair", str(tmp_path)]) == 2
    assert "no manifest.json there" in capsys.readouterr().err

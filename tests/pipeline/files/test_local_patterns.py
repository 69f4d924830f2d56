"""Patterns over files of this machine match what Beam's file systems match."""

from __future__ import annotations

from pathlib import Path

import pytest
from apache_beam.io.filesystems import FileSystems

from pipeline.files import storage

NAMES = ("a.txt", "b.txt", "B.txt", "a b.gz", "[a].gz", "^.gz", "!.gz", "d/a.txt", "d/e/a.txt",
         "d/e/.hidden", "d-e/a.txt", "d\\e.txt", "].gz", "new\nline.txt")  # fmt: skip


@pytest.mark.parametrize(
    "pattern",
    [
        "*", "**", "*.txt", "**.txt", "d/*", "d/**", "d*/*.txt", "**/a.txt", "d/**/a.txt", "?.txt",
        "[ab].txt", "[!a].txt", "[^a].gz", "[!^].gz", "[]a].gz", "[].gz", "[!].gz", "[!]].gz", "[",
        "[a-c]*", "[a].gz", "[[]a].gz", "d/", "d", "a.txt", "nothing", "nothing/*", "d?e.txt", "*?",
        "d\\e.txt", "*line.txt", "./*.txt", "d/../*.txt", "{a,b}.txt",
    ],
)  # fmt: skip
def test_a_pattern_matches_what_beam_matches(tmp_path, pattern):
    for name in NAMES:
        path = Path(tmp_path, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (expected,) = FileSystems.match([f"{tmp_path}/{pattern}"])
    assert storage.match(f"{tmp_path}/{pattern}") == sorted(
        (one.path, one.size_in_bytes, one.last_updated_in_seconds) for one in expected.metadata_list
    )


def test_relative_patterns_begin_in_this_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("d").mkdir()
    Path("d", "a.txt").write_text("a")
    assert [one.path for one in storage.match("d/*")] == ["d/a.txt"]
    assert [one.path for one in storage.match("./d/*")] == ["./d/a.txt"]


def test_a_set_without_sense_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"cannot list .*\[b-a\]: bad character range"):
        storage.match(f"{tmp_path}/[b-a]")

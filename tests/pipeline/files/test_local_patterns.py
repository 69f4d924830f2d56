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


def test_links_to_folders_are_followed_and_loops_are_not(tmp_path):
    Path(tmp_path, "elsewhere", "deep").mkdir(parents=True)
    Path(tmp_path, "elsewhere", "deep", "b.txt").write_text("b")
    Path(tmp_path, "in", "d").mkdir(parents=True)
    Path(tmp_path, "in", "a.txt").write_text("a")
    Path(tmp_path, "in", "dump").symlink_to(tmp_path / "elsewhere")
    Path(tmp_path, "in", "c.txt").symlink_to(tmp_path / "elsewhere" / "deep" / "b.txt")
    Path(tmp_path, "in", "d", "up").symlink_to(tmp_path / "in")
    Path(tmp_path, "in", "self").symlink_to(".")

    def found(pattern: str) -> list[str]:
        return [one.path.removeprefix(f"{tmp_path}/in/") for one in storage.match(pattern)]

    assert found(f"{tmp_path}/in/**.txt") == ["a.txt", "c.txt", "dump/deep/b.txt"]
    assert found(f"{tmp_path}/in/*/*/*.txt") == ["dump/deep/b.txt"]
    assert found(f"{tmp_path}/in/dump/**") == ["dump/deep/b.txt"]


def test_links_that_lead_to_one_another_end(tmp_path):
    for folder, other in (("a", "b"), ("b", "a")):
        Path(tmp_path, "in", folder).mkdir(parents=True)
        Path(tmp_path, "in", folder, f"{folder}.txt").write_text("a")
        Path(tmp_path, "in", folder, "other").symlink_to(tmp_path / "in" / other)
    names = [one.path.removeprefix(f"{tmp_path}/in/") for one in storage.match(f"{tmp_path}/in/**")]
    assert names == ["a/a.txt", "b/b.txt"]


def test_a_file_that_links_lead_to_as_well_is_read_once(tmp_path):
    for folder in ("in/2022", "elsewhere"):
        Path(tmp_path, folder).mkdir(parents=True)
        Path(tmp_path, folder, "a.txt").write_text("a")
    Path(tmp_path, "in", "1").symlink_to(tmp_path / "in" / "2022")
    Path(tmp_path, "in", "latest").symlink_to("2022")
    Path(tmp_path, "in", "x").symlink_to(tmp_path / "elsewhere")
    Path(tmp_path, "in", "y").symlink_to("x")
    for pattern in ("**", "*/*.txt", "**.txt"):
        found = [one.path for one in storage.match(f"{tmp_path}/in/{pattern}")]
        assert found == [f"{tmp_path}/in/2022/a.txt", f"{tmp_path}/in/x/a.txt"]
    assert len(storage.match(f"{tmp_path}/in/latest/*")) == 1
    assert len(storage.match(f"{tmp_path}/in/l*/*")) == 1


@pytest.mark.parametrize("pattern", ["*.txt", "**", "b.txt", "d/**", "d/**.txt", "d/b.txt"])
def test_a_link_to_nothing_is_named(tmp_path, pattern):
    Path(tmp_path, "a.txt").write_text("a")
    Path(tmp_path, "d").mkdir()
    for folder in (tmp_path, tmp_path / "d"):
        Path(folder, "b.txt").symlink_to("gone")
    with pytest.raises(ValueError, match=r"cannot list .*b\.txt is a link to gone, which is not"):
        storage.match(f"{tmp_path}/{pattern}")
    assert [one.n_bytes for one in storage.match(f"{tmp_path}/a*")] == [1], "it does not match"


@pytest.mark.parametrize(
    ("pattern", "is_named"),
    [("in/*/a.txt", True), ("in/**.txt", True), ("in/**/a.txt", True), ("in/d*/*", True),
     ("in/*.txt", False), ("in/x*/*", False), ("in/d/e/*", True), ("in/*/e/*.txt", True)],
)  # fmt: skip
def test_a_link_to_a_folder_that_is_gone_is_named(tmp_path, pattern, is_named):
    Path(tmp_path, "in").mkdir()
    Path(tmp_path, "in", "a.txt").write_text("a")
    Path(tmp_path, "in", "d").symlink_to("gone")
    if is_named:
        with pytest.raises(ValueError, match=r"cannot list .*in/d is a link to gone"):
            storage.match(f"{tmp_path}/{pattern}")
    else:
        storage.match(f"{tmp_path}/{pattern}")


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    def walk(top, onerror, followlinks):
        onerror(PermissionError(13, "Permission denied", f"{top}/closed"))
        yield from ()

    monkeypatch.setattr("os.walk", walk)
    with pytest.raises(ValueError, match=r"cannot list .*Permission denied: .*/closed"):
        storage.match(f"{tmp_path}/*")


def test_a_set_without_sense_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"cannot list .*\[b-a\]: bad character range"):
        storage.match(f"{tmp_path}/[b-a]")

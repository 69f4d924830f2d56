"""Files are written whole or not at all."""

from __future__ import annotations

import hashlib
import json

import pytest

from pipeline import storage


def test_a_file_appears_when_it_is_whole(tmp_path):
    output = str(tmp_path)
    with storage.write_whole(output, "a/b.bin") as file:
        file.write(b"one")
        assert not (tmp_path / "a" / "b.bin").exists()
        file.write(memoryview(b"two"))
    assert (tmp_path / "a" / "b.bin").read_bytes() == b"onetwo"
    assert file.sha256 == hashlib.sha256(b"onetwo").hexdigest() and file.n_bytes == 6
    assert storage.list_names(output, ".") == {"a/b.bin"}


def test_an_error_leaves_nothing_behind(tmp_path):
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(RuntimeError), storage.write_whole(str(tmp_path), "x") as file:
        file.write(b"new")
        raise RuntimeError
    assert (tmp_path / "x").read_bytes() == b"old"
    assert storage.list_names(str(tmp_path), ".") == {"x"}


def test_patterns_match_at_any_depth(tmp_path):
    for name in ("a.wet.gz", "d/b.wet.gz", "d/e/c.wet.gz", "d/c.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    found = [info.path for info in storage.match(f"{tmp_path}/**.wet.gz")]
    assert found == [f"{tmp_path}/{n}" for n in ("a.wet.gz", "d/b.wet.gz", "d/e/c.wet.gz")]
    assert [info.n_bytes for info in storage.match(f"{tmp_path}/*.gz")] == [1]
    assert storage.match(f"{tmp_path}/nothing/**") == []


def test_json_has_one_form():
    value = {"b": [1, 2.5, None], "a": "é"}
    assert json.loads(storage.json_bytes(value)) == value
    assert storage.json_bytes({"a": 1, "b": 2}) == storage.json_bytes({"b": 2, "a": 1})


def test_removing_what_is_not_there_is_no_error(tmp_path):
    storage.remove(str(tmp_path), "nothing")
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    storage.remove(str(tmp_path), "folder")
    assert not (tmp_path / "folder").exists()

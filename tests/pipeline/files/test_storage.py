"""Storage: files are written atomically, listed, renamed and removed."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from itertools import count
from threading import Thread

import pytest
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems
from apache_beam.io.localfilesystem import LocalFileSystem
from apache_beam.options.pipeline_options import HadoopFileSystemOptions

from pipeline.errors import StorageError
from pipeline.files import storage
from pipeline.output import whole_files


def test_a_file_appears_when_it_is_whole(tmp_path):
    output = str(tmp_path)
    with whole_files.write_whole(output, "a/b.bin") as file:
        file.write(b"one")
        assert not (tmp_path / "a" / "b.bin").exists()
        file.write(memoryview(b"two"))
    assert (tmp_path / "a" / "b.bin").read_bytes() == b"onetwo"
    assert file.sha256 == hashlib.sha256(b"onetwo").hexdigest() and file.n_bytes == 6
    assert storage.list_names(output, ".") == {"a/b.bin"}


def test_an_error_leaves_nothing_behind(tmp_path):
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(RuntimeError), whole_files.write_whole(str(tmp_path), "x") as file:
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


class Configured(LocalFileSystem):
    """Local files under a scheme that needs options, as S3's and Hadoop's do."""

    hosts: list[str | None] = []  # noqa: RUF012

    def __init__(self, pipeline_options):
        if pipeline_options is None:
            raise ValueError("no options")
        self.hosts.append(pipeline_options.view_as(HadoopFileSystemOptions).hdfs_host)
        super().__init__(pipeline_options)

    @classmethod
    def scheme(cls):
        return "configured"

    def exists(self, path):
        return super().exists(path.removeprefix("configured://"))


@pytest.mark.parametrize("given", [[], ["--hdfs_host=some host"]])
def test_file_systems_have_the_options_of_the_command_line(tmp_path, monkeypatch, given):
    monkeypatch.setattr(FileSystems, "_pipeline_options", None)
    monkeypatch.setattr(Configured, "hosts", [])
    monkeypatch.setattr(storage, "_give_beam_options", storage._give_beam_options.__wrapped__)
    monkeypatch.setenv(storage.BEAM_OPTIONS, "")
    if given:
        storage.take_beam_options(given)
    assert storage.exists(f"configured://{tmp_path}")
    assert set(Configured.hosts) == {"some host" if given else None}


@pytest.mark.parametrize(("scheme", "advice"), [("s3", r"\.\[aws\]"), ("hdfs", "--hdfs_host")])
def test_what_a_scheme_needs_is_told_in_a_line(monkeypatch, scheme, advice):
    monkeypatch.setitem(storage._MODULES, scheme, "a_module_that_is_not_there")
    with pytest.raises(StorageError, match=f"{scheme}:// cannot be read here: .*{advice}"):
        storage.exists(f"{scheme}://bucket/file")


@pytest.mark.parametrize("scheme", ["gs", "hdfs"])
def test_a_file_goes_ahead_of_a_rename_where_that_is_refused_alone(scheme):
    class Refusing:
        there = True

        def rename(self, old, new):
            if self.there:
                raise BeamIOError("the connection broke, or there is a file")

        def exists(self, path):
            return self.there

        def delete(self, paths):
            self.there = False

    files = Refusing()
    if scheme == "hdfs":
        storage.rename_remote(files, "hdfs://host/new", "hdfs://host/x")
        assert not files.there
    else:
        with pytest.raises(BeamIOError):
            storage.rename_remote(files, "gs://bucket/new", "gs://bucket/x")
        assert files.there


def test_what_is_left_of_an_earlier_attempt_names_no_file_and_begins_none(tmp_path):
    output = str(tmp_path)
    with whole_files.attempt(output):
        earlier = whole_files.attempt_of(output)
        left = whole_files.write_whole(output, "shards/begun")
        left.__enter__().write(b"of the earlier attempt")
        whole_files.write_bytes(output, "shards/whole", b"stays")
    with whole_files.attempt(output):
        whole_files.write_bytes(output, "shards/begun", b"of the later attempt")
        with pytest.raises(FileNotFoundError):
            left.__exit__(None, None, None)
    whole_files.join_attempt(output, earlier)
    with pytest.raises(FileNotFoundError):
        whole_files.write_bytes(output, "work/new/file", b"as well")
    assert (tmp_path / "shards" / "begun").read_bytes() == b"of the later attempt"
    assert not list(tmp_path.glob("work/*/*"))
    assert storage.list_names(output, ".") == {"shards/begun", "shards/whole"}
    with whole_files.attempt(output):  # from here on, this process belongs to the attempt
        whole_files.write_bytes(output, "shards/new", b"")


def test_a_folder_goes_while_a_task_writes_into_it(tmp_path):
    folder = tmp_path / "work" / "progress"
    folder.mkdir(parents=True)

    def write():
        with suppress(FileNotFoundError):  # once the folder is gone
            for number in count():
                (folder / str(number)).write_bytes(b"")

    writer = Thread(target=write)
    writer.start()
    while len(list(folder.iterdir())) < 100:
        pass
    storage.remove(str(tmp_path), "work")
    writer.join()
    assert not (tmp_path / "work").exists()

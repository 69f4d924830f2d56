"""Local copies of remote models. They are made once, and again when a model has changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from apache_beam.io.localfilesystem import LocalFileSystem

from pipeline.errors import StorageError
from pipeline.files import local_copy as module
from pipeline.files import storage
from pipeline.files.local_copy import local_copy
from pipeline.recipe.recipe import Step
from transforms.registry import STEPS


class Elsewhere(LocalFileSystem):
    """Local files under a scheme of their own, ``elsewhere:///path``."""

    opened: list[str] = []  # noqa: RUF012
    fails = False

    @classmethod
    def scheme(cls):
        return "elsewhere"

    def open(self, path, mime_type="", compression_type="auto"):
        self.opened.append(path)
        if self.fails:
            raise OSError("the connection broke")
        return super().open(path.removeprefix("elsewhere://"), mime_type, compression_type)

    def checksum(self, path):
        return str(hash(Path(path.removeprefix("elsewhere://")).read_bytes()))


@pytest.fixture
def model(tmp_path, monkeypatch) -> str:
    """A remote model. Copies go to a folder of the test."""
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(Elsewhere, "opened", [])
    (tmp_path / "m.bin").write_bytes(b"one")
    local_copy.cache_clear()
    yield f"elsewhere://{tmp_path}/m.bin"
    local_copy.cache_clear()


def test_a_local_path_stays_as_it_is():
    assert local_copy("/some/model.bin") == "/some/model.bin"


def test_processes_of_a_machine_share_one_copy(model):
    def of_a_process(_: int) -> str:
        return local_copy.__wrapped__(model)

    with ThreadPoolExecutor(8) as pool:
        (copy,) = set(pool.map(of_a_process, range(8)))
    assert Path(copy).read_bytes() == b"one" and Path(copy).name == "m.bin"
    assert Elsewhere.opened == [model]


def test_a_file_that_changed_is_copied_again(model, tmp_path):
    first = local_copy(model)
    (tmp_path / "m.bin").write_bytes(b"another")
    local_copy.cache_clear()
    second = local_copy(model)
    assert first != second and Path(second).read_bytes() == b"another"


def test_a_copy_that_broke_off_is_not_taken(model, monkeypatch):
    monkeypatch.setattr(Elsewhere, "fails", True)
    with pytest.raises(OSError, match="broke"):
        local_copy(model)
    monkeypatch.setattr(Elsewhere, "fails", False)
    assert Path(local_copy(model)).read_bytes() == b"one"


def test_a_step_is_called_with_the_copies(model):
    limits = {"en": model, "de": [1.0, 2.0]}
    step = Step(
        "bucket_by_perplexity", STEPS["bucket_by_perplexity"], {"cutoffs": limits, "keep": ["head"]}
    )
    copy = local_copy(model)
    assert step.local_parameters == {"cutoffs": {"en": copy, "de": [1.0, 2.0]}, "keep": ["head"]}
    assert step.files() == [model], "what a run notes is the path that the recipe has"


def test_a_scheme_that_nobody_knows_is_told():
    with pytest.raises(StorageError, match="nowhere:// cannot be read here"):
        storage.exists("nowhere://bucket/file")


def test_a_folder_of_another_user_is_not_taken(model, monkeypatch):
    local_copy(model)
    folder = Path(module.tempfile.gettempdir(), module.FOLDER)
    assert folder.stat().st_mode & 0o777 == 0o700
    local_copy.cache_clear()
    monkeypatch.setattr(module.os, "getuid", lambda: 12345)
    with pytest.raises(StorageError, match="belongs to another user"):
        local_copy(model)

"""Models and lists are opened as the run hashed them, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from pipeline.errors import ChangedError
from pipeline.files import local_copy as copies
from pipeline.files import storage, trusted
from pipeline.files.local_copy import local_copy
from pipeline.files.trusted import Seal, check_trusted, expect, forget, sealed, seals_of


@pytest.fixture
def model(tmp_path) -> Path:
    """A model, of which this process knows nothing yet."""
    path = tmp_path / "m.bin"
    path.write_bytes(b"one")
    forget()
    yield path
    forget()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def later(path: Path, data: bytes) -> None:
    """Write a file anew, some time after it was written."""
    path.write_bytes(data)
    os.utime(path, (2e9, 2e9))


def test_a_file_is_what_it_was_when_it_was_first_asked_for(model):
    assert trusted.trusted(str(model)) == str(model)
    later(model, b"two")
    with pytest.raises(ChangedError, match=r"m\.bin was written anew while the command worked"):
        trusted.trusted(str(model))
    with pytest.raises(ChangedError, match="written anew"):
        sealed(str(model))
    forget()
    assert sealed(str(model)) == Seal(digest(b"two"), 3, 2e9)


def test_a_seal_holds_wherever_the_file_is_opened(model):
    seal = sealed(str(model))
    expect({str(model): seal})
    check_trusted([str(model)])
    later(model, b"two")
    for _ in range(2):
        with pytest.raises(ChangedError, match=rf"m\.bin has changed since .* not {seal.sha256}"):
            check_trusted([str(model)])
    later(model, b"one")
    check_trusted([str(model)])
    model.unlink()
    with pytest.raises(ChangedError, match=r"m\.bin has changed since the run began: it is gone"):
        check_trusted([str(model)])


def test_a_file_that_looks_as_when_it_was_hashed_is_not_hashed_again(model, monkeypatch):
    expect({str(model): sealed(str(model))})
    hashed = []
    monkeypatch.setattr(storage, "sha256_of", lambda path: hashed.append(path) or digest(b"one"))
    check_trusted([str(model), str(model)])
    assert not hashed
    os.utime(model, (2e9, 2e9))
    check_trusted([str(model), str(model)])
    assert hashed == [str(model)], "once, for a copy with another time"


def test_a_seal_without_size_and_time_is_a_digest(model):
    expect({str(model): Seal(digest(b"one"))})
    check_trusted([str(model)])
    expect({str(model): Seal(digest(b"two"))})
    with pytest.raises(ChangedError):
        check_trusted([str(model)])


def test_seals_are_read_from_a_run(model):
    seal = sealed(str(model))
    described = {
        "files": {"a": "12", str(model): seal.sha256},
        "file_states": {str(model): {"n_bytes": 3, "modified": seal.modified}},
    }
    assert seals_of(described) == {"a": Seal("12"), str(model): seal}
    del described["file_states"]
    assert seals_of(described)[str(model)] == Seal(seal.sha256)


@pytest.fixture
def remote(model, tmp_path, monkeypatch) -> str:
    """The model in a bucket. Copies go to a folder of the test."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(copies.tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(storage, "is_remote", lambda path: path.startswith("gs://"))
    monkeypatch.setattr(storage, "checksum", lambda path: digest(model.read_bytes())[:8])
    opened = storage.open_read
    monkeypatch.setattr(
        storage, "open_read", lambda path: opened(str(model) if "gs://" in path else path)
    )
    local_copy.cache_clear()
    yield "gs://b/m.bin"
    local_copy.cache_clear()


def test_a_copy_that_was_cut_short_is_made_anew(remote):
    copy = Path(local_copy(remote))
    assert json.loads(copy.with_name(".whole.json").read_bytes())["sha256"] == digest(b"one")
    for damaged in (b"on", b"two", b""):
        later(copy, damaged)
        local_copy.cache_clear()
        assert local_copy(remote) == str(copy) and copy.read_bytes() == b"one"
    later(copy, b"on")
    copy.with_name(".whole.json").unlink()
    local_copy.cache_clear()
    assert Path(local_copy(remote)).read_bytes() == b"one", "a copy of an older version"


def test_a_copy_that_is_damaged_while_the_run_works_is_not_taken(remote):
    expect({remote: sealed(remote)})
    check_trusted([remote])
    later(Path(local_copy(remote)), b"on")
    with pytest.raises(ChangedError, match=r"gs://b/m\.bin has changed"):
        check_trusted([remote])


def test_a_copy_on_another_machine_is_known_by_its_note(remote, monkeypatch):
    seal = sealed(remote)
    assert seal == Seal(digest(b"one")), "times of copies are those of one machine"
    expect({remote: seal})
    monkeypatch.setattr(storage, "sha256_of", lambda path: pytest.fail("it was hashed again"))
    check_trusted([remote])


def test_a_bucket_whose_stream_ends_early_or_whose_file_changes_gives_no_copy(
    remote, model, monkeypatch
):
    class Short(type(storage.open_read(str(model)))):
        def read(self, *_):
            return b""

    short = Short(storage.open_read(str(model)).detach())
    with monkeypatch.context() as patched:
        patched.setattr(storage, "open_read", lambda path: short)
        with pytest.raises(OSError, match=r"gs://b/m\.bin ended after 0 of 3 bytes"):
            local_copy(remote)
    sums = iter(["1", "2"])
    with monkeypatch.context() as patched:
        patched.setattr(storage, "checksum", lambda path: next(sums))
        with pytest.raises(OSError, match="was written anew while it was copied"):
            local_copy(remote)
    assert Path(local_copy(remote)).read_bytes() == b"one"

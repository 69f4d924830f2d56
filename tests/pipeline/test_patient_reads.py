"""Reading local files: the bytes of the file, whatever is asked for, and errors with its name."""

from __future__ import annotations

import errno
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import storage

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(-1, 400_000)),
        st.tuples(st.just("seek"), st.integers(0, 400_000)),
        st.tuples(st.just("readline"), st.integers(-1, 1_000)),
    ),
    max_size=20,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("reads") / "file"
    path.write_bytes(b"".join(b"%d\n" % number for number in range(60_000)))
    return path


@given(steps=STEPS)
def test_it_reads_like_an_ordinary_file(path, steps):
    with storage.open_read(str(path)) as ours, path.open("rb") as theirs:
        for name, argument in steps:
            assert getattr(ours, name)(argument) == getattr(theirs, name)(argument)
            assert ours.tell() == theirs.tell()


def test_a_file_that_cannot_be_opened_or_read_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        storage.open_read(str(tmp_path / "nowhere"))
    with pytest.raises(OSError, match=str(tmp_path)) as raised:
        storage.open_read(str(tmp_path))
    assert raised.value.errno == errno.EISDIR


@pytest.mark.parametrize("n_failures", [1, 3])
def test_a_file_that_does_not_open_at_once_is_opened_later(path, monkeypatch, n_failures):
    failures = []

    class Failing(io.FileIO):
        def __init__(self, name):
            if len(failures) < n_failures:
                failures.append(name)
                raise OSError(errno.ESTALE, "Stale file handle")
            super().__init__(name)

        def readinto(self, buffer):
            if len(failures) == n_failures:
                failures.append("in the middle")
                raise OSError(errno.EIO, "Input/output error")
            return super().readinto(buffer)

    monkeypatch.setattr(storage, "RETRY_SECONDS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(storage.io, "FileIO", Failing)
    with storage.open_read(str(path)) as file:
        found = file.read(10)
        failures[:] = failures[:1] if n_failures == 1 else failures  # and once more to open anew
        assert found + file.read() == path.read_bytes()


def test_a_file_that_never_opens_is_named(path, monkeypatch):
    class Failing(io.FileIO):
        def __init__(self, name):
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(storage, "RETRY_SECONDS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(storage.io, "FileIO", Failing)
    with pytest.raises(OSError, match=r"Input/output error.*file"):
        storage.open_read(str(path))

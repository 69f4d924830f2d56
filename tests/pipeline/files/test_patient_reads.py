"""Reading of local files: any bytes of a file, and errors with its name."""

from __future__ import annotations

import errno
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.files import patient_file, storage

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


def test_errors_at_opening_and_reading_pass_alike(path, monkeypatch):
    passing = ["open", "read", "open", "open", "read"]  # the calls that fail, in this order
    seen = []

    class Failing(io.FileIO):
        def __init__(self, name):
            self._fail_if("open", errno.ESTALE)
            super().__init__(name)

        def readinto(self, buffer):
            self._fail_if("read", errno.EIO)
            return super().readinto(buffer)

        def _fail_if(self, what, number):
            if passing[:1] == [what]:
                seen.append(passing.pop(0))
                raise OSError(number, "passes")

    monkeypatch.setattr(patient_file, "RETRY_SECONDS", (0.0, 0.0, 0.0, 0.0))
    monkeypatch.setattr(patient_file.io, "FileIO", Failing)
    with storage.open_read(str(path)) as file:
        assert file.read() == path.read_bytes()
    assert len(seen) == 5


def test_a_file_that_never_opens_is_named(path, monkeypatch):
    class Failing(io.FileIO):
        def __init__(self, name):
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(patient_file, "RETRY_SECONDS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(patient_file.io, "FileIO", Failing)
    with pytest.raises(OSError, match=r"Input/output error.*file"):
        storage.open_read(str(path))

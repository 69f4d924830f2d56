"""Files that are whole or not there, and attempts at a run, of which the last alone may write."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.files.storage import filesystems_of, is_remote, join, remove, rename_remote

TEMPORARY_FOLDER = "work/tmp"


_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


_attempts: dict[str, str] = {}
"""The attempts that this process writes for, by output folder."""


class HashingFile(io.RawIOBase):
    """A file open for writing that knows the SHA-256 and the size of what was written.

    Closing it leaves the file below open: whoever opened that closes it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self.n_bytes = 0

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def write(self, data: Any) -> int:
        """Write and count; returns the number of bytes."""
        view = memoryview(data).cast("B")
        self._file.write(view)
        self._sha256.update(view)
        self.n_bytes += len(view)
        return len(view)

    @property
    def sha256(self) -> str:
        """The digest of all that was written so far, in hexadecimal."""
        return self._sha256.hexdigest()


@contextmanager
def write_whole(output: str, name: str) -> Iterator[HashingFile]:
    """Write ``output/name`` whole or not at all.

    The bytes go to a temporary file under ``output`` and reach the disk before it gets its name.
    Two workers may write the same file at once: the later rename wins, with the same bytes. The
    temporary file goes away on an error; one left by a killed process goes when the next attempt
    begins, behind which those of earlier ones write nothing (:func:`attempt`).
    """
    own = _attempts.get(output)
    folder = join(output, TEMPORARY_FOLDER, own) if own else join(output, TEMPORARY_FOLDER)
    temporary = join(folder, f"{uuid.uuid4().hex}-{name.rsplit('/', 1)[-1]}")
    target = join(output, name)
    if is_remote(output):
        filesystems = filesystems_of(output)
        file = filesystems.create(temporary)
        try:
            yield HashingFile(file)
            file.close()
            rename_remote(filesystems, temporary, target)
        except BaseException:
            file.close()
            if filesystems.exists(temporary):
                filesystems.delete([temporary])
            raise
        return
    if not own:
        Path(folder).mkdir(parents=True, exist_ok=True)
    try:
        with Path(temporary).open("wb") as file:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            yield HashingFile(file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS and not error.filename:
            raise OSError(error.errno, error.strerror, target) from error
        raise


def write_bytes(output: str, name: str, data: bytes) -> str:
    """Write a small file whole or not at all; returns its SHA-256."""
    with write_whole(output, name) as file:
        file.write(data)
        return file.sha256


def remove_temporary_files(output: str) -> None:
    """Remove what killed writers left behind. No other run may be writing to ``output``."""
    remove(output, TEMPORARY_FOLDER)


@contextmanager
def attempt(output: str) -> Iterator[None]:
    """Write to ``output`` as its only attempt: from here on, earlier ones write nothing there.

    A cluster's tasks may go on when the command that started them was killed, beside those of the
    same command given again. So an attempt has a folder of temporary files of its own, which is
    made here alone, and goes with the attempt: a task that is left of it can neither begin a file
    nor give one its name. Buckets have no folders, and there a task can still begin a file.
    """
    remove_temporary_files(output)
    own = uuid.uuid4().hex
    name = join(TEMPORARY_FOLDER, own)
    if not is_remote(output):
        Path(output, name).mkdir(parents=True)
    _attempts[output] = own
    try:
        yield
    finally:
        del _attempts[output]
        with suppress(OSError):
            remove(output, name)


def attempt_of(output: str) -> str | None:
    """Return the attempt that this process writes to ``output`` for, if any."""
    return _attempts.get(output)


def join_attempt(output: str, own: str | None) -> None:
    """Write to ``output`` for an attempt, which another process may have begun, from here on."""
    if own:
        _attempts[output] = own

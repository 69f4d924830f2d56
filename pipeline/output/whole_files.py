"""Atomic writes to an output folder, and attempts at a run, of which only the last may write.

A file appears whole or not at all.
"""

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
"""Folder in which files are written before they are renamed."""


_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


_attempts: dict[str, str] = {}
"""Attempt that this process belongs to, for each output folder."""


class HashingFile(io.RawIOBase):
    """A wrapper of a file open for writing that computes the SHA-256 and the size.

    Closing it does not close the wrapped file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self.n_bytes = 0

    def writable(self) -> bool:
        """Return true: the file can be written to."""
        return True

    def write(self, data: Any) -> int:
        """Write and hash the data; returns the number of bytes."""
        view = memoryview(data).cast("B")
        self._file.write(view)
        self._sha256.update(view)
        self.n_bytes += len(view)
        return len(view)

    @property
    def sha256(self) -> str:
        """Digest of all the data written so far, in hexadecimal."""
        return self._sha256.hexdigest()


@contextmanager
def write_whole(output: str, name: str) -> Iterator[HashingFile]:
    """Write ``output/name`` whole or not at all.

    The bytes go to a temporary file, which is flushed to disk and then renamed. If two workers
    write the same file at once, the later rename wins; the bytes are the same. On an error the
    temporary file is removed. One that a killed process left is removed when the next attempt
    begins (:func:`attempt`).
    """
    folder = temporary_folder(output)
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
    if attempt_of(output) is None:
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
    """Remove the files of killed writers. No other run may be writing to ``output`` now."""
    remove(output, TEMPORARY_FOLDER)


@contextmanager
def attempt(output: str) -> Iterator[None]:
    """Begin a new attempt at writing ``output``. From here on, earlier attempts write nothing.

    When a command is killed, its tasks on a cluster may still run beside those of the same command
    given again. Each attempt therefore has a temporary folder of its own, which only this function
    creates and which is removed at the attempt's end. A task of an earlier attempt can then neither
    begin a file nor rename one. Buckets have no folders: there such a task can still begin a file.
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


def temporary_folder(output: str) -> str:
    """Return where this process writes files before they are renamed: in its attempt's folder."""
    own = attempt_of(output)
    return join(output, TEMPORARY_FOLDER, own) if own else join(output, TEMPORARY_FOLDER)


def attempt_of(output: str) -> str | None:
    """Return the id of the attempt that this process belongs to, if any."""
    return _attempts.get(output)


def join_attempt(output: str, own: str | None) -> None:
    """Make this process write to ``output`` as part of an attempt that another process began."""
    if own:
        _attempts[output] = own

"""Local files whose reads are tried again on errors that may be temporary."""

from __future__ import annotations

import errno
import io
import time
from collections.abc import Callable
from typing import Any

RETRY_SECONDS = (0.1, 1.0, 3.0)
"""Seconds to wait before each further try to read a local file."""

_TEMPORARY_ERRORS = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT)


class PatientFile(io.RawIOBase):
    """A local file open for reading that is opened anew, and the read repeated, after an error.

    Network file systems and failing disks give temporary errors. An error that persists is raised
    with the file's name.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._at = 0
        self._file: io.FileIO | None = None
        self._with_retries(self._opened)

    @property
    def name(self) -> str:
        """Return the path of the file, as other files do."""
        return self._path

    def readinto(self, buffer: Any) -> int:
        """Read into the buffer; returns the number of bytes, 0 at the end of the file."""
        n_bytes = self._with_retries(lambda: self._opened().readinto(buffer))
        self._at += n_bytes
        return n_bytes

    def _with_retries(self, act: Callable[[], Any]) -> Any:
        """Return the result of ``act``, which is repeated after errors that may be temporary."""
        for pause in (*RETRY_SECONDS, None):
            try:
                return act()
            except OSError as error:
                if pause is None or error.errno not in _TEMPORARY_ERRORS:
                    raise OSError(error.errno, error.strerror, self._path) from error
                self._close()
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _opened(self) -> io.FileIO:
        """Return the open file; opens it again if an earlier error closed it."""
        if self._file is None:
            self._file = io.FileIO(self._path)
            if self._at:  # a pipe cannot seek
                self._file.seek(self._at)
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Seek; returns the new offset from the beginning of the file, in bytes."""
        self._at = self._opened().seek(offset, whence)
        return self._at

    def tell(self) -> int:
        """Return the offset of the next byte to read."""
        return self._at

    def readable(self) -> bool:
        """Return true: the file can be read."""
        return True

    def seekable(self) -> bool:
        """Return whether the file can seek; a pipe cannot."""
        return self._opened().seekable()

    def close(self) -> None:
        """Close the file."""
        self._close()
        super().close()

"""Local files whose failing reads are tried again: network file systems and disks about to die."""

from __future__ import annotations

import errno
import io
import time
from collections.abc import Callable
from typing import Any

RETRY_SECONDS = (0.1, 1.0, 3.0)
"""Pauses ahead of the further tries to read a local file."""

_PASSING_ERRORS = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT)


class PatientFile(io.RawIOBase):
    """A local file whose failing reads are tried again, in the file opened anew.

    Network file systems and disks about to die give errors that pass. One that does not pass is
    raised with the file's name.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._at = 0
        self._file: io.FileIO | None = None
        self._patiently(self._opened)

    def readinto(self, buffer: Any) -> int:
        """Fill a part of the buffer; returns the number of bytes, 0 at the end."""
        n_bytes = self._patiently(lambda: self._opened().readinto(buffer))
        self._at += n_bytes
        return n_bytes

    def _patiently(self, act: Callable[[], Any]) -> Any:
        """Return what ``act`` returns, which is tried again where an error may pass."""
        for pause in (*RETRY_SECONDS, None):
            try:
                return act()
            except OSError as error:
                if pause is None or error.errno not in _PASSING_ERRORS:
                    raise OSError(error.errno, error.strerror, self._path) from error
                self._close()
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _opened(self) -> io.FileIO:
        """Return the file, opened anew where a try has failed."""
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
        """Go to an offset; returns it, from the file's beginning."""
        self._at = self._opened().seek(offset, whence)
        return self._at

    def tell(self) -> int:
        """Return the offset that is read next."""
        return self._at

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say whether it can seek: a pipe cannot."""
        return self._opened().seekable()

    def close(self) -> None:
        """Close the file."""
        self._close()
        super().close()

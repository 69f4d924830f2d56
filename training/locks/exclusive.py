"""Locks of files, which one process has at a time; leases where the file system has no locks."""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.locks.lease import RENEWAL_SECONDS, leased

_NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK}
"""Errors of file systems without locks: Lustre as it is usually mounted, some network drives."""


@contextmanager
def exclusive(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock of a file, which is made if it is not there.

    The lock is released at the end of the block, or when the process is killed. Where the file
    system has no locks, a line on stderr says so, and a lease beside the file takes their place.
    Raises BlockingIOError where another process has the lock, unless it is to ``wait`` for that.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            _say(path.parent, error.errno)
        else:
            yield
            return
    with leased(path.with_name(f"{path.name}.lease"), wait=wait):
        yield


@functools.cache
def _say(folder: Path, number: int) -> None:
    print(
        f"{folder}: no locks on this file system ({os.strerror(number)}); a lease file renewed "
        f"every {RENEWAL_SECONDS:.0f} s takes their place",
        file=sys.stderr,
        flush=True,
    )

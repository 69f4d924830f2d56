"""Models and lists that lie in a bucket, on the disk of the machine that works with them.

Libraries open a model by its path, and some map it into memory, so a file elsewhere is copied once
a machine: the processes on it share the copy, and so do runs, for as long as the file is the same.
Copies of what it was before stay until the folder of temporary files is emptied.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from pipeline.errors import StorageError
from pipeline.files import storage

FOLDER = f"llama-corpus-files-{os.getuid()}"
"""Where this user's copies lie, in the folder of temporary files (``TMPDIR``)."""


@functools.cache
def local_copy(path: str) -> str:
    """Return the path of a file on this machine with the content of ``path``.

    A local path is returned as it is. A file elsewhere is looked up once a process, and copied
    unless a whole copy of it, as it is now, is here. Raises what the storage raises where there is
    no such file.
    """
    if not storage.is_remote(path):
        return path
    state = f"{path}\n{storage.checksum(path)}"
    mine = Path(tempfile.gettempdir(), FOLDER)
    mine.mkdir(mode=0o700, parents=True, exist_ok=True)
    if mine.stat().st_uid != os.getuid():
        raise StorageError(f"{mine} belongs to another user: give another TMPDIR")
    folder = mine / hashlib.sha256(state.encode()).hexdigest()[:16]
    copy = folder / path.rsplit("/", 1)[-1]
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other processes of the machine wait for the copy
        if not copy.exists():
            part = folder / ".part"
            with storage.open_read(path) as source, part.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 22)
            part.replace(copy)
    return str(copy)

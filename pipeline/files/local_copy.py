"""Local copies of models and lists that are in a bucket.

Libraries open a model by its path, and some map it into memory. So a remote file is copied once to
each machine. All processes and runs on the machine share the copy while the remote file is the
same. Copies of older contents stay until the temporary folder is emptied.
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
"""Name of the folder of this user's copies, inside the temporary folder (``TMPDIR``)."""


@functools.cache
def local_copy(path: str) -> str:
    """Return the path of a local file with the content of ``path``.

    A local path is returned unchanged. A remote file is looked up once in each process, and copied
    unless this machine has a complete copy of its present content. If there is no such file, the
    error of the remote file system is raised.
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

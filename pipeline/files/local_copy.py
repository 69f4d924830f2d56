"""Local copies of models and lists that are in a bucket.

Libraries open a model by its path, and some map it into memory. So a remote file is copied once to
each machine. All processes and runs on the machine share the copy while the remote file is the
same. Copies of older contents stay until the temporary folder is emptied. Beside a copy lies a note
of its digest, size and time, by which a copy that was cut short or written to is known, and made
anew.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import io
import json
import os
import tempfile
from pathlib import Path

from pipeline.errors import StorageError
from pipeline.files import storage

FOLDER = f"llama-corpus-files-{os.getuid()}"
"""Name of the folder of this user's copies, inside the temporary folder (``TMPDIR``)."""

NOTE_NAME = ".whole.json"
"""Name of the note beside a copy, which is written when the copy is whole."""

_CHUNK_BYTES = 1 << 22


@functools.cache
def local_copy(path: str) -> str:
    """Return the path of a local file with the content of ``path``.

    A local path is returned unchanged. A remote file is looked up once in each process, and copied
    unless this machine has a complete copy of its present content. If there is no such file, the
    error of the remote file system is raised, and OSError where it changes while it is copied, or
    its end does not come.
    """
    if not storage.is_remote(path):
        return path
    checksum = storage.checksum(path)
    state = f"{path}\n{checksum}"
    mine = Path(tempfile.gettempdir(), FOLDER)
    mine.mkdir(mode=0o700, parents=True, exist_ok=True)
    if mine.stat().st_uid != os.getuid():
        raise StorageError(f"{mine} belongs to another user: give another TMPDIR")
    folder = mine / hashlib.sha256(state.encode()).hexdigest()[:16]
    copy = folder / path.rsplit("/", 1)[-1]
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other processes of the machine wait for the copy
        if not (copy.exists() and is_whole_copy(storage.local_info(str(copy)))):
            _fetch(path, copy)
            if storage.checksum(path) != checksum:
                copy.unlink()
                raise OSError(f"{path} was written anew while it was copied")
    return str(copy)


def _fetch(path: str, copy: Path) -> None:
    part = copy.with_name(".part")
    digest = hashlib.sha256()
    with storage.open_read(path) as source, part.open("wb") as target:
        n_bytes = source.seek(0, io.SEEK_END)
        source.seek(0)
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            target.write(chunk)
        if target.tell() != n_bytes:
            raise OSError(f"{path} ended after {target.tell():,} of {n_bytes:,} bytes")
    part.replace(copy)
    info = storage.local_info(str(copy))
    note = {"sha256": digest.hexdigest(), "n_bytes": info.n_bytes, "modified": info.modified}
    copy.with_name(NOTE_NAME).write_bytes(storage.json_bytes(note))


def is_whole_copy(info: storage.FileInfo, sha256: str | None = None) -> bool:
    """Tell whether a file is a copy as it was made, and of such a digest where one is given."""
    try:
        note = json.loads(Path(info.path).with_name(NOTE_NAME).read_bytes())
        is_whole = (note["n_bytes"], note["modified"]) == (info.n_bytes, info.modified)
        return is_whole and sha256 in (None, note["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return False

"""The files of a corpus, in a folder on this machine, or remote with a cache on this machine.

The size of a local file is checked against the manifest (``corpus verify`` checks the digests). A
remote file may be on any file system that fsspec knows (``s3://``, ``gs://``, ``hdfs://``). It is
fetched whole into the cache when it is first needed, and gets its name there once its SHA-256 has
been checked. A file of the cache that was cut short since is fetched again. Processes of one
machine share a cache. A process that needs a file which another one is fetching waits for it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from training.data.manifest import MANIFEST_NAME, CorpusFile
from training.locks.exclusive import exclusive

CHUNK_BYTES = 1 << 20


class LocalFiles:
    """The files of an output folder on this machine."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def read_manifest(self, name: str = MANIFEST_NAME) -> bytes:
        """Read a manifest. Raises ValueError where there is none."""
        path = self.folder / name
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise ValueError(_no_manifest(str(self.folder), name)) from None

    def path(self, file: CorpusFile) -> Path:
        """Return the path of a file. Raises ValueError if it is missing or has another size."""
        path = self.folder / file.name
        try:
            n_bytes = path.stat().st_size
        except FileNotFoundError:
            raise ValueError(f"{path}: not there, though the manifest lists it") from None
        if n_bytes != file.n_bytes:
            raise ValueError(f"{path}: {n_bytes} bytes, the manifest says {file.n_bytes}")
        return path


class RemoteFiles:
    """The files of a remote output folder, with a cache on this machine."""

    def __init__(self, url: str, cache: str | Path) -> None:
        self.url = url.rstrip("/")
        self.cache = Path(cache)

    def read_manifest(self, name: str = MANIFEST_NAME) -> bytes:
        """Read a manifest, which is not cached. Raises ValueError where there is none."""
        file_system, folder = _file_system(self.url)
        try:
            data: bytes = file_system.cat_file(f"{folder}/{name}")
        except FileNotFoundError:
            raise ValueError(_no_manifest(self.url, name)) from None
        return data

    def path(self, file: CorpusFile) -> Path:
        """Return the path of a file in the cache, after fetching it if it is not there whole.

        Raises ValueError where the file is missing, or its bytes differ from the manifest.
        """
        # The name has the digest, so that several corpora may share a cache.
        path = self.cache / file.sha256[:2] / f"{file.sha256}-{file.name.rsplit('/', 1)[-1]}"
        if not _is_whole(path, file):
            path.parent.mkdir(parents=True, exist_ok=True)
            with exclusive(path.with_suffix(".lock"), wait=True):
                if not _is_whole(path, file):
                    self._fetch(file, path)
        return path

    def _fetch(self, file: CorpusFile, path: Path) -> None:
        file_system, folder = _file_system(self.url)
        digest, n_bytes = hashlib.sha256(), 0
        temporary = path.with_suffix(".part")  # only the holder of the lock writes to it
        try:
            with (
                file_system.open(f"{folder}/{file.name}", "rb") as remote,
                temporary.open("wb") as local,
            ):
                while chunk := remote.read(CHUNK_BYTES):
                    digest.update(chunk)
                    n_bytes += len(chunk)
                    local.write(chunk)
                local.flush()
                os.fsync(local.fileno())
        except FileNotFoundError:
            raise ValueError(
                f"{self.url}/{file.name}: not there, though the manifest lists it"
            ) from None
        if digest.hexdigest() != file.sha256:
            temporary.unlink()
            raise ValueError(
                f"{self.url}/{file.name}: the {n_bytes} bytes fetched are not those of the "
                f"manifest ({file.n_bytes} bytes, by SHA-256)"
            )
        temporary.replace(path)


Files = LocalFiles | RemoteFiles


def corpus_files(output: str | Path, cache: str | Path | None) -> Files:
    """Return the files of a run's output folder, which is a path or a url.

    Raises ValueError for a url without a cache.
    """
    if "://" not in str(output):
        return LocalFiles(output)
    if cache is None:
        raise ValueError(f"{output}: a corpus elsewhere needs a folder here to cache its shards")
    return RemoteFiles(str(output), cache)


def _is_whole(path: Path, file: CorpusFile) -> bool:
    """Tell by its size, for its name says that its digest was checked once."""
    try:
        return path.stat().st_size == file.n_bytes
    except FileNotFoundError:
        return False


def _file_system(url: str) -> tuple[Any, str]:
    import fsspec

    return fsspec.core.url_to_fs(url)


def _no_manifest(output: str, name: str) -> str:
    advice = "give the output folder of a finished run"
    if name != MANIFEST_NAME:
        advice = "give the name of one of its mixtures, or none for the newest"
    return f"{output}: no {name} there; {advice}"

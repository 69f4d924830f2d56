"""The main command with a local folder in place of Google's buckets.

    build/envs/dataflow/bin/python -m tests.dataflow.bucket FOLDER [OPTION ...]

``gs://BUCKET/NAME`` is ``FOLDER/BUCKET/NAME``. Beam's own file system of buckets is used. Below it,
:class:`FolderIO` replaces the connection to the service, with the service's rules: there are no
folders, prefixes are matched as text, a rename replaces an existing object, and deleting a missing
object is no error.
"""

from __future__ import annotations

import shutil
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from apache_beam.io.gcp import gcsio

import beam_runner


class FolderIO:
    """The operations of Beam's ``GcsIO``, on a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _file(self, path: str) -> Path:
        return self.root.joinpath(*gcsio.parse_gcs_path(path))

    def list_files(
        self, path: str, with_metadata: bool = False
    ) -> Iterator[tuple[str, tuple[int, float]]]:
        bucket, prefix = gcsio.parse_gcs_path(path, object_optional=True)
        for file in sorted((self.root / bucket).rglob("*")):
            name = file.relative_to(self.root / bucket).as_posix()
            if file.is_file() and name.startswith(prefix):
                status = file.stat()
                yield f"gs://{bucket}/{name}", (status.st_size, status.st_mtime)

    def open(self, path: str, mode: str, mime_type: str = "") -> BinaryIO:
        file = self._file(path)
        if mode == "wb":
            file.parent.mkdir(parents=True, exist_ok=True)
        return file.open(mode)

    def exists(self, path: str) -> bool:
        return self._file(path).is_file()

    def checksum(self, path: str) -> str:
        return f"{zlib.crc32(self._file(path).read_bytes()):08x}"

    def _status(self, path: str) -> dict[str, Any]:
        status = self._file(path).stat()
        return {"size": status.st_size, "updated": status.st_mtime}

    def is_soft_delete_enabled(self, path: str) -> bool:
        return False

    def delete(self, path: str, recursive: bool = False) -> None:
        assert recursive and path.endswith("/")
        for name, _ in list(self.list_files(path)):
            self._file(name).unlink()

    def delete_batch(self, paths: Iterable[str]) -> list[tuple[str, None]]:
        for path in paths:
            self._file(path).unlink(missing_ok=True)
        return [(path, None) for path in paths]

    def copy_batch(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str, None]]:
        for source, target in pairs:
            self._file(target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self._file(source), self._file(target))
        return [(source, target, None) for source, target in pairs]


def use_folder(root: Path) -> FolderIO:
    """Use a folder in place of all buckets, in this process."""
    io = FolderIO(root)
    gcsio.GcsIO = lambda *_, **__: io
    return io


if __name__ == "__main__":
    use_folder(Path(sys.argv[1]))
    sys.exit(beam_runner.main(sys.argv[2:]))

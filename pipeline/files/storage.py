"""File access by path: local paths through the operating system, others through Beam.

Beam is imported only for remote paths (``gs://``, ``s3://``, ``hdfs://``), so commands on a local
output folder start fast.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import importlib.util
import io
import json
import os
import re
import shlex
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from pipeline.errors import StorageError
from pipeline.files.local_patterns import matching
from pipeline.files.patient_file import PatientFile

_BUFFER_BYTES = 1 << 17  # read from a local file at a time
_REMOVALS = 100  # tries to remove a folder to which another process may be writing
_REQUESTS = 32  # asked of a remote file system at a time


class FileInfo(NamedTuple):
    """A file in a listing."""

    path: str
    n_bytes: int
    modified: float  # seconds since 1970


def is_remote(path: str) -> bool:
    """Tell whether the path has a scheme, as in ``gs://bucket/file``."""
    return re.match(r"^[a-zA-Z][a-zA-Z0-9+.-]*://", path) is not None


def join(folder: str, *parts: str) -> str:
    """Join path components with one slash between them."""
    return "/".join([folder.rstrip("/"), *parts])


ADVICE = {
    "gs": "pip install '.[gcp]'",
    "s3": "pip install '.[aws]'",
    "hdfs": "pip install '.[hadoop]', and give --hdfs_host, --hdfs_port and --hdfs_user",
}
"""How to install support for each scheme, for error messages."""

_MODULES = {"s3": "boto3", "hdfs": "hdfs"}  # modules whose absence Beam reports late or unclearly

BEAM_OPTIONS = "LLAMA_CORPUS_BEAM_OPTIONS"
"""Name of the environment variable with the options for Beam's file systems."""


def take_beam_options(arguments: list[str]) -> None:
    """Keep a command line's options for Beam, so that Beam's file systems get them.

    They are kept in an environment variable, which child processes inherit. Beam itself passes its
    options on to some kinds of workers only.
    """
    os.environ[BEAM_OPTIONS] = shlex.join(arguments)


@functools.cache
def _give_beam_options(arguments: str) -> None:
    """Set the options of Beam's file systems; those for S3 and Hadoop do not start without."""
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    if arguments or FileSystems._pipeline_options is None:
        FileSystems.set_options(PipelineOptions(shlex.split(arguments)))


def filesystems_of(path: str) -> Any:
    """Return Beam's FileSystems; raises StorageError if it cannot handle the path's scheme."""
    from apache_beam.io.filesystems import FileSystems

    _give_beam_options(os.environ.get(BEAM_OPTIONS, ""))
    scheme = path.partition("://")[0]
    try:
        if scheme in _MODULES and importlib.util.find_spec(_MODULES[scheme]) is None:
            raise ValueError(_MODULES[scheme])
        FileSystems.get_filesystem(path)
    except ValueError:
        advice = ADVICE.get(scheme, "there are gs://, s3:// and hdfs://")
        raise StorageError(f"{path}: {scheme}:// cannot be read here: {advice}") from None
    if scheme == "s3":
        from pipeline.files.s3 import check_bucket

        check_bucket(path.split("/")[2])
    return FileSystems


def match(pattern: str) -> list[FileInfo]:
    """List the files that match a pattern, sorted by path.

    ``*`` stands for anything but a slash, ``**`` for anything at all, ``?`` for one character and
    ``[...]`` for one of a set, as in Beam's FileSystems. Raises ValueError for a pattern without
    sense, a folder that cannot be listed, and a link to nothing.
    """
    if not is_remote(pattern):
        try:
            return sorted(_infos(matching(pattern)))
        except (re.error, OSError) as error:
            raise ValueError(f"cannot list {pattern}: {error}") from None
    from apache_beam.io.filesystem import BeamIOError

    filesystems = filesystems_of(pattern)
    try:
        (result,) = filesystems.match([pattern])
    except BeamIOError as error:
        if pattern.startswith("hdfs://"):
            with suppress(OSError):  # nobody answers at its address: the first error says so
                if not filesystems.exists(re.split(r"[*?[]", pattern)[0].rpartition("/")[0]):
                    return []  # as a bucket says of a folder that is not there
        raise ValueError(f"cannot list {pattern}: {error}") from None
    files = {
        entry.path: FileInfo(entry.path, entry.size_in_bytes, entry.last_updated_in_seconds or 0.0)
        for entry in result.metadata_list
    }
    return [files[path] for path in sorted(files)]


def _infos(paths: Iterable[str]) -> Iterator[FileInfo]:
    for path in paths:
        try:
            yield local_info(path)
        except OSError:
            if Path(path).is_symlink():
                raise FileNotFoundError(f"{path} is a link to {Path(path).readlink()}, "
                                        "which is not there") from None  # fmt: skip
            # else it has just been removed


def local_info(path: str) -> FileInfo:
    """Look at a file of this machine. Raises OSError where there is none."""
    status = Path(path).stat()
    return FileInfo(path, status.st_size, status.st_mtime)


def checksums(paths: Sequence[str]) -> dict[str, str]:
    """Return the checksums of those of the files that are remote, asked for side by side."""
    remote = [path for path in paths if is_remote(path)]
    if not remote:
        return {}
    checksum(remote[0])  # makes the file system known, which is not for several threads at once
    with ThreadPoolExecutor(_REQUESTS) as pool:
        return dict(zip(remote, pool.map(checksum, remote), strict=True))


def exists(path: str) -> bool:
    """Tell whether there is a file or folder at the path."""
    return bool(filesystems_of(path).exists(path)) if is_remote(path) else Path(path).exists()


def is_folder(path: str) -> bool:
    """Tell whether there is a local folder at the path; buckets have no folders."""
    return not is_remote(path) and Path(path).is_dir()


def checksum(path: str) -> str:
    """Return the checksum of a remote file's content, of whatever kind its file system keeps."""
    return str(filesystems_of(path).checksum(path))


def open_read(path: str) -> BinaryIO:
    """Open a file's raw bytes for reading, without decompression.

    Reads that fail with a temporary error are repeated a few times, seconds apart. For remote files
    Beam does the same.
    """
    if not is_remote(path):
        return cast(BinaryIO, io.BufferedReader(PatientFile(path), _BUFFER_BYTES))
    from apache_beam.io.filesystem import CompressionTypes

    return filesystems_of(path).open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def read_bytes(path: str) -> bytes:
    """Read a whole, small file."""
    with open_read(path) as file:
        return file.read()


def read_json(path: str) -> Any:
    """Read a JSON file."""
    return json.loads(read_bytes(path))


def rename_remote(filesystems: Any, temporary: str, target: str) -> None:
    """Rename a remote file to ``target``, replacing a file of that name.

    Buckets replace the file. ``hdfs://`` refuses to, so there the old file is deleted first. If the
    writer is killed in between, neither file is there. It wants the folder to be there as well.
    """
    from apache_beam.io.filesystem import BeamIOError

    try:
        filesystems.rename([temporary], [target])
    except BeamIOError:
        folder = target.rpartition("/")[0]
        if not target.startswith("hdfs://"):
            raise
        if filesystems.exists(target):
            filesystems.delete([target])
        elif not filesystems.exists(folder):
            with suppress(BeamIOError):  # another process may have made it meanwhile
                filesystems.mkdirs(folder)
        filesystems.rename([temporary], [target])


def write_file(path: str, data: bytes) -> None:
    """Write a small file outside of any output folder, whole or not at all."""
    if is_remote(path):
        with filesystems_of(path).create(path) as file:
            file.write(data)
        return
    temporary = Path(f"{path}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def json_bytes(value: Any) -> bytes:
    """Serialise a value as JSON, in the one form of all JSON files of the pipeline."""
    return (json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def sha256_of(path: str) -> str:
    """Return the SHA-256 of a file, which is read 1 MiB at a time."""
    digest = hashlib.sha256()
    with open_read(path) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of_each(output: str, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of files of a folder by their names, sorted.

    They are read side by side, one a core.
    """
    ordered = sorted(names)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        digests = pool.map(sha256_of, [join(output, name) for name in ordered])
        return dict(zip(ordered, digests, strict=True))


def has_sha256(path: str, sha256: str) -> bool:
    """Tell whether a file is there, with this SHA-256."""
    return exists(path) and sha256_of(path) == sha256


def list_names(output: str, folder: str) -> set[str]:
    """List the files below ``output/folder``, as paths relative to ``output``."""
    if is_remote(output):
        prefix = join(output, "")
        return {info.path[len(prefix) :] for info in match(join(output, folder, "**"))}
    root = Path(output)
    return {
        path.relative_to(root).as_posix() for path in (root / folder).rglob("*") if path.is_file()
    }


def remove(output: str, name: str) -> None:
    """Remove a file, or a folder with its contents; nothing happens if it does not exist."""
    path = join(output, name)
    if is_remote(path):
        filesystems = filesystems_of(path)
        if filesystems.exists(path):
            filesystems.delete([path])
        elif match(join(path, "**")):  # in a bucket, the prefix with a slash names all files below
            filesystems.delete([join(path, "")])
    elif Path(path).is_dir():
        _remove_folder(Path(path))
    else:
        Path(path).unlink(missing_ok=True)


def _remove_folder(folder: Path) -> None:
    """Remove a folder. A task of an earlier attempt may still write to it, so try repeatedly."""
    for _ in range(_REMOVALS):
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
                raise
        if not folder.exists():
            return
    shutil.rmtree(folder)

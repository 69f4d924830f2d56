"""Files here and elsewhere: local paths by the operating system, others by Beam's FileSystems.

Beam is imported for remote paths only (``gs://``, ``s3://``, ``hdfs://``), so that commands on a
local output folder start at once.
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
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from pipeline.errors import StorageError
from pipeline.files.patient_file import PatientFile

_BUFFER_BYTES = 1 << 17
_REMOVALS = 100


class FileInfo(NamedTuple):
    """A file as its storage lists it."""

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
"""What a scheme needs."""

_MODULES = {"s3": "boto3", "hdfs": "hdfs"}  # those whose lack Beam finds late, or not in a line

BEAM_OPTIONS = "LLAMA_CORPUS_BEAM_OPTIONS"
"""The environment variable with the options of Beam's file systems."""


def take_beam_options(arguments: list[str]) -> None:
    """Take the options for Beam's file systems from those that a command line has for Beam.

    They stand in the environment, from which the processes that this one starts have them as well:
    Beam gives a worker its options only in some of the ways to start one.
    """
    os.environ[BEAM_OPTIONS] = shlex.join(arguments)


@functools.cache
def _give_beam_options(arguments: str) -> None:
    """Give its options to Beam, whose file systems of S3 and Hadoop do not start without."""
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    if arguments or FileSystems._pipeline_options is None:
        FileSystems.set_options(PipelineOptions(shlex.split(arguments)))


def filesystems_of(path: str) -> Any:
    """Return Beam's FileSystems; raises StorageError where they do not know the path's scheme."""
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
    return FileSystems


def match(pattern: str) -> list[FileInfo]:
    """List the files that match a pattern, sorted by path.

    ``*`` stands for anything but a slash, ``**`` for anything at all, ``?`` for one character and
    ``[...]`` for one of a set, as in Beam's FileSystems.
    """
    from apache_beam.io.filesystem import BeamIOError

    try:
        (result,) = filesystems_of(pattern).match([pattern])
    except BeamIOError as error:
        raise ValueError(f"cannot list {pattern}: {error}") from None
    found = {
        entry.path: FileInfo(entry.path, entry.size_in_bytes, entry.last_updated_in_seconds or 0.0)
        for entry in result.metadata_list
    }
    return [found[path] for path in sorted(found)]


def exists(path: str) -> bool:
    """Tell whether there is a file or folder at the path."""
    return bool(filesystems_of(path).exists(path)) if is_remote(path) else Path(path).exists()


def is_folder(path: str) -> bool:
    """Tell whether there is a folder at the path; a bucket has none."""
    return not is_remote(path) and Path(path).is_dir()


def checksum(path: str) -> str:
    """Return what tells one content of a remote file from another, as its storage has it."""
    return str(filesystems_of(path).checksum(path))


def open_read(path: str) -> BinaryIO:
    """Open a file's raw bytes for reading, without decompression.

    A read that fails with an error that may pass is tried again a few times, seconds apart; Beam
    does the same for remote files.
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
    """Give a remote file its name, in the place of one that has it.

    Buckets replace a file as they rename; ``hdfs://`` refuses to, so the old one goes first there,
    and a writer that is killed in between leaves none.
    """
    from apache_beam.io.filesystem import BeamIOError

    try:
        filesystems.rename([temporary], [target])
    except BeamIOError:
        if not (target.startswith("hdfs://") and filesystems.exists(target)):
            raise
        filesystems.delete([target])
        filesystems.rename([temporary], [target])


def write_file(path: str, data: bytes) -> None:
    """Write a small file that belongs to no output folder, whole or not at all."""
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
    """Serialise to the one form in which the pipeline writes JSON files."""
    return (json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def sha256_of(path: str) -> str:
    """Hash a file, 1 MiB at a time."""
    digest = hashlib.sha256()
    with open_read(path) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


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
    """Remove a file or a folder with all it holds; one that is not there is no error."""
    path = join(output, name)
    if is_remote(path):
        filesystems = filesystems_of(path)
        if filesystems.exists(path):
            filesystems.delete([path])
        elif match(join(path, "**")):  # a bucket has no folders: the slash stands for all below
            filesystems.delete([join(path, "")])
    elif Path(path).is_dir():
        _remove_folder(Path(path))
    else:
        Path(path).unlink(missing_ok=True)


def _remove_folder(folder: Path) -> None:
    """Remove a folder, in which a task that nobody waits for any more may be writing meanwhile."""
    for _ in range(_REMOVALS):
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
                raise
        if not folder.exists():
            return
    shutil.rmtree(folder)

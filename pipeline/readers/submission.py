"""Unpacking of one arXiv submission: a tar or zip archive or a single file, compressed or not.

Nothing is written to disk. A hostile archive is unpacked only up to the limits, then refused. Files
that TeX does not read are skipped.
"""

from __future__ import annotations

import io
import posixpath
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.readers.containers.cursor import Cursor, Damage
from pipeline.readers.containers.decompress import decompressed, is_compressed
from pipeline.readers.containers.tar import BLOCK_BYTES, Broken, is_tar, tar_members
from pipeline.readers.containers.zip_archive import TooManyMembersError, open_zip, read_member

# Extensions of files that TeX does not read as part of the text.
_NO_TEXT = re.compile(
    r"\.(?:pdf|e?ps[fi]?\d?|png|jpe?g|gif|tiff?|bmp|svg|gz|zip|tar|tgz|bz2|xz|7z|rar|mp4|avi|mov|mpe?g"
    r"|webm|mp3|wav|ttf|otf|pf[abm]|tfm|vf|pk|dvi|aux|log|out|toc|synctex|fls|fdb_latexmk|docx?|xlsx?"
    r"|pptx?|npy|npz|fits|h5|hdf5|mat|csv|ipynb|pyc|class|jar|exe|dll|so|o|bib|bst|ds_store)\Z",
    re.IGNORECASE,
)
_PDF = re.compile(r"\.pdf\Z", re.IGNORECASE)
_NUL_WINDOW_BYTES = 1024


class RefusedError(Exception):
    """The submission cannot be read; ``reason`` is the reason for which it is dropped."""

    def __init__(self, reason: str, error: str) -> None:
        super().__init__(error)
        self.reason = reason


class Limits(NamedTuple):
    """Limits on what one submission unpacks to, and on its text."""

    max_unpacked_bytes: int
    max_members: int
    max_text_bytes: int  # of the paper, and of each file that it is made of


class Submission(NamedTuple):
    """The files of a submission that TeX may read, by path, and counts of the rest."""

    files: dict[str, bytes]
    member_count: int
    has_pdf: bool


def open_submission(raw: bytes, name: str, limits: Limits) -> Submission:
    """Unpack a submission; ``name`` is the name to give to a file without an archive.

    Raises :class:`RefusedError` for archives that are damaged (``damaged``), that contain links,
    devices or paths out of the archive (``hostile_archive``), or that exceed ``limits``
    (``archive_too_large``).
    """
    if raw.startswith(b"PK\x03\x04"):
        return _from_zip(raw, limits)
    if is_compressed(raw[:16]):
        source = Cursor(_bounded(raw, limits.max_unpacked_bytes))
    else:
        source = Cursor(iter((raw,)))
    if is_tar(source.peek(BLOCK_BYTES)):
        return _from_tar(source, limits)
    content = source.take(limits.max_unpacked_bytes + 1)  # one more, so that a larger file raises
    if content.startswith(b"PK\x03\x04"):
        return _from_zip(content, limits)
    if content.startswith(b"%PDF"):
        return Submission({}, 1, True)
    return Submission({name: content}, 1, False)


def _bounded(raw: bytes, max_bytes: int) -> Iterator[bytes]:
    left = max_bytes
    for chunk in decompressed(io.BytesIO(raw)):
        if isinstance(chunk, Damage):
            raise RefusedError("damaged", chunk.error)
        left -= len(chunk)
        if left < 0:
            raise RefusedError("archive_too_large", f"unpacks to more than {max_bytes} bytes")
        yield chunk


def _inside(name: str) -> str:
    """Return a member's normalised path; refuses one that leads out of the archive."""
    path = posixpath.normpath(name.replace("\\", "/"))
    if path.startswith(("/", "../")) or path == ".." or re.match("[A-Za-z]:/", path):
        raise RefusedError("hostile_archive", f"path {name[:200]!r} leads out of the archive")
    return path


def _from_tar(source: Cursor, limits: Limits) -> Submission:
    files: dict[str, bytes] = {}
    count = 0
    has_pdf = False
    for member in tar_members(source):
        if isinstance(member, Broken):
            raise RefusedError("damaged", f"{member.error}, at {member.offset} of the tar archive")
        count = _counted(count, limits)
        path = _inside(member.name)
        if member.kind in ("link", "device"):
            raise RefusedError("hostile_archive", f"{member.name[:200]!r} is a {member.kind}")
        if source.offset + member.size > limits.max_unpacked_bytes:
            raise RefusedError(
                "archive_too_large", f"unpacks to more than {limits.max_unpacked_bytes} bytes"
            )
        has_pdf |= bool(_PDF.search(path))
        if member.kind == "file" and not _NO_TEXT.search(path):
            _keep(files, path, source.take(member.size))
    return Submission(files, count, has_pdf)


def _from_zip(raw: bytes, limits: Limits) -> Submission:
    files: dict[str, bytes] = {}
    has_pdf = False
    left = limits.max_unpacked_bytes
    try:
        with open_zip(raw, max_members=limits.max_members) as archive:
            members = archive.infolist()
            for member in members:
                path = _inside(member.filename)
                mode = stat.S_IFMT(member.external_attr >> 16)
                if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise RefusedError("hostile_archive", f"{path[:200]!r} is a link or device")
                has_pdf |= bool(_PDF.search(path))
                if member.is_dir() or _NO_TEXT.search(path):
                    continue
                content = read_member(archive, member, left)
                left -= len(content)
                if left < 0:
                    error = "the zip archive unpacks to too much"
                    raise RefusedError("archive_too_large", error)
                _keep(files, path, content)
    except TooManyMembersError as error:
        raise RefusedError("archive_too_large", str(error)) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        # ZipFile raises RuntimeError for encrypted members and unknown methods as well.
        raise RefusedError("damaged", f"bad zip archive: {error}") from error
    return Submission(files, len(members), has_pdf)


def _counted(count: int, limits: Limits) -> int:
    if count >= limits.max_members:
        raise RefusedError("archive_too_large", f"more than {limits.max_members} members")
    return count + 1


def _keep(files: dict[str, bytes], path: str, content: bytes) -> None:
    if b"\0" not in content[:_NUL_WINDOW_BYTES] or content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        files[path] = content

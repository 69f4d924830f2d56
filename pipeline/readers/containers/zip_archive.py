"""Reading of untrusted zip archives with bounds on members and unpacked bytes."""

from __future__ import annotations

import io
import zipfile

_ENTRY = b"PK\x01\x02"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class TooManyMembersError(Exception):
    """The archive has more members than the limit."""


def open_zip(data: bytes | bytearray, *, max_members: int) -> zipfile.ZipFile:
    """Open an archive in memory.

    ``zipfile`` makes an object of every entry of the directory when it opens an archive. So the
    entries are counted first, by the bytes that each begins with. Raises
    :class:`TooManyMembersError`, and the errors of ``zipfile`` for a bad archive.
    """
    count = data.count(_ENTRY)
    if count > max_members:
        raise TooManyMembersError(f"a zip archive of {count} files")
    return zipfile.ZipFile(io.BytesIO(data))


def read_member(archive: zipfile.ZipFile, name: str | zipfile.ZipInfo, max_bytes: int) -> bytes:
    """Return a member's content, or its first ``max_bytes + 1`` bytes if it has more.

    Only stored and deflated members are read, the two methods that EPUB allows (OCF 3.3, section
    4.2.2). With other methods ``zipfile`` unpacks all buffered input at once, which can turn
    kilobytes into gigabytes. Raises ``zipfile.BadZipFile`` for those, and the errors of ``zipfile``
    for damaged members.
    """
    info = name if isinstance(name, zipfile.ZipInfo) else archive.getinfo(name)
    if info.compress_type not in _METHODS:
        raise zipfile.BadZipFile(f"method of compression {info.compress_type}")
    with archive.open(info) as file:
        return file.read(max_bytes + 1)

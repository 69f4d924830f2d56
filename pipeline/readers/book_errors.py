"""What a book's file, or a part of it, may be refused for."""

from __future__ import annotations

import struct
import zipfile
import zlib
from xml.etree import ElementTree

ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    RuntimeError,  # encrypted, or an unknown method of compression
    EOFError,
    OSError,
    LookupError,
    ValueError,
    ElementTree.ParseError,
)
"""What reading a zip archive that is damaged or encrypted raises."""


class RefusedError(Exception):
    """The file gives no text; ``dropped_by`` is the reason, the message has details."""

    def __init__(self, dropped_by: str, error: str) -> None:
        super().__init__(error)
        self.dropped_by = dropped_by


def too_large(max_bytes: int) -> RefusedError:
    """Refusal of a book with more text than a record may have."""
    return RefusedError("record_too_large", f"more than {max_bytes} bytes of text")


def unreadable(error: Exception) -> RefusedError:
    """Refusal of an archive, or a file in it, for one of :data:`ARCHIVE_ERRORS`."""
    reason = "encrypted" if "encrypted" in str(error) else "damaged"
    return RefusedError(reason, f"zip archive: {type(error).__name__}: {error}")

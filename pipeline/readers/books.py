"""Reader of books, one a file: plain text in any of the usual encodings, or EPUB.

Plain text may be compressed with gzip, zstd or bzip2, or be the only ``.txt`` of a zip archive, as
Project Gutenberg packs it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from pipeline.readers.batches import Row, batches, metadata_json, utf8
from pipeline.readers.book_errors import ARCHIVE_ERRORS, RefusedError, too_large, unreadable
from pipeline.readers.containers.cursor import Damage
from pipeline.readers.containers.decompress import decompressed
from pipeline.readers.containers.zip_archive import TooManyMembersError, open_zip, read_member
from pipeline.readers.epub import is_epub, read_epub
from pipeline.readers.text_encoding import codec_of, decoded_with, nearly_utf8
from transforms.gutenberg import header_fields

MAX_ARCHIVE_BYTES_PER_RECORD_BYTE = 4
"""Most bytes of an archive for each byte of the largest text; an EPUB contains pictures too."""

_MAX_ARCHIVE_FILES = 20_000
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED_ENCODING = re.compile(rb"Character set encoding:[ \t]*([^\r\n]{1,80})", re.IGNORECASE)
_DECLARED_WITHIN_BYTES = 1 << 15
_NOT_TEXT = re.compile(rb"\s*(?:%PDF-|\{\\rtf|<\?xml|<!doctype|<html|\xd0\xcf\x11\xe0)", re.I)
_CONTROL_BYTES = bytes(b for b in range(32) if b not in b"\t\n\v\f\r\x1a\x1b")
_WESTERN = ("iso8859-1", "cp1252")
_MIN_LETTERS_PER_BAD_BYTE = 4  # of a text in the encoding that its header names
_C1_CONTROLS = re.compile("[\x80-\x9f]")


class _Book(NamedTuple):
    text: str
    metadata: dict[str, object]
    missing: Sequence[str] = ()  # why parts of it are not there


def read_books(
    stream: BinaryIO,
    name: str,
    *,
    start: int,
    end: int | None,
    batch_bytes: int,
    max_record_bytes: int,
) -> Iterator[pa.RecordBatch]:
    """Read a file with one book as a document with the id ``name#0``.

    The encoding is that of a byte-order mark; else UTF-8 if the bytes are valid; else the one that
    a Project Gutenberg header names, in any spelling; else Windows-1252. ``metadata`` holds
    ``encoding``, ``encoding_guessed: true`` where nothing says what it is, and also
    ``title``, ``author``, ``language`` and ``gutenberg_number`` if the book's header or an EPUB's
    package document has them.

    A file without usable text becomes a row dropped by ``not_a_book`` (a picture, a PDF, HTML, an
    archive of other files), ``empty``, ``encrypted``, ``damaged`` (a part of the book is missing),
    or ``record_too_large`` (more than ``max_record_bytes`` of text). A chapter that is missing or
    damaged in an EPUB becomes a row dropped by ``damaged``, ``name#0!damage0``, and the others are
    the book. The file is not split: ``start`` is 0 and ``end`` None.
    """
    assert start == 0 and end is None, "books are not split"
    return batches(_rows(stream, f"{name}#0", max_record_bytes), batch_bytes=batch_bytes)


def _rows(stream: BinaryIO, row_id: str, max_record_bytes: int) -> Iterator[Row]:
    try:
        book = _book(stream, max_record_bytes)
        data = utf8(book.text)
        if not data or data.isspace():
            raise RefusedError("empty", "no text")
        if len(data) > max_record_bytes:
            raise too_large(max_record_bytes)
    except RefusedError as refused:
        yield Row(row_id, b"", None, metadata_json({"error": str(refused)}), refused.dropped_by)
        return
    yield Row(row_id, data, None, metadata_json(book.metadata))
    for part, error in enumerate(book.missing):
        yield Row(f"{row_id}!damage{part}", b"", None, metadata_json({"error": error}), "damaged")


def _book(stream: BinaryIO, max_record_bytes: int) -> _Book:
    data = bytearray()
    limit = max_record_bytes
    for chunk in decompressed(stream):
        if isinstance(chunk, Damage):
            raise RefusedError("damaged", f"{chunk.error}, at byte {chunk.offset} of the file")
        data += chunk
        if data.startswith(b"PK\x03\x04"):
            limit = max_record_bytes * MAX_ARCHIVE_BYTES_PER_RECORD_BYTE
        if len(data) > limit:
            raise too_large(limit)
    if not data.startswith(b"PK\x03\x04"):
        return _plain_book(bytes(data))
    try:
        return _archived_book(data, max_record_bytes)
    except TooManyMembersError as error:
        raise RefusedError("not_a_book", str(error)) from error
    except ARCHIVE_ERRORS as error:
        raise unreadable(error) from error


def _plain_book(data: bytes) -> _Book:
    text, encoding, is_guessed = decode_book(data)
    guessed = {"encoding_guessed": True} if is_guessed else {}
    return _Book(text, {"encoding": encoding, **guessed, **header_fields(text)})


class DecodedBook(NamedTuple):
    """The text of a book, without byte-order mark, and the encoding that it had."""

    text: str
    encoding: str
    is_guessed: bool = False  # whether nothing says what the encoding is


def decode_book(data: bytes) -> DecodedBook:
    """Decode a book's bytes.

    A text with some bytes of invalid UTF-8 is read as UTF-8, and those bytes become U+FFFD:
    non-ASCII text in other encodings is hardly ever valid UTF-8. So are bytes that are wrong in the
    encoding that a header names.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return DecodedBook(data[len(mark) :].decode(encoding, "replace"), encoding)
    if _NOT_TEXT.match(data):
        raise RefusedError("not_a_book", f"begins with {data[:16]!r}, which is no plain text")
    if len(data) - len(data.translate(None, _CONTROL_BYTES)) > len(data) // 100:
        raise RefusedError("not_a_book", "not text: too many control bytes")
    if data.isascii():
        return DecodedBook(data.decode("ascii"), "ascii")
    label = _DECLARED_ENCODING.search(data, 0, _DECLARED_WITHIN_BYTES)
    declared = codec_of(label[1].decode("latin-1")) if label else None
    is_other = declared is not None and declared != "ascii" and not declared.startswith("utf")
    text = nearly_utf8(data, trusted=is_other)
    if text is not None:
        return DecodedBook(text, "utf-8")
    if declared is not None and is_other and declared not in _WESTERN:
        text = decoded_with(data, declared)
        if text.count("\ufffd") * _MIN_LETTERS_PER_BAD_BYTE <= _n_beyond_ascii(text):
            return DecodedBook(text, declared)
    return DecodedBook(*_western(data), is_guessed=declared not in _WESTERN)


def _n_beyond_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))


def _western(data: bytes) -> tuple[str, str]:
    """Decode as Latin-1, or as Windows-1252 if there are bytes from 0x80 to 0x9F."""
    text = data.decode("latin-1")
    if not _C1_CONTROLS.search(text):
        return text, "iso8859-1"
    return _C1_CONTROLS.sub(_windows_1252, text), "cp1252"


def _windows_1252(match: re.Match[str]) -> str:
    """Return a C1 control as the character of Windows-1252; five are undefined and stay."""
    return match[0].encode("latin-1").decode("cp1252", "ignore") or match[0]


def _archived_book(data: bytes | bytearray, max_record_bytes: int) -> _Book:
    with open_zip(data, max_members=_MAX_ARCHIVE_FILES) as archive:
        if is_epub(archive):
            epub = read_epub(archive, max_record_bytes)
            fields = {"encoding": "epub", **epub.fields, **header_fields(epub.text)}
            return _Book(epub.text, fields, epub.missing)
        texts = [name for name in archive.namelist() if name.lower().endswith(".txt")]
        if len(texts) != 1:
            raise RefusedError("not_a_book", f"a zip archive of {len(texts)} .txt files, not one")
        data = read_member(archive, texts[0], max_record_bytes)
        if len(data) > max_record_bytes:
            raise too_large(max_record_bytes)
        return _plain_book(data)

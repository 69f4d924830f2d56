"""Text of an EPUB, a zip archive of XHTML documents (https://www.w3.org/TR/epub-33/).

The documents are read in the order of the spine. They are XML, and turned into text like web pages.
"""

from __future__ import annotations

import posixpath
import unicodedata
import zipfile
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote
from xml.etree import ElementTree

from pipeline.readers.book_errors import ARCHIVE_ERRORS, RefusedError, too_large, unreadable
from pipeline.readers.charsets.page import decode_page
from pipeline.readers.containers.zip_archive import read_member
from pipeline.readers.html.page_text import HtmlError, html_page
from pipeline.readers.html.xhtml import html_of_xhtml

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_MAX_PACKAGE_BYTES = 1 << 22
_TYPES_OF_XML = ("", "text/xml", "application/xml")
_PAGE_ENDINGS = (".xhtml", ".html", ".htm")


class Epub(NamedTuple):
    """The text of an EPUB, fields of its package document, and why parts are not there."""

    text: str
    fields: dict[str, object]
    missing: list[str]


class _Files(NamedTuple):
    """The files of an archive by their keys."""

    archive: zipfile.ZipFile
    members: dict[str, zipfile.ZipInfo]

    def read(self, name: str, max_bytes: int) -> bytes:
        if _key(name) not in self.members:
            raise zipfile.BadZipFile(f"no file {name}")
        data = read_member(self.archive, self.members[_key(name)], max_bytes)
        if len(data) > max_bytes:
            raise too_large(max_bytes)
        return data

    def xml(self, name: str) -> ElementTree.Element:
        data = self.read(name, _MAX_PACKAGE_BYTES)
        if b"<!ENTITY" in data.replace(b"\0", b""):  # in UTF-16 as well
            raise RefusedError("not_a_book", f"{name} declares entities")
        return ElementTree.fromstring(data)


def _key(name: str) -> str:
    """Return what a file is found by.

    Names in an archive are distinct also without regard to case and to the form of accents (OCF
    3.3, section 4.2.3). Archives made on Windows may have backslashes in them.
    """
    path = posixpath.normpath(name.replace("\\", "/")).lstrip("/")
    return unicodedata.normalize("NFC", path).casefold()


def _files(archive: zipfile.ZipFile) -> _Files:
    return _Files(archive, {_key(info.filename): info for info in archive.infolist()})


def is_epub(archive: zipfile.ZipFile) -> bool:
    """Tell whether an archive is an EPUB, by the file that names its package document."""
    return _key(_CONTAINER) in _files(archive).members


def read_epub(archive: zipfile.ZipFile, max_text_bytes: int) -> Epub:
    """Read an EPUB. Documents that are missing or damaged are left out and told of.

    Raises :class:`RefusedError` where none can be read, for an encrypted book, and where documents
    have more than ``max_text_bytes``. Raises :data:`ARCHIVE_ERRORS` where the package document
    cannot be read.
    """
    files = _files(archive)
    rootfile = files.xml(_CONTAINER).find(".//{*}rootfile")
    if rootfile is None:
        raise RefusedError("not_a_book", f"{_CONTAINER} names no package document")
    package_name = rootfile.get("full-path", "")
    package = files.xml(package_name)
    encrypted = _encrypted_files(files)
    texts: list[str] = []
    missing: list[str] = []
    left = max_text_bytes
    for part in _spine(package, posixpath.dirname(package_name.replace("\\", "/")), files):
        if _key(part) in encrypted:
            raise RefusedError("encrypted", f"{_ENCRYPTION} names the book's text")
        try:
            data = files.read(part, left)
            left -= len(data)
            html = html_of_xhtml(decode_page(data, is_xml=True).text)
            texts.append(html_page(html, main_content=False, marks_scripts=True).text.strip())
        except HtmlError as error:
            missing.append(f"{part}: {error}")
        except ARCHIVE_ERRORS as error:
            refusal = unreadable(error)
            if refusal.dropped_by == "encrypted":
                raise refusal from error
            missing.append(f"{part}: {refusal}")
    if missing and not any(texts):
        raise RefusedError("damaged", missing[0])
    return Epub("\n\n".join(filter(None, texts)), _package_fields(package), missing)


def _spine(package: ElementTree.Element, folder: str, files: _Files) -> Iterator[str]:
    """Yield the names of the documents in the order of the spine, each once.

    An item that is no document, such as a picture, stands for the one that is its fallback.
    """
    items = {item.get("id"): item for item in package.iterfind("{*}manifest/{*}item")}
    seen = set()
    for reference in package.iterfind("{*}spine/{*}itemref"):
        idref = reference.get("idref")
        item = items.get(idref)
        tried = set()
        while item is not None and not _is_page(item) and item.get("id") not in tried:
            tried.add(item.get("id"))
            item = items.get(item.get("fallback"), item)
        if item is not None and not _is_page(item):
            continue
        name = f"item {idref} of the spine" if item is None else _name(item, folder, files)
        if _key(name) not in seen:
            seen.add(_key(name))
            yield name


def _is_page(item: ElementTree.Element) -> bool:
    media_type = item.get("media-type", "")
    if media_type in _TYPES_OF_XML:
        return item.get("href", "").partition("#")[0].lower().endswith(_PAGE_ENDINGS)
    return "html" in media_type or media_type == "text/x-oeb1-document"


def _name(item: ElementTree.Element, folder: str, files: _Files) -> str:
    """Return the name of an item's file. Its address may have escapes, and name a place in it."""
    path = item.get("href", "").replace("\\", "/").partition("#")[0].partition("?")[0]
    name = posixpath.normpath(posixpath.join(folder, unquote(path)))
    if _key(name) in files.members:
        return name
    as_written = posixpath.normpath(posixpath.join(folder, path))
    return as_written if _key(as_written) in files.members else name


def _encrypted_files(files: _Files) -> set[str]:
    """Return the keys of encrypted files, which are often only the fonts."""
    if _key(_ENCRYPTION) not in files.members:
        return set()
    references = files.xml(_ENCRYPTION).iterfind(".//{*}CipherReference")
    return {_key(unquote(reference.get("URI", ""))) for reference in references}


def _package_fields(package: ElementTree.Element) -> dict[str, object]:
    fields: dict[str, object] = {}
    for field, tag in (("title", "title"), ("author", "creator"), ("language", "language")):
        element = package.find(f"{{*}}metadata/{{http://purl.org/dc/elements/1.1/}}{tag}")
        if element is not None and element.text and element.text.strip():
            fields[field] = " ".join(element.text.split())
    return fields

"""Reader of Wikipedia's ``pages-articles`` dumps, MediaWiki's XML export.

The XML is not parsed as a document. A scanner looks for ``<page>`` and ``</page>``, which in this
format occur only as tags, and reads the few elements it needs between them. So a part of a file can
be read like a whole file. Only XML's own five entities and character references exist: a document
type is not read, and a page that uses other entities is dropped.

A multistream dump is a sequence of bzip2 streams, each with some whole pages. ``pbzip2`` writes
streams too, but cuts pages anywhere. Streams are found by their magic bytes, so the dump's index is
not needed. A page belongs to the stream in which its ``<page>`` begins.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, cast
from urllib.parse import quote

import pyarrow as pa

from pipeline.readers.batches import Row, batches, damaged_row, metadata_json, utf8
from pipeline.readers.containers.bzip2_streams import Window, begins_stream, first_stream
from pipeline.readers.containers.cursor import READ_BYTES, Damage, RawFile
from pipeline.readers.containers.decompress import decompressed, is_compressed
from pipeline.readers.containers.page_cutter import Chunk, PageCutter, as_utf8, chunks_of
from pipeline.readers.wiki_page import Page, PageError, namespace_names, parse_page
from transforms.documents import with_column

_HEAD_BYTES = 16
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_FILE_LANGUAGE = re.compile(r"([a-z]{2,}?(?:_[a-z]+)*?)wiki(?![a-z])")


def read_wikipedia(
    stream: BinaryIO,
    name: str,
    *,
    start: int,
    end: int | None,
    batch_bytes: int,
    max_record_bytes: int,
    languages: Sequence[str],
) -> Iterator[pa.RecordBatch]:
    """Read the pages of a ``pages-articles`` dump as batches of documents of raw wikitext.

    The language comes from the file's name (``enwiki-...``) and goes to the column ``language``. A
    document's id is ``name#PAGE@OFFSET``: the page's id, and the page's offset in the decompressed
    file, because a file may have a page twice. In bzip2 files OFFSET is the offset of the stream in
    the file, a plus, and the page's offset in the decompressed stream. ``metadata`` holds
    ``title``, ``page_id``, ``revision_id`` and ``timestamp`` of the latest revision. Dumps may be
    plain, bzip2, gzip or zstd, and UTF-8, or UTF-16 with a byte-order mark.

    ``start`` and ``end`` are offsets of a split in the raw file. A split of a plain file has the
    pages that begin in it. A split of a bzip2 file has the pages of the streams that begin in it.
    Other files (gzip, zstd, UTF-16, a single bzip2 stream) are read whole by the split with byte 0.

    Every page is a row. Reasons to drop it are ``other_language`` (a language not in ``languages``,
    or none in the file's name), ``not_an_article`` (outside namespace 0), ``redirect``,
    ``not_wikitext`` (other content), ``empty`` (no text), ``record_too_large`` (over
    ``max_record_bytes`` of XML) and ``bad_xml`` (not XML of this format). Pages that are cut off,
    and bytes that do not decompress, become rows dropped by ``damaged``. A file of another format
    becomes a row dropped by ``not_a_dump``.
    """
    raw = RawFile(stream)
    language = _language_of(name)
    pages = _Dump(raw, name, max_record_bytes, language, language in languages)
    for batch in batches(pages.rows(start, end), batch_bytes=batch_bytes):
        yield with_column(batch, "language", [language] * batch.num_rows)


def _language_of(name: str) -> str | None:
    """Return the language from the name of a dump, as it is written in the domain of its wiki."""
    match = _FILE_LANGUAGE.match(name.rsplit("/", 1)[-1])
    return match.group(1).replace("_", "-") if match else None


class _Dump:
    """One dump file, with the settings that all its pages share."""

    def __init__(
        self, raw: RawFile, name: str, max_page_bytes: int, language: str | None, wanted: bool
    ) -> None:
        self._raw = raw
        self._name = name
        self._max_page_bytes = max_page_bytes
        self._language = language
        self._wanted = wanted
        self._namespaces = namespace_names(b"")
        self._in_bzip2 = False

    def rows(self, start: int, end: int | None) -> Iterator[Row]:
        """Yield the rows of the split from offset ``start`` to ``end``."""
        file_head = self._raw.read_at(0, _HEAD_BYTES)
        self._in_bzip2 = begins_stream(file_head)
        compressed = is_compressed(file_head)
        whole = compressed and not self._in_bzip2
        if start and whole:
            return
        head = self._head(compressed)
        self._namespaces = namespace_names(head)
        encoding = _UTF16.get(head[:2])
        if encoding:
            if start:
                return
            end = None
        if self._in_bzip2:
            chunks = self._bzip2_chunks(start, end)
        elif whole:
            chunks = chunks_of(decompressed(self._window(0)))
        else:
            chunks = self._plain_chunks(start, end)
        if encoding:
            chunks = as_utf8(chunks, encoding)
        has_rows = False
        first = head.lstrip(codecs.BOM_UTF8 + b" \t\r\n")[:1]
        for row in self._pages(chunks):
            has_rows = True
            yield row
        if not has_rows and not start and not encoding and first not in (b"", b"<"):
            fault = {"error": "not an XML dump of MediaWiki, and no page in it"}
            yield Row(f"{self._name}#!format", b"", None, metadata_json(fault), "not_a_dump")

    def _window(self, begin: int, *, one_stream: bool = False) -> BinaryIO:
        return cast(BinaryIO, Window(self._raw, begin, one_stream=one_stream))

    def _head(self, compressed: bool) -> bytes:
        """Return the first bytes of the decompressed file, which name its namespaces."""
        if not compressed:
            return self._raw.read_at(0, READ_BYTES)
        first = next(decompressed(self._window(0, one_stream=self._in_bzip2)), b"")
        return first if isinstance(first, bytes) else b""

    def _plain_chunks(self, start: int, end: int | None) -> Iterator[Chunk]:
        at = start
        while True:
            size = READ_BYTES if end is None or at >= end else min(READ_BYTES, end - at)
            if not (data := self._raw.read_at(at, size)):
                return
            yield Chunk(0, at, data, end is None or at < end)
            at += len(data)

    def _bzip2_chunks(self, start: int, end: int | None) -> Iterator[Chunk]:
        begin = first_stream(self._raw, start, end)
        while begin is not None:
            window = Window(self._raw, begin, one_stream=True)
            owned = end is None or begin < end
            yield from chunks_of(decompressed(cast(BinaryIO, window)), begin, owned)
            assert window.end is not None
            begin = window.end if self._raw.read_at(window.end, 1) else None

    def _pages(self, chunks: Iterator[Chunk]) -> Iterator[Row]:
        """Yield the rows of the pages in chunks, and a row for each damage."""
        cutter = PageCutter()
        for chunk in chunks:
            if isinstance(chunk.data, Damage):
                if cutter.in_page:
                    yield self._cut_off(cutter, "the file is damaged inside this page")
                cutter = PageCutter()
                if not chunk.owned:
                    return
                yield self._damage(chunk.stream, chunk.data)
                continue
            if not chunk.owned and not cutter.in_page and not cutter.ends_in_part_of_tag():
                return
            cutter.add(chunk)
            for place, page in cutter.pages(self._max_page_bytes):
                if isinstance(page, int):
                    yield self._refused(place, "record_too_large", f"{page} bytes of XML")
                elif page is None:
                    yield self._refused(place, "damaged", "another page begins inside this page")
                else:
                    yield self._row(place, page)
        if cutter.in_page:
            yield self._cut_off(cutter, "the file ends inside this page")

    def _cut_off(self, cutter: PageCutter, error: str) -> Row:
        return self._refused(cutter.place(), "damaged", error)

    def _damage(self, stream: int, damage: Damage) -> Row:
        offset = stream + damage.offset
        return damaged_row(
            f"{self._name}#!damage{offset}", damage.error, offset, damage.skipped_bytes
        )

    def _id(self, place: tuple[int, int], page_id: str) -> str:
        stream, offset = place
        return f"{self._name}#{page_id}@{f'{stream}+' if self._in_bzip2 else ''}{offset}"

    def _refused(self, place: tuple[int, int], reason: str, error: str) -> Row:
        return Row(self._id(place, ""), b"", None, metadata_json({"error": error}), reason)

    def _row(self, place: tuple[int, int], data: bytes) -> Row:
        try:
            page = parse_page(data, self._namespaces)
        except PageError as error:
            return self._refused(place, "bad_xml", str(error))
        metadata = {
            "title": page.title,
            "page_id": int(page.page_id),
            "revision_id": int(page.revision_id) if page.revision_id else None,
            "timestamp": page.timestamp,
        }
        reason, url = self._dropped_by(page), None
        if self._language:
            path = quote(page.title.replace(" ", "_"), safe="/:;@$!*(),~")
            url = f"https://{self._language}.wikipedia.org/wiki/{path}"
        row_id = self._id(place, page.page_id)
        text = b"" if reason else utf8(page.text)
        if reason == "other_language" and not self._language:
            metadata["error"] = "the file's name does not begin with a language, as enwiki- does"
        return Row(row_id, text, url, metadata_json(metadata), reason)

    def _dropped_by(self, page: Page) -> str | None:
        if not self._wanted:
            return "other_language"
        if not page.is_article:
            return "not_an_article"
        if page.is_redirect:
            return "redirect"
        if page.model not in (None, "wikitext"):
            return "not_wikitext"
        return None if page.text and not page.text.isspace() else "empty"

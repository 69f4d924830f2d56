"""Reader of StackExchange dumps: a site's posts, from ``Posts.xml`` or its ``.7z``.

``Posts.xml`` has one ``<row .../>`` a post, with all content in attributes. It is not parsed as
XML: rows are found by ``<row``, which cannot occur in an attribute (XML 1.0, section 3.1). So a
file can be read in a stream, and from any offset. A document type is not interpreted, and entities
that it declares are not expanded. Characters that XML forbids, which dumps contain, are kept.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.readers.batches import utf8
from pipeline.readers.containers.cursor import Damage, plain_chunks
from pipeline.readers.containers.decompress import SEVEN_ZIP_MAGIC, decompressed, is_compressed
from transforms.stackexchange.join import (
    POST_SCHEMA,
    join_posts,
    largest_sites,
    partition_of_posts,
    site_of,
)

MEMBER = "Posts.xml"  # the member of a .7z archive that is read

_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_MARK = b"<row"
_ROW_BYTES = 80  # of the numbers of a row, about
_MAX_HEADER_BYTES = 1 << 12
_HEADER_ITEM = re.compile(
    r"\s+|<\?xml\b[^>]*>|<!DOCTYPE\b[^\[>]*>|<!--.*?-->|</?posts\s*/?>", re.DOTALL
)
_ATTRIBUTE = re.compile(r"""\s+([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_ROW_END = re.compile(r"\s*(?:/>|>\s*</row\s*>)\s*(?:</posts\s*>\s*)?")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_POST_ID = re.compile(r"[0-9]{1,18}")
_REFERENCE = re.compile(r"&(?:#x([0-9a-fA-F]{1,8});|#([0-9]{1,9});|(\w+);)?")
_ENTITIES = {"lt": "<", "gt": ">", "quot": '"', "apos": "'", "amp": "&"}
_TAG = re.compile(r"[^<>|\s]+")  # in "<one><two>", or since 2022 "|one|two|"
_QUESTION, _ANSWER = "1", "2"


class _Record(NamedTuple):
    """The bytes from a ``<row`` to the next; ``data`` is None if there are too many."""

    offset: int
    data: bytes | None
    size: int
    damage: Damage | None = None  # the damage that cuts the record off


class _BadRowError(ValueError):
    """A row is not a well-formed XML element, or not a post."""


def read_posts(
    stream: BinaryIO,
    name: str,
    *,
    start: int,
    end: int | None,
    batch_bytes: int,
    max_record_bytes: int,
) -> Iterator[pa.RecordBatch]:
    """Read the posts of a dump as batches of ``transforms.stackexchange.join.POST_SCHEMA``.

    The file is a ``Posts.xml``, plain or in gzip, bzip2 or zstd, or a ``.7z`` with a member
    ``Posts.xml``, or of such archives, which needs a stream that can seek. It is UTF-8, or UTF-16
    with a byte-order mark. ``start`` and ``end`` are the offsets of a split. A split of a plain
    file in UTF-8 has the rows that begin in it; any other file is read whole by the split that
    begins at 0. A row's ``record`` is its byte offset in the decompressed file, as UTF-8.

    Every post is a row. Posts that are neither question nor answer are dropped by
    ``not_a_question_or_answer``, and deleted ones, which have a ``DeletionDate``, by
    ``deleted_post``. Other reasons are ``bad_post`` (not well-formed, with an entity
    that XML does not define, or without the numbers of a post), ``record_too_large`` (over
    ``max_record_bytes``), ``not_posts`` (the text before the first row is not the head of a
    ``Posts.xml``, or declares entities), and ``damaged`` (the file does not decompress). Invalid
    UTF-8 and references to characters that are not in Unicode become U+FFFD.
    """
    records = _records_of(stream, start, end, max_record_bytes)
    return _batches(_rows(records, name, site_of(name)), batch_bytes)


def _records_of(
    stream: BinaryIO, start: int, end: int | None, max_record_bytes: int
) -> Iterator[_Record]:
    head = b""
    if stream.seekable():
        head = stream.read(16)
        stream.seek(0)
    if head.startswith(SEVEN_ZIP_MAGIC):
        # py7zr takes as long to import as all other readers.
        from pipeline.readers.containers.seven_zip import member_of_7z

        chunks: Iterable[bytes | Damage] = member_of_7z(stream, MEMBER) if start == 0 else ()
        yield from _records(_as_utf8(chunks), 0, max_record_bytes)
    elif is_compressed(head) or head[:2] in _UTF16:
        chunks = decompressed(stream) if start == 0 else ()
        yield from _records(_as_utf8(chunks), 0, max_record_bytes)
    else:
        chunks = _as_utf8(decompressed(stream)) if start == 0 else plain_chunks(stream, start)
        records = _records(chunks, start, max_record_bytes)
        if start > 0:
            next(records, None)  # the end of a row that began before
        for record in records:
            if end is not None and record.offset >= end:
                return
            yield record


def _as_utf8(chunks: Iterable[bytes | Damage]) -> Iterator[bytes | Damage]:
    """Convert chunks to UTF-8 if the first one begins with UTF-16's byte-order mark."""
    decoder: codecs.IncrementalDecoder | None = None
    is_first = True
    for chunk in chunks:
        if isinstance(chunk, Damage):
            if decoder:
                decoder.reset()
            yield chunk
            continue
        if is_first and (encoding := _UTF16.get(chunk[:2])):
            decoder = codecs.getincrementaldecoder(encoding)("replace")
        is_first = False
        yield utf8(decoder.decode(chunk)) if decoder else chunk


def _records(chunks: Iterable[bytes | Damage], offset: int, max_bytes: int) -> Iterator[_Record]:
    """Divide chunks before every ``<row``; the first chunk begins at ``offset``.

    The first record is the text before the first row, and may be empty. The rest of a row that a
    damage cuts off counts to the damage.
    """
    pieces: list[bytes] = []
    size = 0
    tail = b""  # end of the last chunk, which may be part of a mark
    lost = False  # the beginning of the record was lost in a damage
    for chunk in chunks:
        if isinstance(chunk, Damage):
            data = b"".join([*pieces, tail]) if size <= max_bytes else None
            yield _Record(offset, data, size + len(tail), chunk)
            offset += size + len(tail)
            pieces, size, tail, lost = [], 0, b"", True  # the rest of the row is lost as well
            continue
        data = tail + chunk
        begin = search = 0
        while (at := data.find(_MARK, search)) >= 0:
            pieces.append(data[begin:at])
            size += at - begin
            if not lost:
                yield _Record(offset, b"".join(pieces) if size <= max_bytes else None, size)
            offset += size
            pieces, size, lost = [], 0, False
            begin, search = at, at + 1
        cut = max(begin, len(data) - len(_MARK) + 1)
        size += cut - begin
        pieces = [*pieces, data[begin:cut]] if size <= max_bytes else []
        tail = data[cut:]
    size += len(tail)
    if size and not lost:
        yield _Record(offset, b"".join([*pieces, tail]) if size <= max_bytes else None, size)


def _rows(records: Iterable[_Record], name: str, site: str) -> Iterator[dict[str, Any]]:
    for record in records:
        row: dict[str, Any] = {"name": name, "record": record.offset, "site": site}
        if record.damage is not None:
            data = record.data or b""
            if data.startswith(_MARK) and _is_whole(data):
                yield from _rows_of_record(data, row)
                row["record"] += record.size
            offset, error, skipped_bytes, _ = record.damage
            error = f"{error}; {skipped_bytes} bytes skipped at {offset} of the file"
            yield row | {"dropped_by": "damaged", "error": error}
        elif record.data is None:
            yield row | {"dropped_by": "record_too_large", "error": f"{record.size} bytes"}
        elif record.data.startswith(_MARK):
            yield from _rows_of_record(record.data, row)
        elif fault := _fault_of_header(record.data):
            yield row | {"dropped_by": "not_posts", "error": fault}


def _is_whole(data: bytes) -> bool:
    try:
        _, end = _attributes(text := data.decode(errors="replace"))
    except _BadRowError:
        return False
    return end == len(text)


def _rows_of_record(data: bytes, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the row of a post, and one for any text between it and the next post."""
    text = data.decode(errors="replace")
    try:
        attributes, end = _attributes(text)
        yield row | _post(attributes)
    except _BadRowError as bad:
        yield row | {"dropped_by": "bad_post", "error": str(bad)}
        return
    if end < len(text):
        record = row["record"] + len(text[:end].encode())
        error = f"no row: {text[end : end + 100]!r}"
        yield row | {"record": record, "dropped_by": "bad_post", "error": error}


def _fault_of_header(data: bytes) -> str | None:
    """Return why the text before the first row is not the head of a ``Posts.xml``, or None."""
    text = data[: 2 * _MAX_HEADER_BYTES].decode("utf-8-sig", errors="replace")
    if "<!ENTITY" in text:
        return "the document type declares entities, which are not expanded"
    rest = text if len(data) > _MAX_HEADER_BYTES else _HEADER_ITEM.sub("", text)
    return f"not the head of a Posts.xml: {rest[:100]!r}" if rest else None


def _attributes(text: str) -> tuple[dict[str, str], int]:
    """Return the decoded attributes of a row, and the offset of the text after it."""
    attributes: dict[str, str] = {}
    position = len(_MARK)
    while match := _ATTRIBUTE.match(text, position):
        position = match.end()
        key, double, single = match.groups()
        if key in attributes:
            raise _BadRowError(f"attribute {key} stands twice")
        attributes[key] = _decoded(double if single is None else single)
    end = _ROW_END.match(text, position)
    if end is None:
        raise _BadRowError(f"not well-formed: {text[position : position + 100]!r}")
    return attributes, end.end()


def _decoded(value: str) -> str:
    """Resolve the references in an attribute's value (XML 1.0, sections 4.1 and 4.6)."""
    if "&" not in value:
        return value
    usual = value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
    usual = usual.replace("&#xA;", "\n").replace("&#xD;", "\r")
    if usual.count("&") == usual.count("&amp;"):
        return usual.replace("&amp;", "&")
    return _REFERENCE.sub(_character, value)


def _character(reference: re.Match[str]) -> str:
    hexadecimal, decimal, entity = reference.groups()
    if character := _ENTITIES.get(entity):
        return character
    if not hexadecimal and not decimal:
        raise _BadRowError(f"{reference.group()!r} is no reference that XML defines")
    code = int(hexadecimal, 16) if hexadecimal else int(decimal)
    if 0 < code < 0xD800 or 0xDFFF < code <= 0x10FFFF:
        return chr(code)
    return "\ufffd"


def _post(attributes: dict[str, str]) -> dict[str, Any]:
    """Return the columns of a post from its attributes."""
    post_id = _number(attributes, "Id", _POST_ID)
    post_type = attributes.get("PostTypeId", "")
    if post_type not in (_QUESTION, _ANSWER):
        _number(attributes, "PostTypeId")
        dropped_by = {"dropped_by": "not_a_question_or_answer", "error": f"post type {post_type}"}
        return {"post_id": post_id, **dropped_by}
    if attributes.get("DeletionDate"):
        error = f"deleted {attributes['DeletionDate'][:50]}"
        return {"post_id": post_id, "dropped_by": "deleted_post", "error": error}
    is_question = post_type == _QUESTION
    accepted = "AcceptedAnswerId" in attributes
    return {
        "post_id": post_id,
        "question_id": post_id if is_question else _number(attributes, "ParentId", _POST_ID),
        "is_question": is_question,
        "score": _number(attributes, "Score"),
        "created": attributes.get("CreationDate"),
        "title": attributes.get("Title"),
        "body_html": attributes.get("Body", ""),
        "tags": " ".join(_TAG.findall(attributes.get("Tags", ""))),
        "accepted": _number(attributes, "AcceptedAnswerId") if accepted else None,
    }


def _number(attributes: dict[str, str], key: str, form: re.Pattern[str] = _WHOLE_NUMBER) -> int:
    value = attributes.get(key)
    if value is None or not form.fullmatch(value):
        raise _BadRowError(f"{key} is {'missing' if value is None else repr(value[:50])}")
    return int(value)


def _batches(rows: Iterable[dict[str, Any]], batch_bytes: int) -> Iterator[pa.RecordBatch]:
    gathered: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        gathered.append(row)
        size += sum(len(value) for value in row.values() if isinstance(value, str)) + _ROW_BYTES
        if size >= batch_bytes:
            yield pa.RecordBatch.from_pylist(gathered, POST_SCHEMA)
            gathered, size = [], 0
    if gathered:
        yield pa.RecordBatch.from_pylist(gathered, POST_SCHEMA)


@dataclass(frozen=True)
class StackExchangeOptions:
    """The parameters of a StackExchange source in a recipe."""

    sites: int | list[str]  # number of the largest sites to read (LLaMA: 28), or their names
    min_answers: int  # questions with fewer answers are dropped

    def __post_init__(self) -> None:
        if isinstance(self.sites, int) and self.sites < 1:
            raise ValueError(f"sites: expected names or a number above 0, found {self.sites}")


def choose_files(sizes: Mapping[str, int], options: StackExchangeOptions) -> set[str]:
    """Return the files to read, given the sizes of all files. A site's size is that of its files.

    Raises ValueError if the options name a site without files.
    """
    of_site: dict[str, list[str]] = {}
    for name in sizes:
        of_site.setdefault(site_of(name), []).append(name)
    if isinstance(options.sites, int):
        totals = {site: sum(sizes[name] for name in names) for site, names in of_site.items()}
        chosen = largest_sites(totals, options.sites)
    else:
        chosen = options.sites
        if missing := sorted(set(chosen) - set(of_site)):
            raise ValueError(
                f"no dump of {', '.join(missing)}; there are {', '.join(sorted(of_site))}"
            )
    return {name for site in chosen for name in of_site[site]}


def partition_posts(posts: pa.RecordBatch, n_partitions: int) -> npt.NDArray[np.int64]:
    """Return the partition of each post: a question and its answers have the same."""
    return partition_of_posts(posts, n_partitions=n_partitions)


def documents_of_posts(posts: pa.RecordBatch, options: StackExchangeOptions) -> pa.RecordBatch:
    """Join the posts of a partition into documents, one a question."""
    return join_posts(posts, min_answers=options.min_answers)

"""StackExchange dumps: the posts of a site, from ``Posts.xml`` or the ``.7z`` it comes in.

``Posts.xml`` is one ``<row .../>`` a post, with all of it in attributes. No XML parser reads it:
rows are found by ``<row``, which cannot stand in an attribute (XML 1.0, section 3.1), so a file is
read in a stream and from anywhere. A document type is not interpreted and no entity declared in
it is expanded. Characters that XML does not allow, and that dumps hold all the same, survive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.readers.containers.cursor import Damage, plain_chunks
from pipeline.readers.containers.decompress import SEVEN_ZIP_MAGIC, decompressed, is_compressed
from transforms.stackexchange.join import (
    POST_SCHEMA,
    join_posts,
    largest_sites,
    partition_of_posts,
    site_of,
)

MEMBER = "Posts.xml"  # of an archive, the one that is read

_MARK = b"<row"
_ROW_BYTES = 80  # of a row's columns of numbers
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
_TAG = re.compile(r"[^<>|\s]+")  # "<one><two>", and since 2022 "|one|two|"
_QUESTION, _ANSWER = "1", "2"


class _Record(NamedTuple):
    """The bytes from a ``<row`` to the next one; ``data`` is None where they are too many."""

    offset: int
    data: bytes | None
    size: int
    damage: Damage | None = None  # that cuts the record off


class _BadRowError(ValueError):
    """A row is no well-formed XML element, or no post."""


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

    The file is a ``Posts.xml``, plain or in gzip, bzip2 or zstd, or a ``.7z`` of which
    ``Posts.xml`` is read (see ``seven_zip``; it needs a stream that can seek). ``start`` and
    ``end`` are a split's offsets: of a plain file, the rows that begin in it are read; any other
    file is read whole by the split that begins at 0. A row's ``record`` is its byte offset in the
    decompressed file.

    Every post is a row. Rows that are no question and no answer are dropped by
    ``not_a_question_or_answer``; others by ``bad_post`` (not well-formed, with an entity that XML
    does not define, or without the numbers of a post), ``record_too_large`` (over
    ``max_record_bytes``), ``not_posts`` (what stands before the first row is not the head of a
    ``Posts.xml``, or declares entities), ``damaged`` (the file does not decompress). Invalid UTF-8
    and references to characters that Unicode does not have become U+FFFD.
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
        yield from _records(chunks, 0, max_record_bytes)
    elif is_compressed(head):
        chunks = decompressed(stream) if start == 0 else ()
        yield from _records(chunks, 0, max_record_bytes)
    else:
        chunks = decompressed(stream) if start == 0 else plain_chunks(stream, start)
        records = _records(chunks, start, max_record_bytes)
        if start > 0:
            next(records, None)  # the end of a row that began before
        for record in records:
            if end is not None and record.offset >= end:
                return
            yield record


def _records(chunks: Iterable[bytes | Damage], offset: int, max_bytes: int) -> Iterator[_Record]:
    """Cut chunks, the first of which begins at ``offset``, before every ``<row``.

    The first record is what stands before the first row, and may be empty. The rest of a row that
    a damage cuts off is part of the damage.
    """
    pieces: list[bytes] = []
    size = 0
    tail = b""  # of the last chunk, what may be the beginning of a mark
    lost = False  # the record's beginning is behind a damage
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
    """Yield a post, and a row for anything that stands between it and the next one."""
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
    """Say why what stands before the first row is not the head of a ``Posts.xml``, or None."""
    text = data[: 2 * _MAX_HEADER_BYTES].decode("utf-8-sig", errors="replace")
    if "<!ENTITY" in text:
        return "the document type declares entities, which are not expanded"
    rest = text if len(data) > _MAX_HEADER_BYTES else _HEADER_ITEM.sub("", text)
    return f"not the head of a Posts.xml: {rest[:100]!r}" if rest else None


def _attributes(text: str) -> tuple[dict[str, str], int]:
    """Return a row's attributes, decoded, and where what follows the row begins."""
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
    """Decode the references in an attribute's value (XML 1.0, sections 4.1 and 4.6)."""
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
    """Make the columns of a post of its attributes."""
    post_id = _number(attributes, "Id", _POST_ID)
    post_type = attributes.get("PostTypeId", "")
    if post_type not in (_QUESTION, _ANSWER):
        _number(attributes, "PostTypeId")
        dropped_by = {"dropped_by": "not_a_question_or_answer", "error": f"post type {post_type}"}
        return {"post_id": post_id, **dropped_by}
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
    """The recipe's parameters of a StackExchange source."""

    sites: int | list[str]  # how many of the largest sites are read (LLaMA: 28), or their names
    min_answers: int  # questions with fewer are dropped

    def __post_init__(self) -> None:
        if isinstance(self.sites, int) and self.sites < 1:
            raise ValueError(f"sites: expected names or a number above 0, found {self.sites}")


def choose_files(sizes: Mapping[str, int], options: StackExchangeOptions) -> set[str]:
    """Return the dumps that are read, given the sizes of all; sites are compared by their files.

    Raises ValueError for the name of a site that is not among them.
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
    """Give a question and its answers the same partition."""
    return partition_of_posts(posts, n_partitions=n_partitions)


def documents_of_posts(posts: pa.RecordBatch, options: StackExchangeOptions) -> pa.RecordBatch:
    """Join the posts of a partition."""
    return join_posts(posts, min_answers=options.min_answers)

"""Readers of files from GitHub: exports of BigQuery's table, and tar archives of repositories."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, cast
from urllib.parse import quote

import pyarrow as pa

from pipeline.readers.batches import Row, batches, metadata_json, utf8, without_lone_surrogates
from pipeline.readers.containers.columnar import Unreadable, bytes_for_strings
from pipeline.readers.containers.cursor import Cursor, RawFile
from pipeline.readers.containers.decompress import decompressed
from pipeline.readers.containers.lines import rows_of_objects
from pipeline.readers.containers.parquet_rows import parquet_rows
from pipeline.readers.containers.tar import Broken, Member, tar_members
from transforms.code.languages import language_of_path
from transforms.code.licences import LICENCE_FILE, licence_of_text

MAX_LICENCE_BYTES = 1 << 18
"""Longest LICENSE file that is read, in bytes; the texts of licences have up to 35,000."""

_PARQUET_MAGIC = b"PAR1"
_COLUMNS = ("repo_name", "ref", "path", "binary", "content", "license")
_UNSAFE_CHARACTER = re.compile(r"[\x00-\x1f\x7f\\]")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_bigquery_github(
    stream: BinaryIO,
    name: str,
    *,
    start: int,
    end: int | None,
    batch_bytes: int,
    max_record_bytes: int,
) -> Iterator[pa.RecordBatch]:
    """Read an export of BigQuery's github_repos, as JSON lines or Parquet, as batches of documents.

    The fields are ``repo_name``, ``ref``, ``path``, ``binary``, ``content`` and ``license``; all
    but ``content`` may be missing. JSON lines may be gzip, zstd, bzip2 or plain. A document's id is
    ``name#record``; the record is the byte offset of the line in the decompressed file, or the
    number of the row in the Parquet file. A split of a plain file has the lines that begin in it,
    and a split of a Parquet file the row groups that begin in it. Other files are read whole, with
    ``start`` 0 and ``end`` None.

    ``metadata`` holds ``repository``, ``path``, ``licence`` and ``language``, which follows from
    the file's name. Files without text become rows dropped by ``not_text`` (marked as binary, NUL
    bytes, not UTF-8), ``no_text``, ``empty``, ``bad_json``, ``record_too_large`` (the content in
    Parquet, the line in JSON lines, is over ``max_record_bytes``) or ``damaged``. Raises ValueError
    for a Parquet file in a stream that cannot seek.
    """
    raw = RawFile(stream)
    if raw.peek(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC:
        if not stream.seekable():
            raise ValueError(f"{name}: a Parquet file needs a stream that can seek; copy it first")
        stream.seek(0)
        rows = _parquet_documents(stream, name, start, end, max_record_bytes)
    else:
        rows = rows_of_objects(
            cast(BinaryIO, raw),
            name,
            start=start,
            end=end,
            max_line_bytes=max_record_bytes,
            make_row=_json_document,
        )
    return batches(rows, batch_bytes=batch_bytes)


def read_repositories(
    stream: BinaryIO,
    name: str,
    *,
    start: int,
    end: int | None,
    batch_bytes: int,
    max_record_bytes: int,
) -> Iterator[pa.RecordBatch]:
    """Read a tar archive, compressed or not, of files ``OWNER/REPOSITORY/PATH`` as documents.

    A document's id is ``name#record``; the record is the number of the entry in the archive.
    Metadata and reasons are those of :func:`read_bigquery_github`. A first pass over the archive
    reads the LICENSE and COPYING files in the roots of the repositories. A repository has all the
    licences whose texts are there; one name a repository is kept in memory. Entries that are not
    files of a repository become rows dropped by ``link``, ``not_a_file``, ``unsafe_path``
    (absolute, with ``..`` or with control characters) or ``no_repository``. Raises ValueError for a
    stream that cannot seek. The file is not split: ``start`` is 0 and ``end`` None.
    """
    assert start == 0 and end is None, "archives are not split"
    if not stream.seekable():
        raise ValueError(f"{name}: an archive of repositories is read twice; copy it first")
    return batches(_archive_documents(stream, name, max_record_bytes), batch_bytes=batch_bytes)


def _json_document(row_id: str, values: dict[str, Any], line: bytes) -> Row:
    content = values.get("content")
    if not isinstance(content, str):
        return _document(row_id, values, None)
    if "\ufffd" in content and not _is_utf8(line):
        return _dropped(row_id, "not_text", _metadata(values), "not UTF-8")
    return _document(row_id, values, utf8(content))


def _parquet_documents(
    stream: BinaryIO, name: str, start: int, end: int | None, max_record_bytes: int
) -> Iterator[Row]:
    groups = parquet_rows(stream, start=start, end=end, columns=_COLUMNS, text="content")
    for number, rows in groups:
        if isinstance(rows, Unreadable):
            yield _dropped(f"{name}#{number}!damage", "damaged", {"rows": rows.rows}, rows.error)
            continue
        columns = [bytes_for_strings(column).to_pylist() for column in rows.columns]
        for record, fields in enumerate(
            zip(*columns, strict=True) if columns else [()] * len(rows), start=number
        ):
            read = dict(zip(rows.schema.names, fields, strict=True))
            yield _parquet_document(f"{name}#{record}", read, max_record_bytes)


def _parquet_document(row_id: str, read: dict[str, Any], max_record_bytes: int) -> Row:
    content = read.pop("content", None)
    values = {key: _text(value) for key, value in read.items()}
    if isinstance(content, bytes) and len(content) > max_record_bytes:
        return _dropped(row_id, "record_too_large", _metadata(values), f"{len(content)} bytes")
    return _document(row_id, values, content if isinstance(content, bytes) else None)


def _text(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _archive_documents(stream: BinaryIO, name: str, max_record_bytes: int) -> Iterator[Row]:
    licences = _licences(stream)
    stream.seek(0)

    def wants(path: str, size: int) -> bool:
        return size <= max_record_bytes and not _refusal(path)

    for member, content in _members(stream, wants):
        row_id = f"{name}#{member.number}"
        path = _path(member.name)
        values = _tar_values(path)
        metadata = _metadata(values)
        if isinstance(member, Broken):
            fault = {"offset": member.offset, "skipped_bytes": member.skipped_bytes}
            yield _dropped(f"{row_id}!damage", "damaged", {**metadata, **fault}, member.error)
        elif refusal := _not_a_file(member) or _refusal(path):
            yield _dropped(row_id, refusal, metadata, f"entry {path[:1_000]!r}")
        elif content is None:
            yield _dropped(row_id, "record_too_large", metadata, f"{member.size} bytes")
        else:
            values["license"] = licences.get(values["repo_name"])
            yield _document(row_id, values, content)


def _members(
    stream: BinaryIO, wants: Callable[[str, int], bool]
) -> Iterator[tuple[Member | Broken, bytes | None]]:
    """Yield an archive's members, with the contents of some files.

    ``wants`` takes a file's path and size, and says whether its content is wanted. For a member
    that is cut off, only the :class:`Broken` is yielded.
    """
    source = Cursor(decompressed(stream))
    for member in tar_members(source):
        if isinstance(member, Broken):
            yield member, None
        elif member.kind == "file" and wants(_path(member.name), member.size):
            content = source.take(member.size)
            if len(content) == member.size:
                yield member, content
        elif source.skip(member.size) == member.size:
            yield member, None


def _path(name: str) -> str:
    while name.startswith("./"):
        name = name[2:]
    return name


def _tar_values(path: str) -> dict[str, Any]:
    if _refusal(path):
        return {"path": path}
    owner, repository, inner = path.split("/", 2)
    return {"repo_name": f"{owner}/{repository}", "path": inner}


def _not_a_file(member: Member) -> str | None:
    return {"link": "link", "folder": "not_a_file", "device": "not_a_file"}.get(member.kind)


def _refusal(path: str) -> str | None:
    """Return the reason for which a file of this path is dropped, or None."""
    parts = path.split("/")
    if _UNSAFE_CHARACTER.search(path) or not {"", ".", ".."}.isdisjoint(parts):
        return "unsafe_path"
    return "no_repository" if len(parts) < 3 else None


def _licences(stream: BinaryIO) -> dict[str, str]:
    """Return the licences of each repository in an archive, joined by AND as in SPDX."""
    licences: dict[str, str] = {}

    def wants(path: str, size: int) -> bool:
        return size <= MAX_LICENCE_BYTES and bool(_repository_of_licence_file(path))

    for member, content in _members(stream, wants):
        if content is not None:
            repository = _repository_of_licence_file(_path(member.name))
            assert repository is not None
            licence = licence_of_text(content.decode(errors="replace")) or "unknown"
            names = {*licences.get(repository, licence).split(" AND "), *licence.split(" AND ")}
            licences[repository] = " AND ".join(sorted(names))
    return licences


def _repository_of_licence_file(path: str) -> str | None:
    owner, _, rest = path.partition("/")
    repository, _, file = rest.partition("/")
    if _refusal(path) or not LICENCE_FILE.fullmatch(file):
        return None
    return f"{owner}/{repository}"


def _document(row_id: str, values: Mapping[str, Any], content: bytes | None) -> Row:
    metadata = _metadata(values)
    if values.get("binary") in (True, "true"):
        return _dropped(row_id, "not_text", metadata, "binary")
    if content is None:
        return _dropped(row_id, "no_text", metadata, "no content")
    if b"\0" in content:
        return _dropped(row_id, "not_text", metadata, "NUL bytes")
    if not _is_utf8(content):
        return _dropped(row_id, "not_text", metadata, "not UTF-8")
    text = content.removeprefix(_BYTE_ORDER_MARK)
    if not text or text.isspace():
        return Row(row_id, b"", None, metadata_json(metadata), "empty")
    return Row(row_id, text, _url(values), metadata_json(metadata))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _dropped(row_id: str, dropped_by: str, metadata: Mapping[str, Any], error: str) -> Row:
    return Row(row_id, b"", None, metadata_json({**metadata, "error": error}), dropped_by)


def _string(values: Mapping[str, Any], field: str) -> str | None:
    value = values.get(field)
    return without_lone_surrogates(value) if isinstance(value, str) and value else None


def _metadata(values: Mapping[str, Any]) -> dict[str, str | None]:
    path = _string(values, "path")
    return {
        "repository": _string(values, "repo_name"),
        "path": path,
        "licence": _string(values, "license"),
        "language": language_of_path(path) if path else None,
    }


def _url(values: Mapping[str, Any]) -> str | None:
    """Return the file's address on GitHub if its repository, branch and path are known."""
    repository, path = _string(values, "repo_name"), _string(values, "path")
    ref = (_string(values, "ref") or "").removeprefix("refs/heads/")
    if not (repository and path and ref):
        return None
    return f"https://github.com/{repository}/blob/{quote(ref)}/{quote(path)}"

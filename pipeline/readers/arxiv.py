"""Reader of arXiv's LaTeX sources: bulk tars as arXiv distributes them, or single submissions."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import BinaryIO

import pyarrow as pa

from pipeline.readers.batches import Row, batches, damaged_row, metadata_json, utf8
from pipeline.readers.containers.cursor import Cursor, RawFile
from pipeline.readers.containers.tar import BLOCK_BYTES, Broken, Member, is_tar, tar_members
from pipeline.readers.paper import read_paper
from pipeline.readers.submission import Limits, RefusedError, open_submission

_SUFFIX = re.compile(r"(?:\.tar)?\.(?:gz|tgz|zip|tar|tex|pdf)\Z", re.IGNORECASE)
_OLD_ID = re.compile(r"([a-z-]+(?:\.[A-Z]{2})?)(\d{7})(v\d+)?\Z")
_NEW_ID = re.compile(r"\d{4}\.\d{4,5}(?:v\d+)?\Z")


def read_arxiv(
    stream: BinaryIO,
    name: str,
    *,
    start: int,
    end: int | None,
    batch_bytes: int,
    max_record_bytes: int,
    max_unpacked_bytes: int,
    max_members: int,
    max_text_bytes: int,
) -> Iterator[pa.RecordBatch]:
    """Read arXiv submissions as batches of documents, each the LaTeX of a paper in reading order.

    An uncompressed tar is one of arXiv's bulk files (``arXiv_src_YYMM_NNN.tar``); each file in it
    is a submission. Any other file is one submission: a gzipped tar, a single file, gzipped or not,
    or a zip. A document's id is ``name#record``; the record is the submission's file name without
    its suffix, which is the arXiv id. If a name occurs again in the same tar, ``!2`` and so on is
    added to it.

    The text is the main file with the files that it reads inserted in their places, among them the
    bibliography made by BibTeX (:func:`pipeline.readers.paper.read_paper`). ``metadata`` holds
    ``arxiv_id`` if the file name is one, ``main_file``, ``file_count`` and ``missing_inputs``; and
    ``encoding_guessed: true`` where nothing says what the encoding of a file is.

    A submission without text becomes a row dropped by ``pdf_only``, ``no_main_file``,
    ``withdrawn``, ``record_too_large`` (over ``max_record_bytes`` as stored, or over
    ``max_text_bytes`` as text), ``archive_too_large`` (over ``max_unpacked_bytes`` or
    ``max_members``), ``hostile_archive`` (paths that lead out of the archive, links, devices) or
    ``damaged``. The file is not split: ``start`` is 0 and ``end`` None.
    """
    assert start == 0 and end is None, "arXiv's files are not split"
    limits = Limits(max_unpacked_bytes, max_members, max_text_bytes)
    return batches(_rows(stream, name, max_record_bytes, limits), batch_bytes=batch_bytes)


def _rows(stream: BinaryIO, name: str, max_record_bytes: int, limits: Limits) -> Iterator[Row]:
    source = RawFile(stream)
    if not is_tar(source.peek(BLOCK_BYTES)):
        raw = source.take(max_record_bytes + 1)
        yield _row(name, posixpath.basename(name), raw, max_record_bytes, limits)
        return
    seen: Counter[str] = Counter()
    damages = itertools.count()
    for member in tar_members(source):
        if isinstance(member, Broken):
            yield damaged_row(
                f"{name}#{member.offset}!damage{next(damages)}",
                member.error,
                member.offset,
                member.skipped_bytes,
            )
        elif member.kind != "folder":
            row = _member_row(source, name, member, max_record_bytes, limits)
            seen[row.id] += 1
            yield row._replace(id=f"{row.id}!{seen[row.id]}") if seen[row.id] > 1 else row


def _member_row(
    source: Cursor, name: str, member: Member, max_record_bytes: int, limits: Limits
) -> Row:
    base = posixpath.basename(member.name)
    if member.kind != "file":
        error = f"the member is a {member.kind}"
        return _dropped(name, base, "hostile_archive", {"error": error, "offset": member.offset})
    raw = source.take(min(member.size, max_record_bytes + 1))
    if len(raw) < min(member.size, max_record_bytes + 1):
        error = "the archive ends inside the submission"
        return _dropped(name, base, "damaged", {"error": error, "offset": member.offset})
    return _row(name, base, raw, max_record_bytes, limits)


def _row(name: str, base: str, raw: bytes, max_record_bytes: int, limits: Limits) -> Row:
    if len(raw) > max_record_bytes:
        error = f"more than {max_record_bytes} bytes"
        return _dropped(name, base, "record_too_large", {"error": error})
    stem = _SUFFIX.sub("", base)
    try:
        submission = open_submission(raw, f"{stem}.tex", limits)
    except RefusedError as error:
        return _dropped(name, base, error.reason, {"error": str(error)})
    paper = read_paper(submission.files, max_text_bytes=limits.max_text_bytes)
    reason = paper.dropped_by
    if reason == "no_main_file" and submission.has_pdf:
        reason = "pdf_only"
    fields = {
        "main_file": paper.main_file,
        "file_count": paper.file_count or None,
        "missing_inputs": paper.missing_inputs or None,
        "encoding_guessed": paper.encoding_guessed or None,
    }
    if reason:
        return _dropped(name, base, reason, {**fields, "members": submission.member_count})
    text = utf8(paper.text)
    if len(text) > limits.max_text_bytes:
        return _dropped(name, base, "record_too_large", fields)
    arxiv_id = _arxiv_id(stem)
    url = f"https://arxiv.org/abs/{arxiv_id}" if arxiv_id else None
    return Row(f"{name}#{stem}", text, url, metadata_json({"arxiv_id": arxiv_id, **fields}))


def _dropped(name: str, base: str, reason: str, fields: Mapping[str, object]) -> Row:
    stem = _SUFFIX.sub("", base)
    metadata = {"arxiv_id": _arxiv_id(stem), **fields}
    return Row(f"{name}#{stem}", b"", None, metadata_json(metadata), reason)


def _arxiv_id(stem: str) -> str | None:
    """Return the arXiv id in the name of a submission's file, or None if it is not one."""
    old = _OLD_ID.match(stem)
    if old:
        return f"{old[1]}/{old[2]}{old[3] or ''}"
    return stem if _NEW_ID.match(stem) else None

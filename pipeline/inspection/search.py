"""Full-text search over a run's shards, by text or by token ids; shards are read in a stream."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.inspection.document_rows import DocumentFile, document_files, open_tokens, row_groups
from pipeline.inspection.piece_table import (
    DECODED_TOKENS,
    DecodedTokens,
    PieceTable,
    decode_tokens,
    document_text,
    load_piece_table,
    text_starts,
)
from pipeline.inspection.text_shards import TextReader
from pipeline.output.layout import refuse_text
from tokenizer.shards import ShardReader

SNIPPET_CHARS = 40
"""Characters shown on either side of a hit."""


class Hit(NamedTuple):
    """A document with hits, and the position of the first one."""

    number: int  # of the document in its shard
    hits: int  # number of hits in the document
    first: int  # offset of the first hit, in characters of the text or in tokens
    length: int  # of the first hit, in the same unit


class _Chunk(NamedTuple):
    """Documents of a shard, decoded."""

    numbers: Sequence[int]
    decoded: DecodedTokens
    starts: npt.NDArray[np.int64]  # offsets of the documents' texts in the bytes of ``decoded``
    ends: npt.NDArray[np.int64]


Finder = Callable[[_Chunk], Iterator[Hit]]
"""A function that finds the documents with hits in a chunk."""


def phrase_finder(phrase: str) -> Finder:
    """Return a function that finds an exact phrase in a chunk."""
    needle = phrase.encode()

    def find(chunk: _Chunk) -> Iterator[Hit]:
        for document, places in groupby(_places(chunk, needle), key=lambda pair: pair[0]):
            at = [place for _, place in places]
            before = chunk.decoded.data[chunk.starts[document] : at[0]]
            first = len(before.decode(errors="replace"))
            yield Hit(chunk.numbers[document], len(at), first, len(phrase))

    return find


def _places(chunk: _Chunk, needle: bytes) -> Iterator[tuple[int, int]]:
    """Yield the document and byte offset of each occurrence that lies within one document.

    Occurrences do not overlap.
    """
    at = chunk.decoded.data.find(needle)
    while at >= 0:
        document = int(np.searchsorted(chunk.ends, at, side="right"))
        if chunk.starts[document] <= at and at + len(needle) <= chunk.ends[document]:
            yield document, at
            at = chunk.decoded.data.find(needle, at + len(needle))
        else:
            at = chunk.decoded.data.find(needle, at + 1)


def pattern_finder(pattern: re.Pattern[str]) -> Finder:
    """Return a function that finds a regular expression in a chunk, document by document."""

    def find(chunk: _Chunk) -> Iterator[Hit]:
        for number, start, end in zip(chunk.numbers, chunk.starts, chunk.ends, strict=True):
            text = chunk.decoded.data[start:end].decode(errors="replace")
            spans = [match.span() for match in pattern.finditer(text)]
            if spans:
                first, stop = spans[0]
                yield Hit(number, len(spans), first, stop - first)

    return find


def find_text(reader: ShardReader | TextReader, table: PieceTable, find: Finder) -> Iterator[Hit]:
    """Search the text of a shard; one chunk of it is in memory at a time."""
    bounds = np.concatenate([[0], np.cumsum(reader.lengths, dtype=np.int64)])
    for first, last in _chunks(bounds):
        offsets = bounds[first : last + 1] - bounds[first]
        decoded = decode_tokens(table, reader.tokens[bounds[first] : bounds[last]])
        starts = text_starts(table, decoded, offsets)
        yield from find(_Chunk(range(first, last), decoded, starts, decoded.offsets[offsets[1:]]))


def find_among(
    reader: ShardReader | TextReader, table: PieceTable, find: Finder, numbers: Sequence[int]
) -> Iterator[Hit]:
    """Search the texts of some documents of a shard, which are all in memory at once."""
    if not numbers:
        return
    ids = [reader[number] for number in numbers]
    offsets = np.cumsum([0, *map(len, ids)], dtype=np.int64)
    decoded = decode_tokens(table, np.concatenate(ids))
    starts = text_starts(table, decoded, offsets)
    yield from find(_Chunk(numbers, decoded, starts, decoded.offsets[offsets[1:]]))


def _chunks(bounds: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Divide documents into runs of about :data:`DECODED_TOKENS` tokens, at least one a run."""
    first = 0
    while first < len(bounds) - 1:
        last = int(np.searchsorted(bounds, bounds[first] + DECODED_TOKENS, side="right")) - 1
        last = max(last, first + 1)
        yield first, last
        first = last


def find_ids(reader: ShardReader | TextReader, wanted: npt.NDArray[np.int64]) -> Iterator[Hit]:
    """Search the documents of a shard for a sequence of token ids, in the mapped file."""
    ends = np.cumsum(reader.lengths, dtype=np.int64)
    hits = (
        (int(np.searchsorted(ends, at, side="right")), at)
        for at in _id_places(reader.tokens, wanted)
    )
    inside = ((d, at) for d, at in hits if at + len(wanted) <= ends[d])
    for document, places in groupby(inside, key=lambda pair: pair[0]):
        at = [place for _, place in places]
        first = at[0] - int(ends[document] - reader.lengths[document])
        yield Hit(document, len(at), first, len(wanted))


def _id_places(tokens: npt.NDArray[Any], wanted: npt.NDArray[np.int64]) -> Iterator[int]:
    """Yield the index of each occurrence of a sequence of ids; occurrences may overlap."""
    last_start = len(tokens) - len(wanted)
    for begin in range(0, last_start + 1, DECODED_TOKENS):
        stop = min(begin + DECODED_TOKENS, last_start + 1)
        places = begin + np.flatnonzero(tokens[begin:stop] == wanted[0])
        for i in range(1, len(wanted)):
            places = places[tokens[places + i] == wanted[i]]
        yield from places.tolist()


def search(
    output: str,
    manifest: dict[str, Any],
    phrase: str,
    *,
    tokens: bool = False,
    regex: bool = False,
    ignore_case: bool = False,
    source: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the documents whose text holds a phrase, or whose tokens hold a sequence of ids.

    With ``tokens``, the phrase is a list of ids, such as ``1,2,3``, or a text that is encoded to
    ids. The text of a document is decoded from its tokens, without the marks of begin and end,
    or is that of a shard of text.
    Raises ValueError if the phrase is empty or malformed.
    """
    table = load_piece_table(manifest)
    wanted: npt.NDArray[np.int64] | None = None
    finder: Finder | None = None
    if not phrase:
        raise ValueError("an empty phrase is in every document; give some text")
    if tokens:
        refuse_text(output, manifest)
        wanted = _wanted_ids(table, phrase)
    elif regex or ignore_case:
        finder = pattern_finder(compiled(phrase, regex, ignore_case))
    else:
        finder = phrase_finder(phrase)
    for file in document_files(output, manifest, source=source):
        reader = open_tokens(output, file)
        if finder is not None:
            hits = find_text(reader, table, finder)
        else:
            assert wanted is not None
            hits = find_ids(reader, wanted)
        for identifier, hit in _with_ids(file, hits):
            yield {
                "id": identifier,
                "shard": file.name,
                "number": hit.number,
                "hits": hit.hits,
                "position": hit.first,
                **snippet(table, reader[hit.number], hit, in_tokens=tokens),
            }


def _with_ids(file: DocumentFile, hits: Iterator[Hit]) -> Iterator[tuple[str, Hit]]:
    """Yield the hits with their documents' ids; hits are in the order of documents."""
    groups = row_groups(file, ["id"])
    first, ids = 0, None
    for hit in hits:
        while ids is None or hit.number >= first + len(ids):
            first, rows = next(groups)
            ids = rows["id"]
        yield ids[hit.number - first].as_py(), hit


def _wanted_ids(table: PieceTable, tokens: str) -> npt.NDArray[np.int64]:
    """Parse a list of token ids, or encode a text to them."""
    if re.fullmatch(r"\s*\d+(\s*,\s*\d+)*\s*", tokens):
        ids = [int(number) for number in tokens.split(",")]
    else:
        ids = table.processor.encode(tokens)
    if not ids or max(ids) >= len(table.pieces):
        raise ValueError(f"--tokens {tokens!r}: ids are below {len(table.pieces)}, one at least")
    return np.array(ids, np.int64)


def compiled(phrase: str, regex: bool, ignore_case: bool) -> re.Pattern[str]:
    """Compile a phrase, or a regular expression; raises ValueError if it is none."""
    flags = re.MULTILINE | (re.IGNORECASE if ignore_case else 0)
    try:
        pattern = re.compile(phrase if regex else re.escape(phrase), flags)
    except re.error as error:
        raise ValueError(f"{phrase!r} is no regular expression: {error}") from None
    return pattern


def snippet(
    table: PieceTable, ids: npt.NDArray[Any], hit: Hit, *, in_tokens: bool = False
) -> dict[str, str]:
    """Return the text of the first hit, and the text before and after it."""
    text = document_text(table, ids)
    first, last = hit.first, hit.first + hit.length
    if in_tokens:
        decoded = decode_tokens(table, ids)
        (start,) = text_starts(table, decoded, np.array([0, len(ids)], np.int64))
        places = [max(int(decoded.offsets[i]), int(start)) for i in (first, last)]
        first, last = (len(decoded.data[start:at].decode(errors="replace")) for at in places)
    bounds = [max(first - SNIPPET_CHARS, 0), first, last, last + SNIPPET_CHARS]
    before, match, after = (text[a:b] for a, b in pairwise(bounds))
    return {"before": before, "found": match, "after": after}

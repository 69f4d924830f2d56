"""Headers of the pages of Parquet's column chunks: what a page says that it unpacks to.

Parquet's library takes memory by these headers, and not by the sizes in the file's footer, so they
are what tells a bomb ahead of unpacking it. A header is a struct in Thrift's compact protocol
(``PageHeader`` in the format's ``parquet.thrift``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

DICTIONARY_PAGE = 2
DICTIONARY_ENCODINGS = (2, 8)  # PLAIN_DICTIONARY, RLE_DICTIONARY
DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY = 6, 7

_FIRST_BYTES = 256  # read for a header; most have under 100
_MAX_HEADER_BYTES = 1 << 24  # Arrow's limit; a header holds the least and greatest value
_OLD_WRITERS_ERROR_BYTES = 100  # by which the footer may give a chunk too little (PARQUET-816)
_MAX_NESTING = 16
_KINDS = {0: 5, 2: 7, 3: 8}  # of pages: the field of PageHeader that says more of them
_ENCODING_FIELDS = {5: 2, 7: 2, 8: 4}
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = (
    0, 1, 2, 3, 7, 8, 9, 10, 11, 12,
)  # fmt: skip
_INTEGERS = (4, 5, 6)
_I32 = 5


class Page(NamedTuple):
    """What a page's header says."""

    kind: int
    n_values: int  # nulls included
    encoding: int
    unpacked_bytes: int
    data_at: int  # in the file
    packed_bytes: int


def pages(stream: BinaryIO, begin: int, size: int, n_values: int) -> Iterator[Page]:
    """Yield the pages of a column chunk that is ``size`` bytes at ``begin``, up to ``n_values``.

    Ends where the file does. Raises ValueError for what is no header.
    """
    at, seen = begin, 0
    while seen < n_values and at < begin + size + _OLD_WRITERS_ERROR_BYTES:
        header, header_bytes = _header(stream, at)
        if header is None:
            return
        kind, unpacked, packed = (_integer(header, field) for field in (1, 2, 3))
        details = header.get(_KINDS[kind], {}) if kind in _KINDS else {1: 0}
        encoding = _integer(details, _ENCODING_FIELDS[_KINDS[kind]]) if kind in _KINDS else 0
        begins = at + header_bytes
        page = Page(kind, _integer(details, 1), encoding, unpacked, begins, packed)
        yield page
        seen += page.n_values if kind != DICTIONARY_PAGE else 0
        at = begins + packed


def _integer(fields: Any, number: int) -> int:
    value = fields.get(number) if isinstance(fields, dict) else None
    if not isinstance(value, int) or value < 0:
        raise ValueError("bad page header")
    return value


def _header(stream: BinaryIO, at: int) -> tuple[dict[int, Any] | None, int]:
    """Read the header at ``at``; returns it with its size, None at the file's end."""
    n_bytes = _FIRST_BYTES
    while n_bytes <= _MAX_HEADER_BYTES:
        stream.seek(at)
        data = stream.read(n_bytes)
        if not data:
            return None, 0
        reader = _CompactReader(data)
        try:
            return reader.struct(), reader.at
        except IndexError:
            if len(data) < n_bytes:
                return None, 0
        n_bytes *= 8
    raise ValueError("a page header is too large")


class _CompactReader:
    """Thrift's compact protocol: structs as dictionaries of what a page header is read for.

    As the code made of the format's definition does, fields of a type that the definition does not
    give are passed over: 32-bit integers and structs are kept. A field that comes twice is an
    error, so that there are no two ways to read a header. Raises IndexError at the data's end.
    """

    def __init__(self, data: bytes) -> None:
        self.at = 0
        self._data = data

    def struct(self, depth: int = 0) -> dict[int, Any]:
        if depth > _MAX_NESTING:
            raise ValueError("bad page header")
        fields: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != _STOP:
            kind, step = head & 15, head >> 4
            number = number + step if step else _zigzag(self._varint())
            if kind in (_TRUE, _FALSE):
                continue
            value = self._value(kind, depth)
            if kind in (_I32, _STRUCT):
                if number in fields:
                    raise ValueError("bad page header")
                fields[number] = value
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _INTEGERS:
            return _zigzag(self._varint() & 0xFFFFFFFF)  # as Thrift cuts what is too long
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_TRUE, _FALSE, _BYTE):
            self._skip(1)
        elif kind == _DOUBLE:
            self._skip(8)
        elif kind == _BINARY:
            self._skip(self._varint())
        elif kind in (_LIST, _SET):
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self._varint()
            self._skip_values((head & 15,), count, depth)
        elif kind == _MAP:
            count = self._varint()
            kinds = self._byte() if count else 0
            self._skip_values((kinds >> 4, kinds & 15), count, depth)
        else:
            raise ValueError("bad page header")
        return None

    def _skip_values(self, kinds: tuple[int, ...], count: int, depth: int) -> None:
        if depth > _MAX_NESTING:
            raise ValueError("bad page header")
        for _ in range(count):
            for kind in kinds:
                self._value(kind, depth + 1)

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _skip(self, n_bytes: int) -> None:
        self.at += n_bytes
        if self.at > len(self._data):
            raise IndexError

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80 and shift < 63:
            value |= (byte & 0x7F) << shift
            shift += 7
        return value | (byte & 0x7F) << shift


def _zigzag(value: int) -> int:
    return value >> 1 ^ -(value & 1)

"""The columns of records: which of them is the text, the address, and what else to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_TEXT_NAMES = ("text", "content", "raw_content", "body", "article", "document", "markdown")
_ADDRESS_NAMES = ("url", "link", "uri", "source_url", "warc_target_uri")
_MAX_METADATA = 5
_MAX_METADATA_CHARS = 200
_MIN_TEXT_CHARS = 40  # on average, of a column that is taken for the text though not so called


class Columns(NamedTuple):
    """The columns of records by what they are for."""

    text: str
    url: str | None
    metadata: tuple[str, ...]


def columns_of(records: Sequence[Mapping[str, Any]]) -> Columns:
    """Return what the columns of some records are. Raises ValueError where none is a text.

    A text goes by a usual name, or else is the column with the longest strings.
    """
    lengths = {name: _mean_chars(records, name) for name in _names(records)}
    strings = {name: length for name, length in lengths.items() if length is not None}
    named = next((name for name in _TEXT_NAMES if name in strings), None)
    longest = max(strings, key=lambda name: strings[name] or 0.0, default=None)
    if named is None and (longest is None or (strings[longest] or 0) < _MIN_TEXT_CHARS):
        raise ValueError(f"no column holds texts; there are: {', '.join(lengths) or 'none'}")
    text = named or str(longest)
    url = next((name for name in _ADDRESS_NAMES if name in strings and name != text), None)
    more = [name for name in lengths if name not in (text, url) and _is_short(records, name)]
    return Columns(text, url, tuple(more[:_MAX_METADATA]))


def _names(records: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record))


def _mean_chars(records: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """Return the mean length of a column of strings; None where it holds something else."""
    values = [record[name] for record in records if record.get(name) is not None]
    if not values or not all(isinstance(value, str) for value in values):
        return None
    return sum(map(len, values)) / len(values)


def _is_short(records: Sequence[Mapping[str, Any]], name: str) -> bool:
    values = [record[name] for record in records if record.get(name) is not None]
    return bool(values) and all(
        isinstance(value, (str, int, float)) and len(str(value)) <= _MAX_METADATA_CHARS
        for value in values
    )

"""Character maps of SentencePiece's normalisers: the rules that a compiled map holds.

A map is a double array (darts-clone) over the rules' sources, and a block of NUL-terminated
replacements. :mod:`tokenizer.normalise` applies maps; here they are read.
"""

from __future__ import annotations

from collections.abc import Iterator

from tokenizer.train import ESCAPES

SMALL_MAP_BYTES = 1 << 16
"""Largest map whose rules are read one by one. Maps of Unicode's normal forms are far larger."""


def small_rules(charsmap: bytes) -> dict[str, str] | None:
    """Return the rules of a compiled map, None for a map of Unicode's size.

    Raises ValueError where the map is damaged.
    """
    if not charsmap:
        return {}
    if len(charsmap) > SMALL_MAP_BYTES:
        return None
    n_bytes = int.from_bytes(charsmap[:4], "little")
    strings = charsmap[4 + n_bytes :]
    if n_bytes % 4 or not n_bytes or not strings.endswith(b"\0"):
        raise ValueError("a SentencePiece model with a damaged character map")
    units = list(memoryview(charsmap[4 : 4 + n_bytes]).cast("I"))
    return {
        source.decode(): strings[at : strings.index(b"\0", at)].decode()
        for source, at in _entries(units, _offset(units[0]), b"")
    }


def reverses_escapes(denormaliser: bytes) -> bool:
    """Tell whether a denormaliser's map is that of the tokenizers that are trained here."""
    return small_rules(denormaliser) == {escape: text for text, escape in ESCAPES.items()}


def _entries(units: list[int], node: int, source: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the sources below a node of the double array, and where their replacements begin."""
    for byte in range(1, 256):
        at = node ^ byte
        if at >= len(units) or units[at] & 0x800000FF != byte:
            continue
        child = at ^ _offset(units[at])
        if units[at] >> 8 & 1:
            yield source + bytes([byte]), units[child] & 0x7FFFFFFF
        yield from _entries(units, child, source + bytes([byte]))


def _offset(unit: int) -> int:
    return (unit >> 10) << ((unit & 1 << 9) >> 6)

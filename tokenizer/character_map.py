"""Character maps of SentencePiece's normalisers: the rules that a compiled map holds.

A map is a double array (darts-clone) over the rules' sources, and a block of NUL-terminated
replacements. :mod:`tokenizer.normalise` applies maps; here they are read.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tokenizer.train import ESCAPES

NODES_AT_A_TIME = 1 << 14
"""Nodes of a double array whose children are looked for at once, in some 30 MB."""


def map_rules(charsmap: bytes) -> dict[str, str]:
    """Return the rules of a compiled map. The map of a Unicode normal form has 225,000.

    Raises ValueError where the map is damaged.
    """
    if not charsmap:
        return {}
    n_bytes = int.from_bytes(charsmap[:4], "little")
    strings = charsmap[4 + n_bytes :]
    if n_bytes % 4 or not n_bytes or not strings.endswith(b"\0"):
        raise ValueError("a SentencePiece model with a damaged character map")
    units = np.frombuffer(charsmap[4 : 4 + n_bytes], "<u4").astype(np.int64)
    rules, replacements = {}, dict[int, str]()
    for source, at in _entries(units):
        if at not in replacements:
            replacements[at] = strings[at : strings.index(b"\0", at)].decode()
        rules[source.decode()] = replacements[at]
    return rules


def reverses_escapes(denormaliser: bytes) -> bool:
    """Tell whether a denormaliser's map is that of the tokenizers that are trained here."""
    # The map of two rules has few bytes; a long one need not be read.
    return len(denormaliser) < 1 << 16 and map_rules(denormaliser) == {
        escape: text for text, escape in ESCAPES.items()
    }


def _entries(units: npt.NDArray[np.int64]) -> Iterator[tuple[bytes, int]]:
    """Yield the sources in a double array, and where their replacements begin, level by level."""
    offsets = (units >> 10) << ((units & 1 << 9) >> 6)
    labels = np.arange(1, 256)
    nodes, sources = offsets[:1], [b""]
    while len(nodes):
        found_nodes, found_sources = [], list[bytes]()
        for first in range(0, len(nodes), NODES_AT_A_TIME):
            at = nodes[first : first + NODES_AT_A_TIME, None] ^ labels
            inside = at < len(units)
            at[~inside] = 0
            rows, columns = np.nonzero(inside & (units[at] & 0x800000FF == labels))
            at = at[rows, columns]
            children = at ^ offsets[at]
            here = [
                sources[first + row] + bytes([column + 1])
                for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            ]
            ends = np.flatnonzero(units[at] >> 8 & 1)
            values = units[children[ends]] & 0x7FFFFFFF
            for number, value in zip(ends.tolist(), values.tolist(), strict=True):
                yield here[number], value
            found_nodes.append(children)
            found_sources += here
        nodes, sources = np.concatenate(found_nodes), found_sources

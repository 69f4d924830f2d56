"""Numbers of words in a table, which has the ids of every word that was seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from tokenizer.string_table import StringTable, find_or_insert, grown, lacks_room
from tokenizer.units import UnitTable

KEPT = 16
"""Words of fewer bytes are looked for in the recent ones first, by their bytes in two numbers."""

LOW_MASKS = np.array([(1 << 8 * min(n, 8)) - 1 for n in range(KEPT)], np.uint64)
"""The bits of the first eight bytes that are of a word, by its length."""

HIGH_MASKS = np.array([(1 << 8 * max(n - 8, 0)) - 1 for n in range(KEPT)], np.uint64)
"""The bits of the next eight bytes that are of a word, by its length."""


def number_words(
    table: UnitTable, data: npt.NDArray[np.uint8], bounds: npt.NDArray[np.int64]
) -> tuple[UnitTable, npt.NDArray[np.int32]]:
    """Return the table, with new words added, and the numbers of the words between bounds.

    The new words are the last entries of ``table.units``, and have no ids yet.
    """
    numbers = np.empty(len(bounds) - 1, np.int32)
    first = int(bounds[0])
    eights = np.zeros((int(bounds[-1]) - first) // 8 + 4, np.uint64)
    eights.view(np.uint8)[: bounds[-1] - first] = data[first : bounds[-1]]
    word = 0
    while True:
        word, lacking = _number(
            table.units, table.recent, data, eights, first, bounds, word, numbers
        )
        if not lacking:
            return table, numbers
        table = table._replace(units=StringTable(*grown(table.units, lacking)))


@njit(cache=True, nogil=True, forceinline=True)
def _eight_bytes(eights, at):  # type: ignore[no-untyped-def]
    """Return the eight bytes from a place on as a number, the first byte in its lowest bits."""
    shift = np.uint64((at & 7) << 3)
    following = (eights[(at >> 3) + 1] << np.uint64(1)) << (np.uint64(63) - shift)
    return (eights[at >> 3] >> shift) | following


@njit(cache=True, nogil=True)
def _number(table, recent, data, eights, first, bounds, word, numbers):  # type: ignore[no-untyped-def]
    """Write the numbers of words from ``word`` on. ``eights`` has ``data`` from ``first`` on.

    Stops where the table has no room. Returns the word, and the bytes for which room is needed, 0
    at the end.
    """
    mask = np.uint64(recent.size // 4 - 1)
    while word < numbers.size:
        start, stop = bounds[word], bounds[word + 1]
        length = stop - start
        low, high, place = np.uint64(0), np.uint64(0), np.uint64(0)
        if length < KEPT:
            low = _eight_bytes(eights, start - first) & LOW_MASKS[length]
            high = _eight_bytes(eights, start - first + 8) & HIGH_MASKS[length]
            high |= np.uint64(length) << np.uint64(56)
            place = low * np.uint64(0x9E3779B97F4A7C15) + high * np.uint64(0xC2B2AE3D27D4EB4F)
            place = ((place >> np.uint64(32)) & mask) * np.uint64(4)
            if recent[place] == low and recent[place + np.uint64(1)] == high:
                numbers[word] = recent[place + np.uint64(2)]
                word += 1
                continue
        if lacks_room(table, length):
            return word, length
        number = find_or_insert(table, data, start, stop)
        if length < KEPT:
            recent[place] = low
            recent[place + np.uint64(1)] = high
            recent[place + np.uint64(2)] = np.uint64(number)
        numbers[word] = number
        word += 1
    return word, 0

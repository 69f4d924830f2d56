"""Encoding of normalised texts with BPE models, by a table from parts of texts to their ids.

A piece is a string of bytes. If no piece of a model has two bytes next to each other, no merge ever
joins them. A text can be cut between two such bytes. The parts are called units, and the ids of a
unit do not depend on the text around it. Most units are words, and repeat. So their ids are looked
up in a table by their bytes, and SentencePiece encodes only units that are not in the table.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tokenizer.model_file import (
    BPE,
    BYTE,
    CONTROL,
    NORMAL,
    SPACE_MARK,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    ModelFile,
)
from tokenizer.string_table import StringTable, empty_table, find_or_insert, grown, lacks_room

SPACE = 0x20
RECENT_PLACES = 1 << 16
"""Places for recent units in a table. A power of two."""


def joined_pairs(model: ModelFile) -> npt.NDArray[np.bool_] | None:
    """Return for all pairs of bytes of normalised text whether a merge may join them.

    Returns None where a model's tokens depend on more than such pairs, or may do so.
    """
    if model.model_type != BPE:
        return None
    if model.charsmap and any(piece.kind == USER_DEFINED for piece in model.pieces):
        return None  # SentencePiece's normaliser leaves the text of such pieces unchanged
    joined = np.zeros((256, 256), np.bool_)
    single = np.zeros(256, np.bool_)
    for piece in model.pieces:
        if piece.kind in (UNKNOWN, CONTROL, BYTE):
            continue
        # How an unused piece is taken apart depends on the whole text. A piece with a literal space
        # matches no text.
        if piece.kind == UNUSED or b" " in piece.text:
            return None
        if piece.kind == USER_DEFINED and SPACE_MARK in piece.text:
            return None
        assert piece.kind in (NORMAL, USER_DEFINED)
        text = np.frombuffer(piece.text.replace(SPACE_MARK, b" "), np.uint8)
        joined[text[:-1], text[1:]] = True
        if text.size == 1:
            single[text[0]] = True
    if not model.byte_fallback:
        # A run of unknown characters is one token, so it must not be cut.
        joined |= ~(single[:, None] | single[None, :])
    joined[:, 0x80:0xC0] = True  # both bytes are of one character
    return joined


def separator_byte(joined: npt.NDArray[np.bool_]) -> int | None:
    """Return an ASCII control character that is joined with no neighbour, None where there is none.

    The line feed is tried first.
    """
    for byte in (0x0A, *range(1, 0x20)):
        following = np.concatenate([joined[byte, :0x80], joined[byte, 0xC0:]])
        if not following.any() and not joined[:, byte].any():
            return byte
    return None


class UnitTable(NamedTuple):
    """Units and their ids. Unit ``u`` has ``ids[ends[u]:ends[u + 1]]``."""

    units: StringTable
    recent: npt.NDArray[np.uint64]
    """A cache of the numbers of recent units of up to 15 bytes. The hash of a unit's bytes gives
    its only place, of four 64-bit words: two with the bytes and their count, and one with the
    number. So frequent units are found with one access to memory."""
    ends: npt.NDArray[np.int64]
    ids: npt.NDArray[Any]


def empty_unit_table(dtype: npt.DTypeLike) -> UnitTable:
    """Make a table without units. ``dtype`` is the type of the ids."""
    units = empty_table()
    recent = np.zeros(RECENT_PLACES * 4, np.uint64)
    return UnitTable(units, recent, np.zeros(len(units.ends), np.int64), np.zeros(1 << 16, dtype))


def table_bytes(table: UnitTable) -> int:
    """Return the memory of a table in bytes."""
    arrays: list[npt.NDArray[Any]] = [*table.units, table.recent, table.ends, table.ids]
    return sum(array.nbytes for array in arrays)


@njit(cache=True, nogil=True)
def _scan(  # type: ignore[no-untyped-def]
    table, recent, joined, data, offsets, text, at, n_units, units, unit_ends
):
    """Write the numbers of all units from position ``at`` of ``text`` on. New units are added.

    Stops where the table has no room. Returns the text, the position and the number of units
    reached, and the bytes for which room is needed, 0 at the end of all texts.
    """
    mask = np.uint64(recent.size // 4 - 1)
    while text < offsets.size - 1:
        end = offsets[text + 1]
        while at < end:
            byte = data[at]
            low, high = np.uint64(byte), np.uint64(0)
            stop = at + 1
            shift = np.uint64(8)
            while stop < end:
                following = data[stop]
                if not joined[byte, following]:
                    break
                byte = following
                stop += 1
                if shift < 64:
                    low |= np.uint64(byte) << shift
                elif shift < 120:
                    high |= np.uint64(byte) << (shift - np.uint64(64))
                shift += np.uint64(8)
            length = stop - at
            if length < 16:
                high |= np.uint64(length) << np.uint64(56)
                place = low * np.uint64(0x9E3779B97F4A7C15) + high * np.uint64(0xC2B2AE3D27D4EB4F)
                place = ((place >> np.uint64(32)) & mask) * np.uint64(4)
                if recent[place] == low and recent[place + np.uint64(1)] == high:
                    units[n_units] = recent[place + np.uint64(2)]
                    n_units += 1
                    at = stop
                    continue
            if lacks_room(table, length):
                return text, at, n_units, length
            unit = find_or_insert(table, data, at, stop)
            if length < 16:
                recent[place] = low
                recent[place + np.uint64(1)] = high
                recent[place + np.uint64(2)] = np.uint64(unit)
            units[n_units] = unit
            n_units += 1
            at = stop
        unit_ends[text + 1] = n_units
        text += 1
    return text, at, n_units, 0


def find_units(
    table: UnitTable,
    joined: npt.NDArray[np.bool_],
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
) -> tuple[UnitTable, npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Cut texts into units, and add new ones to the table.

    Returns the table, the numbers of the texts' units, and the end of each text in these. The new
    units are the last entries of ``table.units``, and have no ids yet.
    """
    units = np.empty(data.size, np.int32)
    unit_ends = np.zeros(len(offsets), np.int64)
    text, at, n_units = 0, int(offsets[0]), 0
    while True:
        text, at, n_units, lacking = _scan(
            table.units, table.recent, joined, data, offsets, text, at, n_units, units, unit_ends
        )
        if not lacking:
            return table, units[:n_units], unit_ends
        table = table._replace(units=StringTable(*grown(table.units, lacking)))


@njit(cache=True, nogil=True)
def write_separated(arena, ends, first, last, separator, out):  # type: ignore[no-untyped-def]
    """Write the entries from ``first`` to ``last``, with a separator before each and at the end.

    Spaces become U+2581, which no normaliser changes. Returns the number of bytes.
    """
    to = 0
    for entry in range(first, last):
        out[to] = separator
        to += 1
        for i in range(ends[entry], ends[entry + 1]):
            if arena[i] == SPACE:
                out[to], out[to + 1], out[to + 2] = 0xE2, 0x96, 0x81
                to += 3
            else:
                out[to] = arena[i]
                to += 1
    out[to] = separator
    return to + 1


@njit(cache=True, nogil=True)
def write_ids(  # type: ignore[no-untyped-def]
    units, unit_ends, id_ends, ids, bos, eos, out, out_offsets
):
    """Write the ids of all texts to ``out``. ``bos`` and ``eos`` are ids, or -1 for none."""
    to = 0
    for text in range(unit_ends.size - 1):
        if bos >= 0:
            out[to] = bos
            to += 1
        for position in range(unit_ends[text], unit_ends[text + 1]):
            unit = units[position]
            for i in range(id_ends[unit], id_ends[unit + 1]):
                out[to] = ids[i]
                to += 1
        if eos >= 0:
            out[to] = eos
            to += 1
        out_offsets[text + 1] = to


@njit(cache=True, nogil=True)
def count_ids(units, id_ends):  # type: ignore[no-untyped-def]
    """Return the number of ids of all units together."""
    total = 0
    for unit in units:
        total += id_ends[unit + 1] - id_ends[unit]
    return total

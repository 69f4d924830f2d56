"""The hash XXH64 over byte arrays, for numba kernels. Texts, lines and urls are compared by it.

The algorithm is that of the xxHash specification
(https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md) with seed 0, so other tools can
compute the same hashes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

_P1 = np.uint64(0x9E3779B185EBCA87)
_P2 = np.uint64(0xC2B2AE3D27D4EB4F)
_P3 = np.uint64(0x165667B19E3779F9)
_P4 = np.uint64(0x85EBCA77C2B2AE63)
_P5 = np.uint64(0x27D4EB2F165667C5)
_P1_NEGATED = np.uint64((1 << 64) - 0x9E3779B185EBCA87)
_WORD_POINTER = ir.IntType(64).as_pointer()


@intrinsic
def load_u64(typingctx, data, index):  # type: ignore[no-untyped-def]
    """Read the eight bytes at ``data[index]`` as one little-endian number, without bounds check."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.bitcast(builder.gep(array.data, [arguments[1]]), _WORD_POINTER)
        return builder.load(address, align=1)

    return types.uint64(data, types.int64), generate


@intrinsic
def store_u64(typingctx, data, index, value):  # type: ignore[no-untyped-def]
    """Write a number as the eight bytes at ``data[index]``, without bounds check."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.bitcast(builder.gep(array.data, [arguments[1]]), _WORD_POINTER)
        builder.store(arguments[2], address, align=1)
        return context.get_dummy_value()

    return types.none(data, types.int64, types.uint64), generate


@njit(cache=True, nogil=True, inline="always")
def _rotated(value, bits):  # type: ignore[no-untyped-def]
    return (value << np.uint64(bits)) | (value >> np.uint64(64 - bits))


@njit(cache=True, nogil=True, inline="always")
def _round(lane, word):  # type: ignore[no-untyped-def]
    return _rotated(lane + word * _P2, 31) * _P1


@njit(cache=True, nogil=True)
def xxh64(data, start, end):  # type: ignore[no-untyped-def]
    """Hash ``data[start:end]`` (uint8) to 64 bits."""
    i = start
    if end - start >= 32:
        lane1, lane2, lane3, lane4 = _P1 + _P2, _P2, np.uint64(0), _P1_NEGATED
        while i + 32 <= end:
            lane1 = _round(lane1, load_u64(data, i))
            lane2 = _round(lane2, load_u64(data, i + 8))
            lane3 = _round(lane3, load_u64(data, i + 16))
            lane4 = _round(lane4, load_u64(data, i + 24))
            i += 32
        value = _rotated(lane1, 1) + _rotated(lane2, 7) + _rotated(lane3, 12) + _rotated(lane4, 18)
        for lane in (lane1, lane2, lane3, lane4):
            value = (value ^ _round(np.uint64(0), lane)) * _P1 + _P4
    else:
        value = _P5
    value += np.uint64(end - start)
    while i + 8 <= end:
        value = _rotated(value ^ _round(np.uint64(0), load_u64(data, i)), 27) * _P1 + _P4
        i += 8
    if i + 4 <= end:
        word = np.uint64(0)
        for k in range(4):
            word |= np.uint64(data[i + k]) << np.uint64(8 * k)
        value = _rotated(value ^ (word * _P1), 23) * _P2 + _P3
        i += 4
    while i < end:
        value = _rotated(value ^ (np.uint64(data[i]) * _P5), 11) * _P1
        i += 1
    value = (value ^ (value >> np.uint64(33))) * _P2
    value = (value ^ (value >> np.uint64(29))) * _P3
    return value ^ (value >> np.uint64(32))


_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)

BASE = np.uint64(0x9E3779B185EBCA87)
"""Odd multiplier for polynomial hashes of sequences. Its bits look random."""


@njit(cache=True, nogil=True, inline="always")
def mix(value):  # type: ignore[no-untyped-def]
    """Mix the bits of a 64-bit hash, by the finaliser of MurmurHash3."""
    value = (value ^ (value >> np.uint64(33))) * _MIX_1
    value = (value ^ (value >> np.uint64(33))) * _MIX_2
    return value ^ (value >> np.uint64(33))

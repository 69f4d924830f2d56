"""SentencePiece's unigram segmentation over normalised texts.

Follows ``unigram::Model::EncodeOptimized`` of SentencePiece to the last bit: the best path over the
pieces by Viterbi's algorithm, scores summed in single precision from the text's start. That sum
decides near-ties by its rounding, so the pieces of a word depend on how far into the text it
stands (in one page of 150 of the web samples, when each word is taken by itself). A table from
words to pieces would not be exact, and a trie of the pieces is as fast.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from tokenizer.model_file import (
    BYTE,
    NORMAL,
    SPACE_MARK,
    UNIGRAM,
    UNKNOWN,
    USER_DEFINED,
    ModelFile,
)

SPACE = 0x20
UNKNOWN_PENALTY = np.float32(10.0)
SCORE_LIMIT = 100_000.0  # kScoreResetThreshold of recent versions; older ones have none


class UnigramModel(NamedTuple):
    """A unigram model, ready for the kernel; spaces stand for U+2581."""

    nodes: npt.NDArray[np.int32]
    """A trie as a double array, four numbers a node: the base (its child by byte ``b`` is node
    ``base + b``), where the parent lies, the id of the piece that ends here or -1, and the bits
    of that piece's score."""
    unknown_score: np.float32
    unknown_id: int
    byte_ids: npt.NDArray[np.int32]  # of each byte; none without byte fallback
    spaces_lead: bool  # no piece holds a space behind another character
    score_limit: float  # a sum beyond it starts again from zero


def unigram_model(model: ModelFile) -> UnigramModel | None:
    """Take the pieces out of a model; None where they need SentencePiece itself."""
    if model.model_type != UNIGRAM:
        return None
    texts, ids = [], []
    unknown_id, byte_ids = -1, {}
    for number, piece in enumerate(model.pieces):
        if piece.kind == NORMAL:
            texts.append(piece.text.replace(SPACE_MARK, b" "))
            ids.append(number)
        elif piece.kind == UNKNOWN:
            unknown_id = number
        elif piece.kind == BYTE:
            byte_ids[int(piece.text[1:-1], 16)] = number
        if piece.kind == USER_DEFINED or b" " in piece.text:
            return None
    if not texts or len(set(texts)) < len(texts) or len(byte_ids) not in (0, 256):
        return None
    scores = np.array([piece.score for piece in model.pieces], np.float32)
    ends = np.cumsum([0, *map(len, texts)])
    arena = np.frombuffer(b"".join(texts), np.uint8)
    base, check, numbers = _double_array(arena, ends, np.array(ids, np.int32))
    node_scores = np.where(numbers >= 0, scores[numbers], np.float32(0)).view(np.int32)
    nodes = np.stack([base, np.where(check >= 0, 4 * check, -1), numbers, node_scores], axis=1)
    return UnigramModel(
        np.ascontiguousarray(nodes, np.int32).reshape(-1),
        np.float32(scores[ids].min() - UNKNOWN_PENALTY),
        unknown_id,
        np.array([byte_ids[b] for b in range(256)] if model.byte_fallback else [], np.int32),
        not any(b" " in text.lstrip(b" ") for text in texts),
        SCORE_LIMIT,
    )


@njit(cache=True, nogil=True)
def _linked_trie(arena, ends, ids):  # type: ignore[no-untyped-def]
    room = arena.size + 1
    child, sibling = np.full(room, -1, np.int32), np.full(room, -1, np.int32)
    label, piece = np.zeros(room, np.uint8), np.full(room, -1, np.int32)
    count = 1
    for text in range(ids.size):
        node = 0
        for i in range(ends[text], ends[text + 1]):
            found = child[node]
            while found != -1 and label[found] != arena[i]:
                found = sibling[found]
            if found == -1:
                found = count
                count += 1
                label[found] = arena[i]
                sibling[found] = child[node]
                child[node] = found
            node = found
        piece[node] = ids[text]
    return child[:count], sibling[:count], label[:count], piece[:count]


@njit(cache=True, nogil=True)
def _double_array(arena, ends, ids):  # type: ignore[no-untyped-def]
    """Lay a trie out so that a step is one addition and one comparison."""
    child, sibling, label, piece = _linked_trie(arena, ends, ids)
    size = 1024
    base, check = np.zeros(size, np.int32), np.full(size, -1, np.int32)
    at = np.zeros(child.size, np.int32)  # node of the linked trie -> node of the double array
    check[0] = 0
    queue = np.zeros(child.size, np.int32)
    head, tail = 0, 1
    first_free = 1
    while head < tail:
        node = queue[head]
        head += 1
        if child[node] == -1:
            continue
        start = first_free
        tried = taken = 0
        while True:
            if start + 512 > size:
                size *= 2
                grown_base, grown_check = np.zeros(size, np.int32), np.full(size, -1, np.int32)
                grown_base[: base.size], grown_check[: check.size] = base, check
                base, check = grown_base, grown_check
            fits = True
            found = child[node]
            while found != -1 and fits:
                fits = check[start + label[found]] == -1
                found = sibling[found]
            if fits:
                break
            tried += 1
            taken += check[start] != -1
            start += 1
        if tried > 64 and taken > tried * 0.9:
            first_free = start  # what lies before is almost full
        base[at[node]] = start
        found = child[node]
        while found != -1:
            at[found] = start + label[found]
            check[at[found]] = at[node]
            queue[tail] = found
            tail += 1
            found = sibling[found]
    pieces = np.full(size, -1, np.int32)
    for node in range(child.size):
        pieces[at[node]] = piece[node]
    return base, check, pieces


@njit(cache=True, nogil=True)
def _segment(  # type: ignore[no-untyped-def]
    nodes, node_scores, unknown_score, unknown_id, limit, data, start, end, total, best, begins, ids
):
    """Find the best path over ``data[start:end]``, whose start has the score ``total``.

    Writes into ``begins[i]`` and ``ids[i]`` the start and id of the best path's piece that ends at
    ``start + i``; returns the path's score.
    """
    size = end - start
    for i in range(1, size + 1):
        begins[i] = -1
    best[0] = total
    at = furthest = 0
    while at < size:
        if abs(best[at]) > limit:
            shift = best[at]
            for i in range(at, furthest + 1):
                if i == at or begins[i] != -1:
                    best[i] = np.float32(best[i] - shift)
        so_far = best[at]
        byte = data[start + at]
        n_bytes = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        n_bytes = min(n_bytes, size - at)
        single = False
        node = np.int64(0)
        for to in range(at + 1, size + 1):
            step = 4 * (nodes[node] + np.int64(data[start + to - 1]))
            if nodes[step + 1] != node:
                break
            node = step
            found = nodes[node + 2]
            if found >= 0:
                furthest = max(furthest, to)
                score = np.float32(node_scores[node + 3] + so_far)
                if begins[to] == -1 or score > best[to]:
                    best[to], begins[to], ids[to] = score, at, found
                single |= to - at == n_bytes
        if not single:
            to = at + n_bytes
            furthest = max(furthest, to)
            score = np.float32(unknown_score + so_far)
            if begins[to] == -1 or score > best[to]:
                best[to], begins[to], ids[to] = score, at, unknown_id
        at += n_bytes
    return best[size]


@njit(cache=True, nogil=True)
def _encode(  # type: ignore[no-untyped-def]
    nodes, unknown_score, unknown_id, byte_ids, spaces_lead, limit,
    data, offsets, ids, cuts, out_offsets,
):  # fmt: skip
    """Write the ids of all texts, and where in ``data`` each one's piece ends."""
    node_scores = nodes.view(np.float32)
    room = 256
    best, begins = np.empty(room, np.float32), np.empty(room, np.int64)
    path, order = np.empty(room, np.int32), np.empty(room, np.int64)
    to = 0
    for text in range(offsets.size - 1):
        at, end = offsets[text], offsets[text + 1]
        total = np.float32(0.0)
        after_unknown = False
        while at < end:
            stop = at + 1
            while stop < end and not (
                spaces_lead and data[stop] == SPACE and data[stop - 1] != SPACE
            ):
                stop += 1
            size = stop - at
            if size >= room:
                room = 2 * size
                best, begins = np.empty(room, np.float32), np.empty(room, np.int64)
                path, order = np.empty(room, np.int32), np.empty(room, np.int64)
            total = _segment(
                nodes, node_scores, unknown_score, unknown_id, limit,
                data, at, stop, total, best, begins, path,
            )  # fmt: skip
            n = 0
            position = size
            while position > 0:
                order[n] = position
                n += 1
                position = begins[position]
            while n > 0:
                n -= 1
                position = order[n]
                number = path[position]
                if number != unknown_id:
                    after_unknown = False
                    ids[to] = number
                    cuts[to] = at + position
                    to += 1
                elif byte_ids.size:
                    to = _write_bytes(
                        byte_ids, data, at + begins[position], at + position, ids, cuts, to
                    )
                elif after_unknown:  # SentencePiece makes one piece of a run of unknown ones
                    cuts[to - 1] = at + position
                else:
                    after_unknown = True
                    ids[to] = number
                    cuts[to] = at + position
                    to += 1
            at = stop
        out_offsets[text + 1] = to


@njit(cache=True, nogil=True)
def _write_bytes(byte_ids, data, start, end, ids, cuts, to):  # type: ignore[no-untyped-def]
    if data[start] == SPACE:
        for byte in (0xE2, 0x96, 0x81):
            ids[to] = byte_ids[byte]
            cuts[to] = end
            to += 1
        return to
    for i in range(start, end):
        ids[to] = byte_ids[data[i]]
        cuts[to] = i + 1
        to += 1
    return to


def encode_unigram(
    model: UnigramModel, data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Encode texts as :func:`tokenizer.normalise.normalise` returns them.

    Returns the ids of all texts, the end in ``data`` of each id's piece, and the offsets of the
    texts in both.
    """
    # Only a space that is no piece takes more ids than bytes.
    per_byte = 3 if model.byte_ids.size else 1
    ids = np.empty(per_byte * data.size, np.int32)
    cuts = np.empty(per_byte * data.size, np.int64)
    out_offsets = np.zeros(len(offsets), np.int64)
    _encode(*model, data, offsets, ids, cuts, out_offsets)
    return ids[: out_offsets[-1]], cuts[: out_offsets[-1]], out_offsets


def join_pieces(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    cuts: npt.NDArray[np.int64],
    cut_offsets: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Write the pieces of every text with a space between them, and U+2581 for their own spaces.

    Takes normalised texts and what :func:`encode_unigram` returns for them; returns UTF-8 and the
    offsets of the texts in it.
    """
    out = np.empty(3 * data.size + cuts.size, np.uint8)
    out_offsets = np.zeros(len(offsets), np.int64)
    _join(data, offsets, cuts, cut_offsets, out, out_offsets)
    return out[: out_offsets[-1]], out_offsets


@njit(cache=True, nogil=True)
def _join(data, offsets, cuts, cut_offsets, out, out_offsets):  # type: ignore[no-untyped-def]
    to = 0
    for text in range(offsets.size - 1):
        at = offsets[text]
        first = cut_offsets[text]
        for cut in range(first, cut_offsets[text + 1]):
            if cut > first:
                out[to] = SPACE
                to += 1
            while at < cuts[cut]:
                if data[at] == SPACE:
                    out[to], out[to + 1], out[to + 2] = 0xE2, 0x96, 0x81
                    to += 3
                else:
                    out[to] = data[at]
                    to += 1
                at += 1
        out_offsets[text + 1] = to


def unknown_pieces(
    model: UnigramModel,
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int32],
    cuts: npt.NDArray[np.int64],
    cut_offsets: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the text of the unknown pieces, one after the other, with U+2581 for their spaces.

    Takes normalised texts and what :func:`encode_unigram` returns for them; returns UTF-8 and the
    offsets of the pieces in it.
    """
    at = np.flatnonzero(ids == model.unknown_id)
    begins = np.where(at > 0, cuts[at - 1], 0)
    is_first = np.isin(at, cut_offsets[:-1])
    begins[is_first] = offsets[np.searchsorted(cut_offsets, at[is_first], side="right") - 1]
    cut_ends = np.arange(len(at) + 1)
    found = np.empty(int((cuts[at] - begins).sum()), np.uint8)
    starts = _gather(data, begins, cuts[at], found)
    return join_pieces(found, starts, starts[1:], cut_ends)


@njit(cache=True, nogil=True)
def _gather(data, begins, ends, out):  # type: ignore[no-untyped-def]
    """Write spans of ``data`` one after the other; return their offsets."""
    offsets = np.zeros(begins.size + 1, np.int64)
    to = 0
    for span in range(begins.size):
        for i in range(begins[span], ends[span]):
            out[to] = data[i]
            to += 1
        offsets[span + 1] = to
    return offsets

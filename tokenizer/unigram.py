"""SentencePiece's unigram segmentation, applied to normalised texts.

It follows ``unigram::Model::EncodeOptimized`` of SentencePiece to the last bit. Viterbi's algorithm
finds the best path over the pieces, and scores are summed in single precision from the beginning of
the text. The rounding of that sum decides near-ties. So the pieces of a word depend on its place in
the text: segmenting each word alone changes one of 150 pages of the web samples. A table from words
to pieces would not be exact, and a trie of the pieces is as fast.
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
SCORE_LIMIT = 100_000.0  # kScoreResetThreshold of recent versions; older versions have no limit


class UnigramModel(NamedTuple):
    """A unigram model, as arrays for the kernel. Its pieces have spaces in place of U+2581."""

    nodes: npt.NDArray[np.int32]
    """The trie of the pieces as a double array, with four numbers a node: the base, the index of
    the parent, the id of the piece that ends here or -1, and the bits of that piece's score. The
    child of a node by byte ``b`` is node ``base + b``."""
    unknown_score: np.float32
    unknown_id: int
    byte_ids: npt.NDArray[np.int32]  # id of each byte; empty without byte fallback
    spaces_lead: bool  # whether pieces hold spaces only at their beginning
    score_limit: float  # sum of scores above which the sum is reset to zero


def unigram_model(model: ModelFile) -> UnigramModel | None:
    """Make the arrays of a model, None where only SentencePiece itself can encode with it."""
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
        np.array([byte_ids[byte] for byte in range(256)] if model.byte_fallback else [], np.int32),
        not any(b" " in text.lstrip(b" ") for text in texts),
        SCORE_LIMIT,
    )


@njit(cache=True, nogil=True)
def _linked_trie(arena, ends, ids):  # type: ignore[no-untyped-def]
    """Return the trie of the pieces as linked lists of children."""
    room = arena.size + 1
    child, sibling = np.full(room, -1, np.int32), np.full(room, -1, np.int32)
    label, piece = np.zeros(room, np.uint8), np.full(room, -1, np.int32)
    count = 1
    for text in range(ids.size):
        node = 0
        for i in range(ends[text], ends[text + 1]):
            next_node = child[node]
            while next_node != -1 and label[next_node] != arena[i]:
                next_node = sibling[next_node]
            if next_node == -1:
                next_node = count
                count += 1
                label[next_node] = arena[i]
                sibling[next_node] = child[node]
                child[node] = next_node
            node = next_node
        piece[node] = ids[text]
    return child[:count], sibling[:count], label[:count], piece[:count]


@njit(cache=True, nogil=True)
def _double_array(arena, ends, ids):  # type: ignore[no-untyped-def]
    """Return the trie of the pieces as a double array: base, check and piece of every node.

    A step from a node to its child takes one addition and one comparison.
    """
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
            next_child = child[node]
            while next_child != -1 and fits:
                fits = check[start + label[next_child]] == -1
                next_child = sibling[next_child]
            if fits:
                break
            tried += 1
            taken += check[start] != -1
            start += 1
        if tried > 64 and taken > tried * 0.9:
            first_free = start  # the array before it is almost full
        base[at[node]] = start
        next_child = child[node]
        while next_child != -1:
            at[next_child] = start + label[next_child]
            check[at[next_child]] = at[node]
            queue[tail] = next_child
            tail += 1
            next_child = sibling[next_child]
    pieces = np.full(size, -1, np.int32)
    for node in range(child.size):
        pieces[at[node]] = piece[node]
    return base, check, pieces


@njit(cache=True, nogil=True)
def _segment(  # type: ignore[no-untyped-def]
    nodes, node_scores, unknown_score, unknown_id, limit, data, start, end, total, best, begins, ids
):
    """Find the best path over ``data[start:end]``. The score before ``start`` is ``total``.

    For every ``i``, ``begins[i]`` and ``ids[i]`` become the begin and the id of the last piece of
    the best path to ``start + i``. Returns the score of the best path to ``end``.
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
            piece = nodes[node + 2]
            if piece >= 0:
                furthest = max(furthest, to)
                score = np.float32(node_scores[node + 3] + so_far)
                if begins[to] == -1 or score > best[to]:
                    best[to], begins[to], ids[to] = score, at, piece
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
    """Write the ids of all texts to ``ids``, and the ends of their pieces to ``cuts``."""
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
            n_pieces = 0
            position = size
            while position > 0:
                order[n_pieces] = position
                n_pieces += 1
                position = begins[position]
            while n_pieces > 0:
                n_pieces -= 1
                position = order[n_pieces]
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
                elif after_unknown:  # SentencePiece makes one piece of a run of unknown pieces
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
    """Encode normalised texts, in the form that :func:`tokenizer.normalise.normalise` returns.

    Returns the ids of all texts, the end in ``data`` of each id's piece, and the offsets of the
    texts in both.
    """
    # Only a space without a piece takes more ids than bytes: the three bytes of U+2581.
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
    """Join the pieces of every text by spaces. Spaces within pieces become U+2581.

    Takes normalised texts, and the results of :func:`encode_unigram` for them. Returns UTF-8, and
    the offsets of the texts in it.
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

"""Passages of held-out texts that share 13 words in a row with training text.

Words are compared as decontamination compares them
(:mod:`transforms.decontamination.evaluation_sets`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.inspection.piece_table import DECODED_TOKENS, PieceTable, decode_tokens
from pipeline.judging.draws import Ids, joined_documents
from pipeline.judging.held_out import HeldOut
from transforms.decontamination.evaluation_sets import folds, n_gram_hashes
from transforms.dedup.shingles import word_hashes
from transforms.documents import text_buffers

N_GRAM_WORDS = 13
"""Words in a row that training text and a passage may not share (GPT-3's appendix C)."""


class PassageIndex:
    """The n-grams of all passages of some held-out texts, and which of them have been seen."""

    def __init__(self, held_out: Sequence[HeldOut]) -> None:
        """Index the passages. One of fewer words than an n-gram has none, and is never seen."""
        self._sizes = [len(one.passages) for one in held_out]
        texts = pa.array([text for one in held_out for text in one.passages], pa.string())
        hashes, self._owners = _hashes(*text_buffers(texts))
        self._distinct, self._number = np.unique(hashes, return_inverse=True)
        self._seen = np.zeros(len(self._distinct), np.bool_)

    def see(self, table: PieceTable, documents: Iterable[Ids]) -> None:
        """Note the n-grams of training documents, given as token ids."""
        waiting: list[Ids] = []
        size = 0
        for ids in documents:
            waiting.append(ids)
            size += len(ids)
            if size >= DECODED_TOKENS:
                self._see_batch(table, waiting)
                waiting, size = [], 0
        self._see_batch(table, waiting)

    def _see_batch(self, table: PieceTable, documents: Sequence[Ids]) -> None:
        ids, offsets = joined_documents(documents)
        decoded = decode_tokens(table, ids)
        data = np.frombuffer(decoded.data, np.uint8)
        hashes, _ = _hashes(data, decoded.offsets[offsets])
        if not len(self._distinct):
            return
        at = np.minimum(np.searchsorted(self._distinct, hashes), len(self._distinct) - 1)
        self._seen[at[self._distinct[at] == hashes]] = True

    def removed(self) -> list[npt.NDArray[np.bool_]]:
        """Return for each held-out text which of its passages have an n-gram that was seen."""
        has_seen = np.zeros(sum(self._sizes), np.bool_)
        has_seen[self._owners[self._seen[self._number]]] = True
        return np.split(has_seen, np.cumsum(self._sizes)[:-1])


def _hashes(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Return the hashes of all n-grams of some texts, and the number of the text of each."""
    words, ends = word_hashes(*folds(), data, offsets)
    lengths = np.where(np.diff(ends) < N_GRAM_WORDS, 0, N_GRAM_WORDS)
    found: tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]] = n_gram_hashes(
        words, ends, lengths
    )
    return found

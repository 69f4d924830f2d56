"""Encoding of batches of text to token ids. The ids equal SentencePiece's, and come much faster.

There are three methods, chosen by the settings in the model file. BPE models use a table of units
(:mod:`tokenizer.units`). Unigram models use SentencePiece's algorithm as a numba kernel
(:mod:`tokenizer.unigram`). SentencePiece itself encodes for models that these two do not cover.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sentencepiece

from tokenizer.checking import mark_id, opened_sentencepiece
from tokenizer.known_units import Ids, KnownUnits, Offsets
from tokenizer.model_file import CHARSMAP, NORMALISER, without_fields
from tokenizer.normalise import normalise, normaliser_rules
from tokenizer.string_table import StringTable
from tokenizer.text_buffers import text_buffers
from tokenizer.unigram import (
    UnigramModel,
    encode_unigram,
    join_pieces,
    unigram_model,
)
from tokenizer.units import (
    UnitTable,
    find_units,
    joined_pairs,
    separator_byte,
    write_separated,
)

UNITS_PER_CALL = 1000
"""Units that SentencePiece encodes in one call. It is fastest on a few kilobytes at a time."""

SPACE_MARK = "\u2581"
"""Character that stands for a space in SentencePiece's pieces."""


class BatchEncoder:
    """An encoder of batches of texts with one SentencePiece model. Threads may share it."""

    def __init__(self, model_proto: bytes) -> None:
        """Load a serialised model. Raises ValueError where the bytes are not one."""
        self.model, self.processor = opened_sentencepiece(model_proto)
        self.vocabulary_size: int = len(self.model.pieces)
        self.dtype: type[np.uint16] | type[np.int32] = (
            np.uint16 if self.vocabulary_size <= 1 << 16 else np.int32
        )
        self._rules = normaliser_rules(self.model)
        self._pairs: npt.NDArray[np.bool_] | None = None
        self._unigram: UnigramModel | None = None
        if self.model.escape_whitespaces and not self.model.whitespace_as_suffix:
            self._choose_table(model_proto)
            self._choose_viterbi()

    def _choose_table(self, model_proto: bytes) -> None:
        """Choose the table of units, if it is exact for this model."""
        pairs = joined_pairs(self.model)
        separator = None if pairs is None else separator_byte(pairs)
        if separator is None:
            return
        # Units are normalised already, so the processor for them must not apply the map again.
        self._unit_processor = self.processor
        if self.model.charsmap:
            plain = without_fields(model_proto, {NORMALISER: {CHARSMAP}})
            self._unit_processor = sentencepiece.SentencePieceProcessor(model_proto=plain)
        self._separator = separator
        self._separator_id = int(self._unit_processor.encode(chr(separator))[-1])
        if self._separator_id != self.processor.unk_id():
            self._pairs = pairs
            self._known = KnownUnits(self.dtype)

    def _choose_viterbi(self) -> None:
        """Choose the kernel for unigram models, if it agrees with the installed SentencePiece."""
        unigram = unigram_model(self.model)
        if unigram is None:
            return
        # Versions of SentencePiece differ in whether they reset the score of a long text to zero.
        # The model's own pieces, joined without spaces, are a text in which this matters.
        probe = "".join(
            piece.text.decode().replace(SPACE_MARK, "") for piece in self.model.pieces[::-1]
        )
        expected = self.processor.encode(probe)
        for limit in (unigram.score_limit, np.inf):
            variant = unigram._replace(score_limit=limit)
            ids, _, _ = encode_unigram(variant, *self._normalised(pa.array([probe])))
            if ids.tolist() == expected:
                self._unigram = variant
                return

    @property
    def method(self) -> str:
        """The method by which texts are encoded: ``table``, ``viterbi`` or ``sentencepiece``."""
        if self._pairs is not None:
            return "table"
        return "sentencepiece" if self._unigram is None else "viterbi"

    def encode(self, texts: pa.StringArray, *, bos: bool, eos: bool) -> tuple[Ids, Offsets]:
        """Encode texts to the ids that ``SentencePieceProcessor.encode`` gives.

        Text ``i`` has ``ids[offsets[i]:offsets[i + 1]]``. ``bos`` and ``eos`` put the model's begin
        and end of sequence around every text, and raise ValueError where the model has none. The
        ids are uint16 where the vocabulary fits, else int32.
        """
        marks = (self._mark("bos") if bos else -1), (self._mark("eos") if eos else -1)
        if self._pairs is not None:
            return self._encode_by_table(texts, *marks)
        if self._unigram is not None:
            ids, _, offsets = encode_unigram(self._unigram, *self._normalised(texts))
            return _with_marks(ids.astype(self.dtype), offsets, *marks)
        rows = self.processor.encode_as_numpy(_bytes(texts), num_threads=1)
        offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        ids = np.concatenate([np.zeros(0, np.int32), *rows]).astype(self.dtype)
        return _with_marks(ids, offsets, *marks)

    def encode_as_sentences(self, texts: pa.StringArray) -> Iterator[tuple[bytes, int]]:
        """Yield every text's pieces, joined by spaces, and their number.

        The pieces are those of ``SentencePieceProcessor.encode(text, out_type=str)``.
        """
        if self._unigram is None or len(self._unigram.byte_ids):
            for text in _bytes(texts):
                pieces = self.processor.encode(text, out_type=bytes)
                yield b" ".join(pieces), len(pieces)
            return
        data, offsets = self._normalised(texts)
        _, cuts, cut_offsets = encode_unigram(self._unigram, data, offsets)
        sentences, ends = join_pieces(data, offsets, cuts, cut_offsets)
        for row in range(len(texts)):
            n_pieces = int(cut_offsets[row + 1] - cut_offsets[row])
            yield sentences[ends[row] : ends[row + 1]].tobytes(), n_pieces

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of a document's ids. Ids of begin and end of sequence are left out."""
        marks = {self.processor.bos_id(), self.processor.eos_id()}
        kept = [number for number in np.asarray(ids).tolist() if number not in marks]
        return str(self.processor.decode(kept))

    def _mark(self, name: str) -> int:
        return mark_id(self.processor, name)

    def _normalised(self, texts: pa.StringArray) -> tuple[npt.NDArray[np.uint8], Offsets]:
        return normalise(self._rules, *text_buffers(texts))

    def _encode_by_table(self, texts: pa.StringArray, bos: int, eos: int) -> tuple[Ids, Offsets]:
        assert self._pairs is not None
        data, offsets = self._normalised(texts)
        find = functools.partial(find_units, joined=self._pairs, data=data, offsets=offsets)
        return self._known.encode(find, self._encode_units, bos, eos)

    def _encode_units(self, table: UnitTable, first: int) -> UnitTable:
        """Encode the table's units from ``first`` on with SentencePiece."""
        units, _, ends, ids = table
        count = int(units.count[0])
        while first < count:
            last = min(first + UNITS_PER_CALL, count)
            new_ids, n_ids = self._encode_separated(units, first, last)
            start = ends[first]
            while start + len(new_ids) > len(ids):
                ids = np.concatenate([ids, np.zeros_like(ids)])
            ids[start : start + len(new_ids)] = new_ids
            ends[first + 1 : last + 1] = start + np.cumsum(n_ids)
            first = last
        return table._replace(ids=ids)

    def _encode_separated(
        self, units: StringTable, first: int, last: int
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Encode units in one call; return their ids and the number of ids of each unit."""
        n_bytes = int(units.ends[last] - units.ends[first])
        buffer = np.empty(3 * n_bytes + last - first + 1, np.uint8)
        size = write_separated(units.arena, units.ends, first, last, self._separator, buffer)
        ids = self._unit_processor.encode_as_numpy(buffer[:size].tobytes())
        at = np.flatnonzero(ids == self._separator_id)
        if len(at) == last - first + 1:
            n_ids = np.diff(at) - 1
            return np.delete(ids[at[0] :], at - at[0]), n_ids
        # One of the units is the separator itself, so there is one separator more.
        assert len(at) == last - first + 2
        is_separator = _single_byte(units, first, last, self._separator)
        middle = at[1 + is_separator]
        kept = np.delete(at, 1 + is_separator)
        n_ids = np.diff(kept) - 1
        keep = np.ones(len(ids), np.bool_)
        keep[at] = False
        keep[middle] = True
        keep[: at[0]] = False
        return ids[keep], n_ids


def _single_byte(units: StringTable, first: int, last: int, byte: int) -> int:
    """Return the position, counted from ``first``, of the unit that is the one byte ``byte``."""
    starts = units.ends[first:last]
    is_byte = (np.diff(units.ends[first : last + 1]) == 1) & (units.arena[starts] == byte)
    return int(np.flatnonzero(is_byte)[0])


def _bytes(texts: pa.StringArray) -> list[bytes]:
    data, offsets = text_buffers(texts)
    return [data[start:end].tobytes() for start, end in itertools.pairwise(offsets.tolist())]


def _with_marks(ids: Ids, offsets: Offsets, bos: int, eos: int) -> tuple[Ids, Offsets]:
    """Put ``bos`` before every text and ``eos`` after it. -1 stands for none."""
    if eos >= 0:
        ids = np.insert(ids, offsets[1:], eos)
        offsets = offsets + np.arange(len(offsets))
    if bos >= 0:
        ids = np.insert(ids, offsets[:-1], bos)
        offsets = offsets + np.arange(len(offsets))
    return ids, offsets


@functools.cache
def load_encoder(path: str) -> BatchEncoder:
    """Load the encoder of a model file, once a process. ValueError names a file without a model."""
    try:
        return BatchEncoder(Path(path).read_bytes())
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{path}: {error}") from None

"""Encoding of batches of texts with a byte-level BPE. The ids equal ``tokenizers``' and tiktoken's.

Texts are cut into words by automata, and the ids of a word do not depend on what is around it. So
they are looked up in a table by the word's bytes, and merges are done for words that are not in it.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tokenizer.byte_level.automaton import automaton
from tokenizer.byte_level.compose import composed
from tokenizer.byte_level.library import LibraryEncoder, chosen_marks
from tokenizer.byte_level.merge import Vocabulary, encode_words, merge_table
from tokenizer.byte_level.split import cut_words
from tokenizer.byte_level.tokenizer_file import TokenizerFile
from tokenizer.byte_level.words import number_words
from tokenizer.known_units import Ids, KnownUnits, Offsets
from tokenizer.string_table import table_of
from tokenizer.text_buffers import text_buffers
from tokenizer.units import UnitTable


def token_bytes(file: TokenizerFile) -> dict[int, bytes]:
    """Return the bytes of every token by its id; special tokens, which are no text, have none."""
    found = {number: token for token, number in file.tokens.items()}
    found |= dict.fromkeys(file.added.values(), b"")
    return found | {file.added[name]: name.encode() for name in file.found_in_text}


class ByteLevelEncoder:
    """An encoder of batches of texts with one byte-level BPE. Threads may share it."""

    method = "table"

    def __init__(
        self,
        file: TokenizerFile,
        library: LibraryEncoder | None = None,
        *,
        special_in_text: bool = False,
    ) -> None:
        """Make the automata and tables of a tokenizer.

        ``library`` encodes texts that hold one of ``file.found_in_text``, or with
        ``special_in_text`` any of ``file.added``. Raises UnsupportedPatternError where a pattern
        has no automaton.
        """
        self.vocabulary_size = file.vocabulary_size
        self.dtype: type[np.uint16] | type[np.int32] = (
            np.uint16 if file.vocabulary_size <= 1 << 16 else np.int32
        )
        self.bos, self.eos = file.bos, file.eos
        self._automata = [automaton(pattern) for pattern in file.patterns]
        self._composes = file.composes
        self._library = library
        found = file.added if special_in_text else file.found_in_text
        self._found = "|".join(map(re.escape, found))
        words = list(file.tokens) if file.whole_words else []
        self._vocabulary = Vocabulary(
            np.array([file.tokens[bytes([byte])] for byte in range(256)], np.int32),
            merge_table(file.left, file.right, file.ranks, file.made),
            table_of(words),
            np.array([file.tokens[word] for word in words], np.int32),
        )
        self._token_bytes = token_bytes(file)
        self._known = KnownUnits(self.dtype)

    def encode(self, texts: pa.StringArray, *, bos: bool, eos: bool) -> tuple[Ids, Offsets]:
        """Encode texts. Special tokens that are spelt out in a text are text, unless asked for.

        Text ``i`` has ``ids[offsets[i]:offsets[i + 1]]``. ``bos`` and ``eos`` put the tokenizer's
        marks around every text, and raise ValueError where it has none. The ids are uint16 where
        the vocabulary fits, else int32.
        """
        before, after = chosen_marks(self.bos, self.eos, bos=bos, eos=eos)
        if not self._found or self._library is None:
            return self._encode(texts, before, after)
        holds = pc.match_substring_regex(texts, self._found).fill_null(False)
        if not holds.true_count:
            return self._encode(texts, before, after)
        ids, offsets = self._encode(pc.if_else(holds, "", texts), before, after)
        rows = np.split(ids, offsets[1:-1])
        of_library = self._library.rows(texts.filter(holds).to_pylist())
        at = np.flatnonzero(holds.to_numpy(zero_copy_only=False))
        for row, found in zip(at, of_library, strict=True):
            rows[row] = np.array([*before, *found, *after], self.dtype)
        return np.concatenate(rows), np.cumsum([0, *map(len, rows)], dtype=np.int64)

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of a document's ids. Ids of begin and end of sequence are left out."""
        table = self._token_bytes
        return b"".join(table.get(i, b"") for i in np.asarray(ids).tolist()).decode(
            errors="replace"
        )

    def _encode(
        self, texts: pa.StringArray, before: list[int], after: list[int]
    ) -> tuple[Ids, Offsets]:
        data, offsets = text_buffers(composed(texts) if self._composes else texts)
        bounds, ends = cut_words(self._automata, data, offsets)
        (bos,), (eos,) = before or [-1], after or [-1]
        return self._known.encode(
            lambda table: (*number_words(table, data, bounds), ends), self._encode_words, bos, eos
        )

    def _encode_words(self, table: UnitTable, first: int) -> UnitTable:
        """Merge the table's words from ``first`` on."""
        units, _, ends, ids = table
        last = int(units.count[0])
        room = int(ends[first] + units.ends[last] - units.ends[first])
        if room > len(ids):
            ids = np.concatenate([ids, np.zeros(max(room, 2 * len(ids)) - len(ids), ids.dtype)])
        encode_words(self._vocabulary, units.arena, units.ends, first, last, ids, ends)
        return table._replace(ids=ids)

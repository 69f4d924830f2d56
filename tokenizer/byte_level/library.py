"""Encoding with the library ``tokenizers``, for tokenizers that the kernels do not cover."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tokenizer.byte_level.json_file import marks, parse_json, vocabulary_size


class LibraryEncoder:
    """An encoder of batches of texts with a ``tokenizer.json``, by the library."""

    method = "tokenizers"

    def __init__(self, data: bytes, *, special_in_text: bool = False) -> None:
        """Load a ``tokenizer.json``. Raises ValueError where the library does not.

        ``special_in_text`` makes special tokens of those that are spelt out in a text.
        """
        from tokenizers import Tokenizer

        content = parse_json(data)
        try:
            self._tokenizer: Any = Tokenizer.from_str(data.decode())
        except Exception as error:  # the library raises nothing more special
            raise ValueError(f"not a tokenizer.json: {error}") from None
        # The library's name for it: encode them as text.
        self._tokenizer.encode_special_tokens = not special_in_text
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.vocabulary_size = vocabulary_size(content)
        self.dtype: type[np.uint16] | type[np.int32] = (
            np.uint16 if self.vocabulary_size <= 1 << 16 else np.int32
        )
        self.bos, self.eos = marks(content)

    def encode(
        self, texts: pa.StringArray, *, bos: bool, eos: bool
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """Encode texts as :meth:`tokenizer.byte_level.encode.ByteLevelEncoder.encode` does."""
        before, after = chosen_marks(self.bos, self.eos, bos=bos, eos=eos)
        rows = [[*before, *row, *after] for row in self.rows(texts.to_pylist())]
        offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return np.fromiter(itertools.chain.from_iterable(rows), self.dtype, offsets[-1]), offsets

    def rows(self, texts: list[str | None]) -> list[list[int]]:
        """Return the ids of every text. A missing one reads as empty."""
        given = [text or "" for text in texts]
        return [
            one.ids for one in self._tokenizer.encode_batch_fast(given, add_special_tokens=False)
        ]

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of a document's ids. Ids of begin and end of sequence are left out."""
        kept = [i for i in np.asarray(ids).tolist() if i not in (self.bos, self.eos)]
        return str(self._tokenizer.decode(kept, skip_special_tokens=False))


def chosen_marks(
    bos_id: int | None, eos_id: int | None, *, bos: bool, eos: bool
) -> tuple[list[int], list[int]]:
    """Return the marks to put before and behind a text: an id or none.

    Raises ValueError where one is asked for that the tokenizer does not have.
    """
    chosen = []
    for name, number, asked in (("bos", bos_id, bos), ("eos", eos_id, eos)):
        if asked and number is None:
            raise ValueError(f"the tokenizer has no {name} token")
        chosen.append([number] if asked and number is not None else [])
    return chosen[0], chosen[1]

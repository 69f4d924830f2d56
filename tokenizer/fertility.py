"""The fertility of a tokenizer: tokens a word, and bytes a token, over given texts."""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tokenizer.opening import Encoder


class Fertility(NamedTuple):
    """Counts over a set of documents. White space divides words."""

    documents: int
    words: int
    text_bytes: int  # bytes in UTF-8
    tokens: int  # tokens without begin and end of sequence

    def plus(self, other: Fertility) -> Fertility:
        """Return the sums of the counts of two sets of documents."""
        return Fertility(*(mine + its for mine, its in zip(self, other, strict=True)))

    def summary(self) -> dict[str, Any]:
        """Return the counts and their ratios. A ratio to a count of 0 is None."""
        return {
            **self._asdict(),
            "tokens_a_word": self.tokens / self.words if self.words else None,
            "bytes_a_token": self.text_bytes / self.tokens if self.tokens else None,
        }


NOTHING = Fertility(0, 0, 0, 0)


def fertility(encoder: Encoder, texts: pa.StringArray) -> Fertility:
    """Return the counts for texts, which are encoded to count their tokens."""
    ids, _ = encoder.encode(texts, bos=False, eos=False)
    words = pc.list_value_length(pc.utf8_split_whitespace(pc.utf8_trim_whitespace(texts)))
    is_blank = pc.equal(pc.utf8_trim_whitespace(texts), "")
    return Fertility(
        documents=len(texts),
        words=int(pc.sum(words).as_py() or 0) - int(pc.sum(is_blank).as_py() or 0),
        text_bytes=int(pc.sum(pc.binary_length(texts)).as_py() or 0),
        tokens=len(ids),
    )

"""How many tokens a tokenizer makes of text: tokens a word, bytes a token."""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tokenizer.encode import BatchEncoder


class Fertility(NamedTuple):
    """Counts over some documents; words are what white space divides."""

    documents: int
    words: int
    text_bytes: int  # UTF-8
    tokens: int  # without marks of begin and end

    def plus(self, other: Fertility) -> Fertility:
        """Add up the counts of two sets of documents."""
        return Fertility(*(a + b for a, b in zip(self, other, strict=True)))

    def summary(self) -> dict[str, Any]:
        """Return the counts and their ratios, which are None where there is nothing."""
        return {
            **self._asdict(),
            "tokens_a_word": self.tokens / self.words if self.words else None,
            "bytes_a_token": self.text_bytes / self.tokens if self.tokens else None,
        }


NOTHING = Fertility(0, 0, 0, 0)


def fertility(encoder: BatchEncoder, texts: pa.StringArray) -> Fertility:
    """Encode texts and count."""
    ids, _ = encoder.encode(texts, bos=False, eos=False)
    words = pc.list_value_length(pc.utf8_split_whitespace(pc.utf8_trim_whitespace(texts)))
    is_blank = pc.equal(pc.utf8_trim_whitespace(texts), "")
    return Fertility(
        documents=len(texts),
        words=int(pc.sum(words).as_py() or 0) - int(pc.sum(is_blank).as_py() or 0),
        text_bytes=int(pc.sum(pc.binary_length(texts)).as_py() or 0),
        tokens=len(ids),
    )

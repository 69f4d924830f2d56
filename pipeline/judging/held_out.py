"""Held-out texts: reading them, and cutting them into passages.

A file whose name ends in ``.jsonl``, ``.ndjson`` or ``.json`` (before ``.gz``) has one document a
line, in the field ``text``. Any other file is one document of plain text. Passages are what is
scored, and what is taken out where training text has the same words.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.errors import RunError
from pipeline.files import storage
from transforms.decontamination.evaluation_sets import read_items

TEXT_FIELD = "text"
"""Field of JSON lines that holds a document."""

PASSAGE_CHARS = 2000
"""Most characters of a passage. Most passages end at the last line or word before that."""

MIN_UNITS = 10
"""Fewest documents over which an interval is computed. With fewer, passages take their place."""

_JSON_ENDS = (".jsonl", ".ndjson", ".json")


class HeldOut(NamedTuple):
    """A held-out text, in passages."""

    name: str
    passages: list[str]
    document: npt.NDArray[np.int64]  # number of the document of each passage, ascending

    @property
    def n_documents(self) -> int:
        """The number of documents that the passages are of."""
        return len(np.unique(self.document))

    @property
    def unit_name(self) -> str:
        """What intervals are computed over: ``documents``, or ``passages`` of few documents."""
        return "documents" if self.n_documents >= MIN_UNITS else "passages"

    @property
    def unit(self) -> npt.NDArray[np.int64]:
        """The number of each passage's unit, from 0 on without gaps."""
        if self.unit_name == "passages":
            return np.arange(len(self.passages))
        return np.unique(self.document, return_inverse=True)[1].astype(np.int64)

    def without(self, removed: npt.NDArray[np.bool_]) -> HeldOut:
        """Return the text without some of its passages."""
        kept = [text for text, out in zip(self.passages, removed.tolist(), strict=True) if not out]
        return HeldOut(self.name, kept, self.document[~removed])


def read_held_out(name: str, pattern: str) -> HeldOut:
    """Read the files that a path or pattern names. Raises ValueError where they are no texts."""
    files = [info.path for info in storage.match(pattern)]
    if not files:
        raise RunError(f"{name}={pattern}: there is no such file")
    passages: list[str] = []
    document: list[int] = []
    for number, text in enumerate(_documents(files)):
        cut = cut_passages(text)
        passages += cut
        document += [number] * len(cut)
    held_out = HeldOut(name, passages, np.array(document, np.int64))
    check_enough(held_out, f"{name}={pattern}: ")
    return held_out


def check_enough(held_out: HeldOut, where: str) -> None:
    """Raise RunError where a text has too few passages for an interval."""
    if len(held_out.passages) < MIN_UNITS:
        raise RunError(
            f"{where}{len(held_out.passages)} passages of up to {PASSAGE_CHARS} characters; an "
            f"interval needs {MIN_UNITS} at the least"
        )


def _documents(files: Sequence[str]) -> Iterator[str]:
    for file in files:
        if file.removesuffix(".gz").endswith(_JSON_ENDS):
            yield from (item.text for item in read_items(file, (TEXT_FIELD,)))
            continue
        data = storage.read_bytes(file)
        try:
            yield (gzip.decompress(data) if file.endswith(".gz") else data).decode("utf-8-sig")
        except (UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
            raise RunError(f"{file}: not text in UTF-8: {error}") from None


def cut_passages(text: str) -> list[str]:
    """Cut a text into passages, at the end of a line where there is one, else between words."""
    passages = []
    start = 0
    while start < len(text):
        end = start + PASSAGE_CHARS
        if end < len(text):
            cuts = (text.rfind(mark, start + PASSAGE_CHARS // 2, end) for mark in "\n ")
            end = next((cut + 1 for cut in cuts if cut >= 0), end)
        if passage := text[start:end].strip("\n"):
            passages.append(passage)
        start = end
    return [passage for passage in passages if passage.strip()]

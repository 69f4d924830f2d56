"""Splits and shards dealt out to the worker processes of one machine, the largest first.

The DirectRunner would divide a list among its workers before the work begins, and one of them would
be the last by far. Here every worker is handed the whole list, and takes the next element of it
whenever it is free. Where they are is the length of a file, which every one that is taken makes a
byte longer.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.output import whole_files
from pipeline.output.layout import Split
from pipeline.passes.beam_parts import WritingDoFn


def hands(
    output: str,
    list_elements: Callable[..., Iterable[Any]],
    arguments: Iterable[Any],
    n_workers: int,
) -> Iterator[list[Any]]:
    """Yield the list once for each worker, in the order in which its elements are dealt out."""
    elements = sorted(list_elements(output, *arguments), key=size_of, reverse=True)
    for _ in range(n_workers):
        yield elements


def size_of(element: Any) -> int:
    """Return the bytes of all splits in an element, which is a tuple or list with splits in it."""
    if isinstance(element, Split):
        return element.n_bytes
    return sum(map(size_of, element)) if isinstance(element, (tuple, list)) else 0


class TakeTurns(WritingDoFn):
    """Yields the elements of a list that no other worker has taken, one whenever it is asked."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self._name = f"dealt-{uuid.uuid4().hex}"

    def process(self, element: list[Any]) -> Iterator[Any]:
        """Take an element when the one before has been worked on."""
        taken = Path(whole_files.temporary_folder(self.output), self._name)
        while (number := _taken_before(taken)) < len(element):
            yield element[number]


def _taken_before(file: Path) -> int:
    """Take the next number, and return it: that of the bytes in the file until now."""
    with file.open("ab") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        number = os.fstat(taken.fileno()).st_size
        taken.write(b".")
    return number

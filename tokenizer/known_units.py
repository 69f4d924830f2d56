"""A table of the units that an encoder has met, with their ids, which the threads of it share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tokenizer.units import UnitTable, count_ids, empty_unit_table, table_bytes, write_ids

MAX_TABLE_BYTES = 128 << 20
"""Largest table of units, in bytes. A larger one, of about two million units, is emptied."""

Ids = npt.NDArray[Any]
Offsets = npt.NDArray[np.int64]


class KnownUnits:
    """The units that were met, and their ids. One thread at a time adds to them."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        """Begin without units. ``dtype`` is the type of the ids."""
        self._dtype = dtype
        self._lock = threading.Lock()
        self.table = empty_unit_table(dtype)

    def encode(
        self,
        find: Callable[[UnitTable], tuple[UnitTable, npt.NDArray[np.int32], Offsets]],
        encode_new: Callable[[UnitTable, int], UnitTable],
        bos: int,
        eos: int,
    ) -> tuple[Ids, Offsets]:
        """Return the ids of texts: text ``i`` has ``ids[offsets[i]:offsets[i + 1]]``.

        ``find`` returns the table with the texts' new units, the numbers of all their units, and
        the end of each text in these. ``encode_new`` returns a table with the ids of the units from
        a number on. ``bos`` and ``eos`` are ids, or -1 for none.
        """
        with self._lock:
            try:
                if table_bytes(self.table) > MAX_TABLE_BYTES:
                    self.table = empty_unit_table(self._dtype)
                known = int(self.table.units.count[0])
                table, units, unit_ends = find(self.table)
                if (lacking := len(table.units.ends) - len(table.ends)) > 0:
                    more = np.zeros(lacking, np.int64)
                    table = table._replace(ends=np.concatenate([table.ends, more]))
                table = self.table = encode_new(table, known)
            except BaseException:  # no unit may stay without its ids
                self.table = empty_unit_table(self._dtype)
                raise
        n_texts = len(unit_ends) - 1
        n_ids = count_ids(units, table.ends) + n_texts * ((bos >= 0) + (eos >= 0))
        ids, offsets = np.empty(n_ids, self._dtype), np.zeros(n_texts + 1, np.int64)
        write_ids(units, unit_ends, table.ends, table.ids, bos, eos, ids, offsets)
        return ids, offsets

"""The filter by the length of a document."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from transforms.documents import drop


def drop_short(batch: pa.RecordBatch, *, min_chars: int) -> pa.RecordBatch:
    """Drop documents of fewer than ``min_chars`` characters (CCNet's ``min_len``)."""
    return drop(batch, pc.utf8_length(batch["text"]).to_numpy() < min_chars, "too_short")

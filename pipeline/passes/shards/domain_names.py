"""The domains that documents belong to, told by columns of theirs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.recipe.domains import METADATA, DomainColumn

UNKNOWN = "unknown"
"""What stands in a domain's name for a value that a document does not have."""

MAX_VALUE_CHARS = 200
"""Longest value in a domain's name; a longer one is a text, by which nothing can be divided."""

_ESCAPED = re.compile(r"[%/\x00-\x1f\x7f]")


def domain_names(batch: pa.RecordBatch, columns: Sequence[DomainColumn]) -> pa.Array:
    """Return the domain of each document: the values of the columns, with ``/`` between them.

    With cut-offs, a value is the number of the cut-offs that are not above it, with as many digits
    as the highest. Raises ValueError for a value that names no domain.
    """
    metadata: list[dict[str, Any]] = []
    if any(column.name.startswith(METADATA) for column in columns):
        metadata = [json.loads(text) if text else {} for text in batch["metadata"].to_pylist()]
    parts = []
    for column in columns:
        values = (
            [fields.get(column.name.removeprefix(METADATA)) for fields in metadata]
            if column.name.startswith(METADATA)
            else batch[column.name].to_pylist()
        )
        try:
            # 1, 1.0 and true are one key of a dictionary, but three values.
            keys = [(type(value), value) for value in values]
            named = {key: _named(key[1], column) for key in set(keys)}
        except TypeError:  # a list or a mapping has no hash
            raise ValueError(f"{column.name}: a list or a mapping names no domain") from None
        parts.append(pa.array([named[key] for key in keys], pa.string()))
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "/")


def _named(value: Any, column: DomainColumn) -> str:
    """Return what stands for a value in a domain's name."""
    if value is None:
        return UNKNOWN
    if column.cutoffs:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{column.name}: {value!r} is no number, but there are cut-offs")
        if math.isnan(value):
            return UNKNOWN
        bucket = int(np.searchsorted(column.cutoffs, value, side="right"))
        return f"{bucket:0{len(str(len(column.cutoffs)))}d}"
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) > MAX_VALUE_CHARS:
        raise ValueError(
            f"{column.name}: a value of {len(text):,} characters names no domain: {text[:40]!r}..."
        )
    return _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", text) or UNKNOWN

"""The number of equal documents, in the metadata of the one that stays."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.documents import with_column

CLUSTER_SIZE = "cluster_size"
"""Key of the metadata."""


def with_cluster_sizes(batch: pa.RecordBatch, sizes: npt.NDArray[np.uint32]) -> pa.RecordBatch:
    """Note in the metadata of each living document how many equal it, itself counted."""
    columns = (batch[name].to_pylist() for name in ("metadata", "dropped_by"))
    rows = zip(*columns, sizes.tolist(), strict=True)
    return with_column(batch, "metadata", [_noted(*row) for row in rows])


def _noted(metadata: str | None, dropped_by: str | None, size: int) -> str | None:
    if dropped_by is not None:
        return metadata
    fields = json.loads(metadata) if metadata else {}
    return json.dumps({**fields, CLUSTER_SIZE: size}, ensure_ascii=False)

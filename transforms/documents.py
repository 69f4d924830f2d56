"""The batch of documents that every reader yields and every transform takes and returns.

A batch is a ``pyarrow.RecordBatch`` with :data:`SCHEMA`, a few megabytes of text. A transform is a
function from batch to batch, with its parameters as keyword-only arguments. It never deletes a row.
It writes the reason for dropping a row into ``dropped_by``, and the pipeline sets the row aside
before the next step. So a transform sees only documents that are still kept, and no decision is
lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NewType, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tokenizer.text_buffers import text_buffers as text_buffers

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),  # SOURCE/FILE#RECORD
        pa.field("text", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("language", pa.string()),
        pa.field("language_score", pa.float64()),
        pa.field("perplexity", pa.float64()),
        pa.field("bucket", pa.string()),
        pa.field("metadata", pa.string()),  # a JSON object
        pa.field("dropped_by", pa.string()),  # null while the document is kept
    ]
)

FilePath = NewType("FilePath", str)
"""Path in a step's parameters. The file must exist before a run starts, or the recipe is refused.

A parameter is annotated with this type or with a list of it.
"""

_Step = TypeVar("_Step", bound=Callable[..., Any])


def checked_by(check: Callable[..., None]) -> Callable[[_Step], _Step]:
    """Attach a check of a step's parameters, which raises ValueError before any work starts.

    ``check`` is called with the recipe's parameters for the step, once the files that they name are
    known to exist.
    """

    def checked(step: _Step) -> _Step:
        step.check = check  # type: ignore[attr-defined]
        return step

    return checked


def documents(
    ids: Sequence[str],
    texts: Sequence[str],
    *,
    urls: Sequence[str | None] | None = None,
    metadata: Sequence[str | None] | None = None,
    dropped_by: Sequence[str | None] | None = None,
) -> pa.RecordBatch:
    """Make a batch from columns. Columns that are not given are null."""
    nulls = [None] * len(ids)
    columns: dict[str, Sequence[object]] = {
        "id": ids,
        "text": texts,
        "url": urls or nulls,
        "metadata": metadata or nulls,
        "dropped_by": dropped_by or nulls,
    }
    return pa.RecordBatch.from_arrays(
        [pa.array(columns.get(field.name, nulls), field.type) for field in SCHEMA], schema=SCHEMA
    )


def with_column(
    batch: pa.RecordBatch, name: str, values: pa.Array | Sequence[object]
) -> pa.RecordBatch:
    """Return the batch with the column ``name`` replaced; order and schema stay."""
    index = SCHEMA.get_field_index(name)
    if not isinstance(values, pa.Array):
        values = pa.array(values, SCHEMA.field(index).type)
    columns = batch.columns
    columns[index] = values
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def same_memory(one: pa.Array, other: pa.Array) -> bool:
    """Tell whether two columns are the same memory, so that their values cannot differ."""
    if (one.type, one.offset, len(one)) != (other.type, other.offset, len(other)):
        return False
    places = [[buffer and buffer.address for buffer in column.buffers()] for column in (one, other)]
    return places[0] == places[1]


def drop(batch: pa.RecordBatch, mask: npt.NDArray[np.bool_], reason: str) -> pa.RecordBatch:
    """Mark the rows where ``mask`` is true as dropped for ``reason``.

    A row that already has a reason keeps it.
    """
    if not mask.any():
        return batch
    reasons = pc.if_else(pa.array(mask), pa.scalar(reason), pa.scalar(None, pa.string()))
    return with_column(batch, "dropped_by", pc.coalesce(batch["dropped_by"], reasons))


def texts_from_buffers(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> pa.StringArray:
    """Make a string column from UTF-8 bytes and offsets, the inverse of :func:`text_buffers`."""
    return pa.StringArray.from_buffers(
        len(offsets) - 1, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)
    )

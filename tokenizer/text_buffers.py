"""Columns of text as the kernels read them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def text_buffers(
    texts: pa.StringArray,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """View a string column as UTF-8 bytes and offsets, without copying the text.

    Returns ``data`` and ``offsets``. There are ``len(texts) + 1`` offsets, and row ``i`` is
    ``data[offsets[i]:offsets[i + 1]]``. A slice of a larger array works too. Nulls read as empty
    texts.
    """
    if len(texts) == 0:
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    _, offsets_buffer, data_buffer = texts.buffers()
    kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    offsets = np.frombuffer(offsets_buffer, kind)[texts.offset : texts.offset + len(texts) + 1]
    data = np.zeros(0, np.uint8) if data_buffer is None else np.frombuffer(data_buffer, np.uint8)
    return data, offsets.astype(np.int64)

"""Steps whose results are the same to the bit each time, at some cost in speed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

WORKSPACE_NAME = "CUBLAS_WORKSPACE_CONFIG"
WORKSPACE = ":4096:8"
"""A fixed workspace for cuBLAS, without which its results depend on the streams in use."""


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Let only deterministic operations run within the block, if that is ``wanted``.

    An operation that has no such version raises RuntimeError. To be entered before the GPU is used.
    """
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    of_torch: Any = torch.utils.deterministic
    fills = of_torch.fill_uninitialized_memory
    os.environ.setdefault(WORKSPACE_NAME, WORKSPACE)
    torch.use_deterministic_algorithms(True)
    of_torch.fill_uninitialized_memory = False  # nothing reads such memory
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        of_torch.fill_uninitialized_memory = fills

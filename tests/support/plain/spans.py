"""Repeated spans by brute force: every substring is looked up."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def repeated_bytes(texts: list[bytes], min_bytes: int) -> list[npt.NDArray[np.bool_]]:
    """Mark the bytes of each text that lie in ``min_bytes`` which stand at an earlier place."""
    seen: set[bytes] = set()
    marked = []
    for text in texts:
        mask = np.zeros(len(text), bool)
        for start in range(len(text) - min_bytes + 1):
            part = text[start : start + min_bytes]
            if part in seen:
                mask[start : start + min_bytes] = True
            seen.add(part)
        marked.append(mask)
    return marked

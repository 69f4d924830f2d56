"""All pairs of documents that overlap by more than a limit, found without MinHash."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from transforms.dedup.shingles import distinct_shingles


def near_pairs(texts: dict[str, str], min_overlap: float) -> list[tuple[str, str]]:
    """Return the pairs of documents of which more than ``min_overlap`` of the 5-grams are shared.

    Overlap is Jaccard's. Of a pair over the limit each has, among so many of its rarest shingles,
    one that the other has too (the prefix filter of Chaudhuri, Ganti and Kaushik 2006), so only
    documents that share one there are compared.
    """
    names = list(texts)
    hashes, offsets = distinct_shingles(pa.array(texts.values(), pa.string()), shingle_words=5)
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    sets: list[set[int]] = []
    holders: dict[int, list[int]] = {}
    for row in range(len(names)):
        keys = inverse[offsets[row] : offsets[row + 1]]
        sets.append(set(keys.tolist()))
        rarest = keys[np.lexsort((keys, counts[keys]))]
        n_needed = len(keys) - int(np.ceil(min_overlap * len(keys))) + 1
        for key in rarest[:n_needed].tolist():
            if counts[key] > 1:
                holders.setdefault(key, []).append(row)
    candidates = {(a, b) for rows in holders.values() for i, b in enumerate(rows) for a in rows[:i]}
    return [
        (names[a], names[b])
        for a, b in sorted(candidates)
        if len(sets[a] & sets[b]) > min_overlap * len(sets[a] | sets[b])
    ]


def overlaps(texts: dict[str, str], pairs: list[tuple[str, str]]) -> list[float]:
    """Return the share of their 5-grams that the two documents of each pair have in common."""
    names = sorted({name for pair in pairs for name in pair})
    hashes, offsets = distinct_shingles(
        pa.array([texts[name] for name in names], pa.string()), shingle_words=5
    )
    sets = {
        name: set(hashes[offsets[row] : offsets[row + 1]].tolist())
        for row, name in enumerate(names)
    }
    return [len(sets[a] & sets[b]) / max(1, len(sets[a] | sets[b])) for a, b in pairs]

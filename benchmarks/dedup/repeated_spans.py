"""Exact repeated spans here and by a suffix array, on the texts of the WET samples, one core.

    python benchmarks/dedup/repeated_spans.py [--data ../shared/data] [--min-bytes 500] [--json]

The suffix array is that of pydivsufsort (``pip install pydivsufsort``, not a dependency of this
project), with Lee et al.'s rule: of every substring of ``min_bytes`` that stands more than once,
all but the first occurrence go. Where it is not installed, its lines are left out. A byte of zero
ends each document there, so that no substring is of two.

Bytes found by both sides are counted in the same texts. A repeated byte that is not found here is
near the edge of a passage, or in one that is little longer than ``min_bytes``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import best_seconds, wet_texts
from transforms.dedup.exact import Fingerprint, fingerprint
from transforms.dedup.spans import DeduplicateSpans
from transforms.documents import documents
from transforms.kernels.spans import Spans, spans, without_spans

Mask = npt.NDArray[np.bool_]

BATCH_TEXTS = 200


def decisions(batches: list[pa.RecordBatch], step: DeduplicateSpans) -> tuple[Fingerprint, int]:
    """Hash the spans of all texts, and compare them as one chunk: what repeats goes."""
    units = [step.units(batch) for batch in batches]
    keys = np.concatenate([one.keys for one in units])
    return fingerprint(keys, np.zeros(len(keys), np.int64), 0), len(keys)


def removed_here(found: Spans, kept: Mask, size: int) -> Mask:
    """Return which bytes of the texts go."""
    gone = np.zeros(size, bool)
    for start, end in zip(found.starts[~kept].tolist(), found.ends[~kept].tolist(), strict=True):
        gone[start:end] = True
    return gone


@njit
def _repeated(suffixes, common, min_bytes, size):  # type: ignore[no-untyped-def]
    """Mark the bytes of substrings that stand earlier too: groups of suffixes that share them."""
    gone = np.zeros(size, np.bool_)
    begin = 0
    for i in range(1, suffixes.size + 1):
        if i < suffixes.size and common[i - 1] >= min_bytes:
            continue
        first = suffixes[begin:i].min()
        for k in range(begin, i):
            if suffixes[k] != first:
                gone[suffixes[k] : suffixes[k] + min_bytes] = True
        begin = i
    return gone


def removed_by_suffix_array(data: npt.NDArray[np.uint8], min_bytes: int) -> Mask:
    """Return which bytes of documents, each of which ends with a zero, go by Lee et al.'s rule."""
    from pydivsufsort import divsufsort, kasai

    suffixes = divsufsort(data)
    common = kasai(data, suffixes)
    # What crosses the end of a document is no substring of one.
    ends = np.flatnonzero(data == 0)
    room = ends[np.searchsorted(ends, suffixes)] - suffixes
    common = np.minimum(common[: len(suffixes) - 1], np.minimum(room[:-1], room[1:]))
    return np.asarray(_repeated(suffixes, common, min_bytes, len(data)))


def measure(data: Path, min_bytes: int) -> dict[str, float]:
    """Measure both sides on the same texts."""
    texts = [text.replace("\0", " ") for text in wet_texts(data)]
    batches = [
        documents([str(j) for j in range(len(texts[i : i + BATCH_TEXTS]))],
                  texts[i : i + BATCH_TEXTS])
        for i in range(0, len(texts), BATCH_TEXTS)
    ]  # fmt: skip
    step = DeduplicateSpans(keep="first", min_bytes=min_bytes, max_removed_share=1.0)
    step.units(batches[0])
    column = pa.array(texts, pa.string())
    size = len("".join(texts).encode())
    mb = size / 1e6
    compared, n_spans = decisions(batches, step)
    kept = np.ones(n_spans, bool)
    kept[compared.repeats] = False
    found = spans(column, min_bytes)
    without_spans(column, found, kept)
    here = removed_here(found, kept, size)
    hashing = best_seconds(lambda: [step.units(batch) for batch in batches])
    comparing = best_seconds(lambda: decisions(batches, step))
    cutting = best_seconds(lambda: without_spans(column, spans(column, min_bytes), kept))
    result = {
        "texts": len(texts),
        "MB": mb,
        "hash, MB/s": mb / hashing,
        "hash and compare, MB/s": mb / comparing,
        "cut out, MB/s": mb / cutting,
        "all, MB/s": mb / (comparing + cutting),
        "shuffled bytes a byte": 12 * len(compared.keys) / size,
        "repeated, %": 100 * here.mean(),
    }
    joined = np.frombuffer(bytearray("".join(text + "\0" for text in texts).encode()), np.uint8)
    try:
        there = removed_by_suffix_array(joined, min_bytes)
    except ImportError:
        return result
    seconds = best_seconds(lambda: removed_by_suffix_array(joined, min_bytes), 1)
    there = there[joined != 0]
    return {
        **result,
        "suffix array, MB/s": mb / seconds,
        "suffix array: repeated, %": 100 * there.mean(),
        "repeated, and found here, %": 100 * (here & there).sum() / max(1, there.sum()),
        "found here alone, %": 100 * (here & ~there).sum() / max(1, here.sum()),
    }


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--min-bytes", type=int, default=500)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    result = measure(options.data, options.min_bytes)
    if options.json:
        print(json.dumps({name: round(value, 3) for name, value in result.items()}))
    else:
        for name, value in result.items():
            print(f"{name:30} {value:12,.2f}")


if __name__ == "__main__":
    main()

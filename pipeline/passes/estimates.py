"""Estimates by size: of text without its compression, of what a deduplication shuffles."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.output.layout import Split
from pipeline.recipe.recipe import Source

# Estimates for --dry_run and for the refusal of a shuffle that does not fit; measured on the
# samples, with what is typical of each format (readers.Typical).
UNPACKED_BYTES_PER_COMPRESSED_BYTE = 3.0
UNPACKED_BYTES_PER_7Z_BYTE = 7.0


class Estimate(NamedTuple):
    """What a source's work will take, by the figures measured on the samples."""

    source: str
    files: int
    n_bytes: int
    splits: int
    shards: int
    shuffle_bytes: int  # of all windows and deduplications together
    largest_window_bytes: int  # of one window of one deduplication: what must fit at a time
    kept_bytes: int  # of documents that are kept between the passes
    core_hours: float


def unpacked_bytes(split: Split) -> float:
    """Estimate the size of a split without its compression, by its name's suffix."""
    if split.path.endswith(".7z"):
        return split.n_bytes * UNPACKED_BYTES_PER_7Z_BYTE
    compressed = split.path.endswith((".gz", ".zst", ".bz2"))
    return split.n_bytes * (UNPACKED_BYTES_PER_COMPRESSED_BYTE if compressed else 1.0)


def shuffle_bytes(source: Source, step: int, unpacked_bytes: float) -> int:
    """Estimate the fingerprints that a deduplication of so much input shuffles."""
    typical = source.reader.typical
    text_bytes = unpacked_bytes * typical.text_fraction
    return source.steps[step].deduplication.shuffle_bytes(text_bytes, typical.document_bytes)


def window_of(source: Source, step: int, split: Split) -> int:
    """Return the number of the window of a deduplication that a split belongs to."""
    window_files = source.steps[step].parameters.get("window_files")
    return 0 if window_files is None else split.file // window_files

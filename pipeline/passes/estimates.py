"""Estimates by size: of text without its compression, of what a deduplication shuffles."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.output.layout import Split
from pipeline.recipe.recipe import Source
from transforms.dedup.exact import DeduplicateLines
from transforms.dedup.near import DeduplicateNear

# Estimates for --dry_run and for the refusal of a shuffle that does not fit; measured on the
# samples, with what is typical of each format (readers.Typical).
UNPACKED_BYTES_PER_COMPRESSED_BYTE = 3.0
UNPACKED_BYTES_PER_7Z_BYTE = 7.0
TEXT_BYTES_PER_LINE = 45
FINGERPRINT_BYTES_PER_UNIT = 12
BAND_KEY_BYTES = 24


class Estimate(NamedTuple):
    """What a source's work will take, by the figures measured on the samples."""

    source: str
    files: int
    n_bytes: int
    splits: int
    shards: int
    shuffle_bytes: int  # of all windows and deduplications together
    largest_window_bytes: int  # of one window of one deduplication: what must fit at a time
    core_hours: float


def unpacked_bytes(split: Split) -> float:
    """Estimate the size of a split without its compression, by its name's suffix."""
    if split.path.endswith(".7z"):
        return split.n_bytes * UNPACKED_BYTES_PER_7Z_BYTE
    compressed = split.path.endswith((".gz", ".zst", ".bz2"))
    return split.n_bytes * (UNPACKED_BYTES_PER_COMPRESSED_BYTE if compressed else 1.0)


def shuffle_bytes(source: Source, step: int, unpacked_bytes: float) -> int:
    """Estimate the fingerprints that a deduplication of so much input shuffles."""
    target, parameters = source.steps[step].target, source.steps[step].parameters
    typical = source.reader.typical
    text_bytes = unpacked_bytes * typical.text_fraction
    if target is DeduplicateNear:
        n_documents = text_bytes / typical.document_bytes
        return int(n_documents * parameters["bands"] * BAND_KEY_BYTES)
    unit_bytes = TEXT_BYTES_PER_LINE if target is DeduplicateLines else typical.document_bytes
    return int(text_bytes / unit_bytes * FINGERPRINT_BYTES_PER_UNIT)


def window_of(source: Source, step: int, split: Split) -> int:
    """Return the number of the window of a deduplication that a split belongs to."""
    window_files = source.steps[step].parameters.get("window_files")
    return 0 if window_files is None else split.file // window_files

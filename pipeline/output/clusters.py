"""How the clusters of near-duplicates of a finished run were found: turns, bytes, sizes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.files import storage
from pipeline.output.decisions import CLUSTERS_PATTERN


class FoundClusters(NamedTuple):
    """The clusters of one window of a deduplication with ``record: cluster_size``."""

    source: str  # of several, the most preferred
    step: int
    window: int
    turns: int
    shuffle_bytes: int  # of all turns and of the sizes
    clusters: int  # of two documents or more
    documents: int  # in these
    largest: int


def found_clusters(output: str, manifest: Mapping[str, Any]) -> list[FoundClusters]:
    """Read how clusters were found, of each window that a manifest has the file of."""
    found = []
    for name in sorted(manifest["files"]):
        place = re.fullmatch(CLUSTERS_PATTERN, name)
        if place and storage.exists(storage.join(output, name)):
            source, step, window = place.groups()
            noted = storage.read_json(storage.join(output, name))
            found.append(FoundClusters(source, int(step), int(window), **noted))
    return found

"""Which first pass makes the decisions of which kind of deduplication."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import RunError
from pipeline.passes.first.fingerprint import FingerprintSplits
from pipeline.passes.first.near_duplicates import FindNearDuplicates
from pipeline.passes.first.rounds import FirstPass
from transforms.dedup.deduplication import Deduplication
from transforms.dedup.exact import ExactDeduplication
from transforms.dedup.near import DeduplicateNear

FIRST_PASSES: Mapping[type, type[FirstPass]] = {
    ExactDeduplication: FingerprintSplits,
    DeduplicateNear: FindNearDuplicates,
}
"""First passes by kind. Subclasses of a kind go by it, unless they have one of their own here."""


def first_pass_of(deduplication: Deduplication) -> type[FirstPass]:
    """Return the first pass of a deduplication's kind. Raises RunError where it has none."""
    for kind in type(deduplication).__mro__:
        if kind in FIRST_PASSES:
            return FIRST_PASSES[kind]
    raise RunError(
        f"{type(deduplication).__name__} has no first pass in "
        "pipeline/passes/first/deduplications.py"
    )

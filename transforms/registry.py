"""The steps that a recipe may name by a short name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transforms.deduplicate import DeduplicateDocuments, DeduplicateLines
from transforms.language import classify, identify_language
from transforms.length import drop_short
from transforms.near_duplicates import DeduplicateNear
from transforms.perplexity import bucket_by_perplexity, score_perplexity

STEPS: dict[str, Callable[..., Any]] = {
    "bucket_by_perplexity": bucket_by_perplexity,
    "classify": classify,
    "deduplicate_documents": DeduplicateDocuments,
    "deduplicate_lines": DeduplicateLines,
    "deduplicate_near": DeduplicateNear,
    "drop_short": drop_short,
    "identify_language": identify_language,
    "score_perplexity": score_perplexity,
}

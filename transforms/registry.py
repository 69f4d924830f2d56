"""The steps that a recipe may name by a short name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any


class _Steps(Mapping[str, Callable[..., Any]]):
    """Steps by their short names. A step's module is imported when the step is first looked up.

    Many steps need numba, whose import would slow down every command that only reads a run.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> Callable[..., Any]:
        module, _, attribute = self._places[name].rpartition(".")
        step: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
        return step

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


DEDUPLICATIONS = {
    "deduplicate_documents": "transforms.dedup.exact.DeduplicateDocuments",
    "deduplicate_lines": "transforms.dedup.exact.DeduplicateLines",
    "deduplicate_near": "transforms.dedup.near.DeduplicateNear",
    "deduplicate_spans": "transforms.dedup.spans.DeduplicateSpans",
}
"""Places of the steps that compare documents with one another, by their short names."""

STEPS = _Steps(
    {
        **DEDUPLICATIONS,
        "apply_c4_rules": "transforms.web.c4_rules.apply_c4_rules",
        "apply_fineweb_rules": "transforms.web.fineweb_rules.apply_fineweb_rules",
        "apply_refinedweb_rules": "transforms.web.refinedweb_rules.apply_refinedweb_rules",
        "clean_wikitext": "transforms.wikipedia.wikitext.clean_wikitext",
        "cut_latex": "transforms.latex.steps.cut_latex",
        "expand_macros": "transforms.latex.steps.expand_macros",
        "remove_latex_comments": "transforms.latex.steps.remove_latex_comments",
        "drop_generated_files": "transforms.code.generated_files.drop_generated_files",
        "filter_by_language": "transforms.web.by_language.filter_by_language",
        "filter_code": "transforms.code.filter.filter_code",
        "filter_gopher_quality": "transforms.web.gopher_quality.filter_gopher_quality",
        "filter_gopher_repetition": "transforms.web.gopher_repetition.filter_gopher_repetition",
        "filter_urls": "transforms.web.url_filter.filter_urls",
        "keep_licences": "transforms.code.licences.keep_licences",
        "strip_gutenberg": "transforms.gutenberg.strip_gutenberg",
        "strip_licence_header": "transforms.code.licence_header.strip_licence_header",
        "bucket_by_perplexity": "transforms.scoring.perplexity.bucket_by_perplexity",
        "bucket_by_score": "transforms.scoring.score_buckets.bucket_by_score",
        "combine_scores": "transforms.scoring.score_buckets.combine_scores",
        "classify": "transforms.scoring.language.classify",
        "decontaminate": "transforms.decontamination.decontaminate.decontaminate",
        "classify_top": "transforms.scoring.language.classify_top",
        "drop_short": "transforms.length.drop_short",
        "identify_language": "transforms.scoring.language.identify_language",
        "scrub_personal_data": "transforms.privacy.personal_data.scrub_personal_data",
        "keep_cited": "transforms.wikipedia.citations.keep_cited",
        "keep_languages": "transforms.scoring.language.keep_languages",
        "score_perplexity": "transforms.scoring.perplexity.score_perplexity",
    }
)

LEAVES_TEXTS = frozenset(
    {
        "apply_fineweb_rules",
        "bucket_by_perplexity",
        "bucket_by_score",
        "classify",
        "combine_scores",
        "classify_top",
        "decontaminate",
        "deduplicate_documents",
        "deduplicate_near",
        "drop_generated_files",
        "drop_short",
        "filter_by_language",
        "filter_code",
        "filter_gopher_quality",
        "filter_gopher_repetition",
        "filter_urls",
        "identify_language",
        "keep_cited",
        "keep_languages",
        "keep_licences",
        "score_perplexity",
    }
)
"""Steps that change no text: they only drop documents or set other columns."""

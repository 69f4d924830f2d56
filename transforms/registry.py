"""The steps that a recipe may name by a short name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any


class _Steps(Mapping[str, Callable[..., Any]]):
    """Steps by their short names, each imported when it is asked for.

    Many need numba, which takes longer to import than a look at a run takes.
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


STEPS = _Steps(
    {
        "apply_c4_rules": "transforms.c4_rules.apply_c4_rules",
        "apply_fineweb_rules": "transforms.fineweb_rules.apply_fineweb_rules",
        "apply_refinedweb_rules": "transforms.refinedweb_rules.apply_refinedweb_rules",
        "clean_wikitext": "transforms.wikitext.clean_wikitext",
        "cut_latex": "transforms.latex.cut_latex",
        "expand_macros": "transforms.latex.expand_macros",
        "remove_latex_comments": "transforms.latex.remove_latex_comments",
        "drop_generated_files": "transforms.generated_files.drop_generated_files",
        "filter_code": "transforms.code_filter.filter_code",
        "filter_gopher_quality": "transforms.gopher_quality.filter_gopher_quality",
        "filter_gopher_repetition": "transforms.gopher_repetition.filter_gopher_repetition",
        "filter_urls": "transforms.url_filter.filter_urls",
        "keep_licences": "transforms.licences.keep_licences",
        "strip_gutenberg": "transforms.gutenberg.strip_gutenberg",
        "strip_licence_header": "transforms.licence_header.strip_licence_header",
        "bucket_by_perplexity": "transforms.perplexity.bucket_by_perplexity",
        "classify": "transforms.language.classify",
        "decontaminate": "transforms.decontaminate.decontaminate",
        "classify_top": "transforms.language.classify_top",
        "deduplicate_documents": "transforms.deduplicate.DeduplicateDocuments",
        "deduplicate_lines": "transforms.deduplicate.DeduplicateLines",
        "deduplicate_near": "transforms.near_duplicates.DeduplicateNear",
        "drop_short": "transforms.length.drop_short",
        "identify_language": "transforms.language.identify_language",
        "scrub_personal_data": "transforms.personal_data.scrub_personal_data",
        "keep_cited": "transforms.cited_urls.keep_cited",
        "keep_languages": "transforms.language.keep_languages",
        "score_perplexity": "transforms.perplexity.score_perplexity",
    }
)

LEAVES_TEXTS = frozenset(
    {
        "apply_fineweb_rules",
        "bucket_by_perplexity",
        "classify",
        "classify_top",
        "decontaminate",
        "deduplicate_documents",
        "deduplicate_near",
        "drop_generated_files",
        "drop_short",
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
"""Those that drop documents and describe them, and change no text."""

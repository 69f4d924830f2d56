"""The steps that a recipe may name by a short name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transforms.c4_rules import apply_c4_rules
from transforms.cited_urls import keep_cited
from transforms.code_filter import filter_code
from transforms.decontaminate import decontaminate
from transforms.deduplicate import DeduplicateDocuments, DeduplicateLines
from transforms.fineweb_rules import apply_fineweb_rules
from transforms.generated_files import drop_generated_files
from transforms.gopher_quality import filter_gopher_quality
from transforms.gopher_repetition import filter_gopher_repetition
from transforms.gutenberg import strip_gutenberg
from transforms.language import (
    classify,
    classify_top,
    identify_language,
    keep_languages,
)
from transforms.latex import cut_latex, expand_macros, remove_latex_comments
from transforms.length import drop_short
from transforms.licence_header import strip_licence_header
from transforms.licences import keep_licences
from transforms.near_duplicates import DeduplicateNear
from transforms.perplexity import bucket_by_perplexity, score_perplexity
from transforms.personal_data import scrub_personal_data
from transforms.refinedweb_rules import apply_refinedweb_rules
from transforms.url_filter import filter_urls
from transforms.wikitext import clean_wikitext

STEPS: dict[str, Callable[..., Any]] = {
    "apply_c4_rules": apply_c4_rules,
    "apply_fineweb_rules": apply_fineweb_rules,
    "apply_refinedweb_rules": apply_refinedweb_rules,
    "clean_wikitext": clean_wikitext,
    "cut_latex": cut_latex,
    "expand_macros": expand_macros,
    "remove_latex_comments": remove_latex_comments,
    "drop_generated_files": drop_generated_files,
    "filter_code": filter_code,
    "filter_gopher_quality": filter_gopher_quality,
    "filter_gopher_repetition": filter_gopher_repetition,
    "filter_urls": filter_urls,
    "keep_licences": keep_licences,
    "strip_gutenberg": strip_gutenberg,
    "strip_licence_header": strip_licence_header,
    "bucket_by_perplexity": bucket_by_perplexity,
    "classify": classify,
    "decontaminate": decontaminate,
    "classify_top": classify_top,
    "deduplicate_documents": DeduplicateDocuments,
    "deduplicate_lines": DeduplicateLines,
    "deduplicate_near": DeduplicateNear,
    "drop_short": drop_short,
    "identify_language": identify_language,
    "scrub_personal_data": scrub_personal_data,
    "keep_cited": keep_cited,
    "keep_languages": keep_languages,
    "score_perplexity": score_perplexity,
}

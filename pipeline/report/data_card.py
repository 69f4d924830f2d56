"""The data card of a run, ``DATACARD.md``, in the form of Hugging Face's dataset cards.

It holds no time, host name or path, so two runs of the same recipe over the same data have the same
card.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import RecipeError
from pipeline.inspection.templates import load_templates
from pipeline.output.layout import TEXT_SUFFIX
from pipeline.recipe.across import step_name, steps_of
from pipeline.recipe.recipe import find_step
from pipeline.report.domains import TABLE_DOMAINS
from pipeline.report.llama_mixture import LLAMA_SOURCES, llama_source
from pipeline.tables import cell
from transforms.dedup.deduplication import Deduplication
from transforms.registry import DEDUPLICATIONS

TEMPLATES = Path(__file__).parent / "templates"

LICENCES = {
    "commoncrawl": "Pages belong to their authors; [Common Crawl's terms of use]"
    "(https://commoncrawl.org/terms-of-use) hold for the crawl.",
    "c4": "[ODC-BY 1.0](https://huggingface.co/datasets/allenai/c4) by its publisher; Common "
    "Crawl's terms of use hold as well.",
    "github": "Each repository's own; most ask for their notice to be kept with copies.",
    "wikipedia": "CC BY-SA 4.0 (3.0 for dumps before June 2023) and GFDL, attribution by the "
    "address of the page.",
    "books": "Project Gutenberg's are in the public domain in the United States, not everywhere; "
    "other books as their publishers say.",
    "arxiv": "As each author chose at arXiv: a Creative Commons licence, or arXiv's right to "
    "distribute, which gives no right to others.",
    "stackexchange": "CC BY-SA 4.0 (2.5 and 3.0 for older posts), attribution by the ids in the "
    "metadata.",
}
"""What the publishers of the paper's sources say about licences, by source."""

LICENCE_STEPS = {
    "keep_licences": "The step `keep_licences` says which are kept.",
    "strip_licence_header": "The step `strip_licence_header` takes notices out of the text.",
}
"""Sentences that steps add to the licence of a source."""

OTHER_LICENCE = "Not known to this card; see where it was taken from."

SIZES = [  # the ranges of numbers of documents that Hugging Face knows
    (10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B"),
    (10**11, "10B<n<100B"), (10**12, "100B<n<1T"),
]  # fmt: skip


def card_text(report: dict[str, Any]) -> str:
    """Render the card; ``report`` is what :func:`pipeline.report.data.collect` returns."""
    templates = load_templates(TEMPLATES, is_html=False)
    recipe = yaml.safe_load(report["recipe"])
    recipes = {
        name: {**entry, "steps": [step for _, step in steps_of(recipe, name)]}
        for name, entry in recipe["sources"].items()
    }
    sources = [{**source, "title": _title(source["name"]),
                "licence": _licence(source["name"], recipes[source["name"]]),
                "processing": _processing(recipes[source["name"]], set(report["files"])),
                "mixture_domains": [{**row, "shown": _plain(row["domain"]).replace("|", "\\|")}
                                    for row in source["mixture_domains"][:TABLE_DOMAINS]]}
               for source in report["sources"]]  # fmt: skip
    return templates.get_template("datacard.md").render(
        metadata=yaml.safe_dump(metadata(report), sort_keys=False, allow_unicode=True),
        report=report,
        sources=sources,
        llama_sources=_llama_sources(report),
        limits=_limits(recipes),
        warnings=[_plain(warning) for warning in report["warnings"]],
    )


def metadata(report: dict[str, Any]) -> dict[str, Any]:
    """Return the card's YAML front matter."""
    kept = report["totals"]["documents_kept"]
    titles = dict.fromkeys(_title(source["name"]) for source in report["sources"])
    has_llama = _llama_sources(report) != "none"
    languages = sorted(
        {code for source in report["sources"] for code in source["kept_languages"]
         if re.fullmatch(r"[a-z]{2,3}", code)}
    )  # fmt: skip
    multilinguality = (
        {"multilinguality": ["multilingual" if len(languages) > 1 else "monolingual"]}
        if languages
        else {}
    )
    suffix = TEXT_SUFFIX if report["holds_text"] else "docs.parquet"
    return {
        "pretty_name": f"{'LLaMA mixture' if has_llama else 'Pretraining text'}: "
        f"{', '.join(titles)}",
        "language": languages or ["und"],
        **multilinguality,
        "license": "other",
        "license_name": "as-each-source",
        "license_link": "DATACARD.md",
        "annotations_creators": ["no-annotation"],
        "language_creators": ["found"],
        "size_categories": [next((name for size, name in SIZES if kept < size), "n>1T")],
        "source_datasets": ["original"],
        "task_categories": ["text-generation"],
        "task_ids": ["language-modeling"],
        "tags": ["pretraining", *(["llama"] if has_llama else [])],
        "configs": [
            {
                "config_name": source["name"],
                "data_files": [
                    {"split": part, "path": f"shards/{source['name']}/{part}-*.{suffix}"}
                    for part in ("train", "validation")
                    if source["mixture"][f"{part}_documents"]
                ],
            }
            for source in report["sources"]
            if source["documents_kept"]
        ],
    }


def _title(name: str) -> str:
    known = llama_source(name)
    return LLAMA_SOURCES[known].title if known else name


def _licence(name: str, recipe: dict[str, Any]) -> str:
    text = LICENCES.get(llama_source(name) or "", OTHER_LICENCE)
    steps = _step_names(recipe)
    return " ".join([text, *(words for step, words in LICENCE_STEPS.items() if step in steps)])


def _llama_sources(report: dict[str, Any]) -> str:
    """Return ``all``, ``some`` or ``none``: how many of the sources are the LLaMA paper's."""
    known = [llama_source(source["name"]) is not None for source in report["sources"]]
    return "all" if all(known) else "some" if any(known) else "none"


def _step_names(recipe: dict[str, Any]) -> set[str]:
    return set(map(step_name, recipe["steps"]))


def _processing(recipe: dict[str, Any], files: set[str]) -> list[str]:
    """Describe a source's reader and steps with their parameters, a line each."""
    return [
        _call("read as", recipe["reader"], files),
        *(_call("", step, files) for step in recipe["steps"]),
    ]


def _call(prefix: str, step: Any, files: set[str]) -> str:
    name, parameters = (step, {}) if isinstance(step, str) else next(iter(step.items()))
    parameters = _without_folders(parameters or {}, files)
    written = ", ".join(f"{key}: {_value(value)}" for key, value in parameters.items())
    return f"{prefix} `{name}`".strip() + (f" ({written})" if written else "")


def _without_folders(value: Any, files: set[str]) -> Any:
    """Shorten the paths of models and lists to the files' names."""
    if isinstance(value, dict):
        return {key: _without_folders(one, files) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_folders(one, files) for one in value]
    return value.rsplit("/", 1)[-1] if isinstance(value, str) and value in files else value


def _value(value: Any) -> str:
    written = yaml.safe_dump(value, default_flow_style=True, width=float("inf"))
    written = written.removesuffix("...\n").strip()  # PyYAML ends plain values with "..."
    return f"`{written}`"


def _plain(text: str) -> str:
    """Escape a text for Markdown and put it on one line; it may contain names of files."""
    return re.sub(r"([\\`*_\[\]<>&~])", r"\\\1", " ".join(cell(text).split()))


def _limits(recipes: dict[str, Any]) -> list[str]:
    """List common processing that the recipes leave out, with the sources concerned."""
    steps = {name: _step_names(recipe) for name, recipe in recipes.items()}

    def without(*wanted: str) -> str:
        left = [name for name, mine in steps.items() if not mine & set(wanted)]
        return "all sources" if len(left) == len(steps) else ", ".join(left)

    named = set().union(*steps.values())
    kinds = {name: kind for name in named if (kind := _deduplication(name))}
    near = [name for name, kind in kinds.items() if kind.finds_near_duplicates]
    missing = {
        "Personal data (names, addresses, numbers) is left in": without("scrub_personal_data"),
        "Not compared with evaluation sets": without("decontaminate"),
        "Not deduplicated": without(*kinds),
        "Documents that are nearly the same were not looked for": without(*near),
        "No list of addresses was applied": without("filter_urls"),
    }
    return [f"{what}: {names}." for what, names in missing.items() if names]


def _deduplication(name: str) -> type[Deduplication] | None:
    """Return the kind of deduplication that a step is; None for one that is none."""
    if name not in DEDUPLICATIONS and "." not in name:
        return None  # it is not imported: that takes a while with the steps that need numba
    try:
        step = find_step(name, "steps")
    except RecipeError:
        return Deduplication  # of a module that is not here: the card claims nothing about it
    return step if isinstance(step, type) and issubclass(step, Deduplication) else None

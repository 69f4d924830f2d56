"""The contents of a run's report, as plain values. Imports no Beam."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from pipeline.inspection.manifest import load_manifest, statistics
from pipeline.output.clusters import found_clusters
from pipeline.output.layout import dropped_summary, holds_text
from pipeline.output.run_times import run_times
from pipeline.report.distributions import TABLE_ITEMS, Distributions, distributions
from pipeline.report.domains import domain_rows
from pipeline.report.llama_mixture import LLAMA_SOURCES, is_llama, llama_source
from pipeline.report.observations import Observations, observations

PACKAGES = ("apache-beam", "datasets", "fasttext", "isal", "kenlm", "llama-corpus",
            "numba", "numpy", "pyarrow", "resiliparse", "sentencepiece")  # fmt: skip
"""Packages whose versions the report lists."""
LINES, DOMAINS, LANGUAGES = 40, 20, 20
"""Rows of the tables of removed lines, domains and languages."""
LETTER_COUNTS = ("encoding_guessed", "documents_with_lost", "lost")
"""Counts of letters, of kept documents."""


def collect(output: str) -> dict[str, Any]:
    """Collect the contents of the report. Raises ValueError if ``output`` is no finished run."""
    manifest = load_manifest(output)
    stats = statistics(output)
    observed = observations(output, manifest)
    spread = distributions(output, manifest)
    sources = [
        _source(name, source, manifest, observed[name], spread[name])
        for name, source in stats["sources"].items()
    ]
    return {
        "output": output,
        "token_budget": manifest["token_budget"],
        "holds_text": holds_text(manifest),
        "sources": sorted(sources, key=lambda source: -source["mixture"]["proportion"]),
        "totals": _totals(sources),
        "warnings": stats["warnings"],
        "times": run_times(output),
        "llama": _llama(sources) if is_llama(stats["sources"]) else [],
        "clusters": [found._asdict() for found in found_clusters(output, manifest)],
        "shards": len(manifest["shards"]),
        "bytes": sum(
            file["bytes"]
            for shard in manifest["shards"]
            for part in [*shard["parts"].values(), dropped_summary(shard)]
            for file in part["files"].values()
        ),
        "fingerprints": _fingerprints(manifest),
        "files": sorted(manifest["run"]["files"]),
        "versions": _versions(),
        "recipe": yaml.safe_dump(manifest["recipe"], sort_keys=False, allow_unicode=True),
    }


def _versions() -> dict[str, str]:
    """Return the versions of the packages that are installed: some come with an extra."""
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _source(
    name: str,
    stats: Mapping[str, Any],
    manifest: Mapping[str, Any],
    observed: Observations,
    spread: Distributions,
) -> dict[str, Any]:
    counts = stats["mixture"]
    tokens = counts["train_tokens"] + counts["validation_tokens"]
    characters = counts["train_characters"] + counts["validation_characters"]
    text_bytes = observed.steps.get("write", {}).get("text_bytes", 0)
    entered = sum(row["documents"] for row in stats["funnel"] if row["outcome"] == "in")
    steps = manifest["recipe"]["sources"][name]["steps"]
    cutoffs = _cutoffs(steps)
    whole = observed.n_shards == sum(s["source"] == name for s in manifest["shards"])
    return {
        "name": name,
        "mixture": counts,
        "mixture_domains": domain_rows(counts),
        "documents_in": entered,
        "documents_kept": counts["train_documents"] + counts["validation_documents"],
        "tokens": tokens,
        "characters": characters,
        "bytes_a_token": text_bytes / tokens if tokens and whole else None,
        "funnel": _funnel(stats["funnel"], counts, characters / tokens if tokens else None),
        "left": _left(stats["funnel"], entered),
        "gone": _gone(stats["funnel"]),
        "samples": _in_order(observed.samples(), stats["funnel"]),
        "removed_lines": observed.removed_lines(LINES),
        "line_domains": observed.domains(DOMAINS),
        "domains": [
            {"domain": item.name, "documents": item.counts[0], "kept": item.counts[1],
             "tokens": item.counts[2]}
            for item in spread.domains.most_frequent(DOMAINS)[0]
        ],
        "domains_exact": not spread.domains.evicted_at_most,
        "languages": [
            {"language": item.name, "documents": item.counts[0], "kept": item.counts[1]}
            for item in spread.languages.most_frequent(LANGUAGES)[0]
        ],
        "languages_exact": not spread.languages.evicted_at_most,
        "kept_languages": [
            item.name for item in spread.languages.most_frequent(TABLE_ITEMS)[0] if item.counts[1]
        ],
        "distributions": spread,
        "cutoffs": cutoffs,
        "cutoffs_text": "; ".join(
            f"{language}: {' and '.join(map(str, limits))}" for language, limits in cutoffs.items()
        ),
        "min_score": _min_score(steps),
        "steps": sorted(observed.steps.values(), key=lambda row: row["step"] == "record"),
        "letters": {name: observed.letters[name] for name in LETTER_COUNTS},
        "worker_peak_bytes": observed.worker_peak_bytes,
    }  # fmt: skip


def _funnel(
    rows: list[dict[str, Any]], counts: Mapping[str, Any], ratio: float | None
) -> list[dict[str, Any]]:
    """Add shares and tokens to the rows of a source's funnel.

    Dropped documents were never tokenised. Their tokens are estimated: their characters over
    ``ratio``, the characters a token of the documents that were written.
    """
    entered = sum(row["documents"] for row in rows if row["outcome"] == "in")
    funnel = []
    for row in rows:
        exact = row["outcome"] == "out"
        tokens = counts[f"{row['reason']}_tokens"] if exact else None
        if not exact and ratio:
            tokens = round(row["characters"] / ratio)
        is_count = row["outcome"] != "changed"
        funnel.append(
            {
                **row,
                "documents": row["documents"] if is_count else None,
                "share": row["documents"] / entered if is_count and entered else None,
                "tokens": tokens,
                "tokens_are_estimated": not exact,
            }
        )
    return funnel


def _left(rows: list[dict[str, Any]], entered: int) -> list[dict[str, Any]]:
    """Return the number of documents left after each step, in the order of the steps."""
    left = [{"step": "in the input", "documents": entered}]
    for row in rows:
        if row["outcome"] == "dropped":
            if row["step"] != left[-1]["step"]:
                left.append({"step": row["step"], "documents": left[-1]["documents"]})
            left[-1]["documents"] -= row["documents"]
    return left


def _gone(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Return the characters that each step took, with documents or out of them.

    A step that added more than it took is left out.
    """
    gone: Counter[str] = Counter()
    for row in rows:
        if row["outcome"] in ("dropped", "changed"):
            gone[row["step"]] += row["characters"]
    return dict(+gone)


def _in_order(
    samples: dict[str, dict[str, list[dict[str, Any]]]], funnel: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the rows of the funnel that have samples, in their order, with the samples."""
    return [
        {**row, "samples": samples[row["step"]][row["reason"]]}
        for row in funnel
        if row["outcome"] in ("dropped", "out") and row["reason"] in samples.get(row["step"], {})
    ]


def _parameters(steps: list[Any], name: str) -> Iterator[Mapping[str, Any]]:
    """Yield the parameters of the steps called ``name``."""
    for step in steps:
        if isinstance(step, dict) and name in step:
            yield step[name]


def _min_score(steps: list[Any]) -> float | None:
    """Return the lowest language score that the source's language step keeps, if it has one."""
    limits = [parameters["min_score"] for parameters in _parameters(steps, "identify_language")]
    return float(limits[0]) if limits else None


def _cutoffs(steps: list[Any]) -> dict[str, list[float]]:
    """Return the perplexity cut-offs of each language for which the recipe lists numbers."""
    return {
        language: limits
        for parameters in _parameters(steps, "bucket_by_perplexity")
        for language, limits in parameters["cutoffs"].items()
        if isinstance(limits, list)
    }


def _totals(sources: list[dict[str, Any]]) -> dict[str, Any]:
    keys = ("documents_in", "documents_kept", "tokens", "characters")
    sums = {key: sum(source[key] for source in sources) for key in keys}
    entered = sums["documents_in"]
    return {**sums, "share_kept": sums["documents_kept"] / entered if entered else None}


def _llama(sources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each source of the paper, with the run's sources of that name added up."""
    sampled = sum(source["mixture"]["sampled_tokens"] for source in sources)
    unique = sum(source["mixture"]["train_tokens"] for source in sources)
    rows = []
    for known, paper in LLAMA_SOURCES.items():
        mine = [source["mixture"] for source in sources if llama_source(source["name"]) == known]
        my_sampled = sum(counts["sampled_tokens"] for counts in mine)
        my_unique = sum(counts["train_tokens"] for counts in mine)
        rows.append(
            {
                "title": paper.title,
                "llama_proportion": paper.proportion,
                "llama_epochs": paper.epochs,
                "proportion": my_sampled / sampled if mine and sampled else None,
                "unique_share": my_unique / unique if mine and unique else None,
                "epochs": my_sampled / my_unique if my_unique else None,
            }
        )
    return rows


def _fingerprints(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    run = manifest["run"]
    return [
        ("manifest.json", manifest["sha256"]),
        ("recipe, inputs, models and code of steps", run["plan_fingerprint"]),
        ("inputs", run["inputs"]),
        *([("opt-out list", run["opt_out"])] if run["opt_out"] else []),
        *sorted(run["files"].items()),
        *((f"code of {name}", digest) for name, digest in sorted(run["own_steps"].items())),
    ]

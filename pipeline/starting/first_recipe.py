"""The recipe for somebody's own files, with comments that say what may be changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.starting.demo_sources import (
    WITH_COLUMNS,
    WITH_LANGUAGES,
    demo,
    demo_source,
    reader_parameters,
    steps_of,
)
from pipeline.starting.own_files import Found

MIN_SHARE = 0.05
"""Share of the texts that were looked at from which on their language is kept."""

_PLAIN_TOKENS_A_BYTE = 0.25  # of records that are not compressed
_TARGET_SHARD_TOKENS = 50_000_000

_REMARKS = {
    "drop_short": "texts with fewer characters go",
    "deduplicate_lines": "lines that stand on several pages go; window_files bounds the memory",
    "identify_language": "other languages go, and what fastText is less sure of than min_score",
    "deduplicate_documents": "of equal documents one stays",
}

_HEAD = """\
# yaml-language-server: $schema={schema}
# A recipe for {top}, which 'corpus init' wrote by a look at the files.
# Every key: docs/recipe_reference.md. See what it would do, then run it:
#   corpus run --recipe {recipe} --output {output} --dry_run
#   corpus run --recipe {recipe} --output {output}

variables:
  data: {top}
  models: ${{bundled_dir}}/samples/models  # the demo's: small ones, to begin with

# Tokens of the training run that the mixture is for; here about one epoch of what there is.
token_budget: {budget}
opt_out: null  # a file of ids, urls and domains whose documents are left out

tokenizer:
  # A SentencePiece model, a tokenizer.json or a tiktoken file. This one has only few tokens: take
  # that of your model.
  model: ${{models}}/tokenizer.model
  bos: true
  eos: true

shards:
  target_shard_tokens: {shard_tokens}
  validation_fraction: {validation}  # part of the documents that is held out

reading:
{reading}

# The proportions are the sources' shares of the sampled tokens. They add up to 1.
sources:
"""


def recipe_text(sources: Sequence[Found], top: str, recipe: str, output: str) -> str:
    """Return the YAML text of a recipe for sources whose files lie below the folder ``top``.

    ``recipe`` and ``output`` are the paths that its comments name.
    """
    tokens = [max(1, round(one.n_bytes * tokens_a_byte(one))) for one in sources]
    shares = [round(number / sum(tokens), 4) for number in tokens]
    shares = [max(share, 0.0001) for share in shares]
    shares[shares.index(max(shares))] = round(max(shares) + 1 - sum(shares), 4)
    reading = "\n".join(f"  {key}: {value:_}" for key, value in demo()["reading"].items())
    text = _HEAD.format(
        schema=_schema(recipe), top=top, recipe=recipe, output=output, reading=reading,
        budget=f"{sum(tokens):_}", shard_tokens=f"{_TARGET_SHARD_TOKENS:_}",
        validation=demo()["shards"]["validation_fraction"],
    )  # fmt: skip
    return text + "\n".join(
        "".join(f"  {line}\n" if line else "\n" for line in _source_lines(one, share))
        for one, share in zip(sources, shares, strict=True)
    )


def tokens_a_byte(one: Found) -> float:
    """Return a rough figure of tokens a byte of a source's files, as they are stored."""
    if one.reader == "json_lines" and not one.is_compressed:
        return _PLAIN_TOKENS_A_BYTE
    return float(demo_source(one.reader)["expected_tokens_per_input_byte"])


def kept_languages(one: Found) -> list[str]:
    """Return the languages that a source's steps keep: those that are not there by chance."""
    if one.reader not in WITH_LANGUAGES:
        return []
    return [name for name, n in one.languages.items() if n >= MIN_SHARE * one.texts]


def _schema(recipe: str) -> str:
    """Return where an editor finds the schema: in the checkout, or else where it is published."""
    checkout = Path(__file__).resolve().parents[2] / "docs" / "recipe.schema.json"
    if not checkout.exists():
        return "recipe.schema.json"
    return os.path.relpath(checkout, Path(recipe).resolve().parent)


def _source_lines(one: Found, share: float) -> list[str]:
    lines = [
        f"{one.name}:",
        f"  # {one.n_files:,} file{'s' if one.n_files > 1 else ''}, {one.n_bytes:,} bytes",
    ]
    if one.looked_at:
        lines.append(f"  # of the {one.looked_at} records looked at {one.texts} have a text")
    if one.languages and one.reader in WITH_LANGUAGES:
        counts = ", ".join(f"{name} {n}" for name, n in list(one.languages.items())[:8])
        lines.append(f"  # languages of these: {counts}")
    parameters = reader_parameters(one.reader, one.columns)
    if parameters:
        lines += _indented(_dumped({"reader": {one.reader: parameters}}))
    else:
        lines.append(f"  reader: {one.reader}")
    inputs = [f"${{data}}/{pattern}" for pattern in one.inputs]
    lines += _indented(_dumped({"input": inputs}))
    lines.append(f"  proportion: {share:g}")
    lines.append(f"  expected_tokens_per_input_byte: {tokens_a_byte(one):g}  # a rough figure")
    lines.append("  steps:")
    for step in steps_of(one.reader, kept_languages(one)):
        name = step if isinstance(step, str) else next(iter(step))
        if name in _REMARKS:
            lines.append(f"    # {_REMARKS[name]}")
        lines += _indented(_dumped([step]), 4)
    if one.reader in WITH_COLUMNS:
        lines.append("    # rules for web pages to try: c4_rules, gopher_quality (docs/filters.md)")
    return lines


def _dumped(value: Any) -> str:
    return yaml.safe_dump(
        value, sort_keys=False, default_flow_style=None, allow_unicode=True, width=88
    )


def _indented(text: str, by: int = 2) -> list[str]:
    return [" " * by + line for line in text.splitlines()]

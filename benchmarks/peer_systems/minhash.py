"""Near-duplicates by MinHash, 5-grams and 14 bands of 8, against datatrove's four stages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from benchmarks.peer_systems.comparison import (
    KEPT,
    Agreement,
    Comparison,
    NearPair,
    Row,
    agreement,
)
from benchmarks.peer_systems.inputs import Input, json_lines, tiny_texts
from benchmarks.peer_systems.near_truth import near_pairs, overlaps
from benchmarks.peer_systems.our_outcomes import read_run
from benchmarks.peer_systems.setting import Setting
from benchmarks.peer_systems.sides import HERE, ROOT, Side, beam_runner, read_done

SOURCE = "texts"
NEAR = "near-duplicates"
MIN_OVERLAP = 0.75


def recipe_of(setting: Setting) -> Path:
    """Write a recipe that does what FineWeb's does about near-duplicates, and nothing else."""
    fineweb = yaml.safe_load((ROOT / "recipes" / "fineweb.yaml").read_text())
    steps = fineweb["sources"]["commoncrawl"]["steps"]
    recipe = {
        **{name: fineweb[name] for name in ("token_budget", "opt_out", "shards", "reading")},
        "variables": {"data": None},
        "tokenizer": {**fineweb["tokenizer"], "model": str(setting.tokenizer)},
        "sources": {
            SOURCE: {
                "reader": {
                    "json_lines": {"text_field": "text", "url_field": "id", "metadata_fields": []}
                },
                "input": ["${data}/*.jsonl"],
                "proportion": 1.0,
                "expected_tokens_per_input_byte": 0.25,
                "steps": [step for step in steps if "deduplicate_near" in step],
            }
        },
    }
    path = setting.scratch / "minhash.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def sides(setting: Setting, cores: int) -> list[Side]:
    """Return both sides."""
    command = beam_runner(recipe_of(setting), {}, source=SOURCE, cores=cores)

    def theirs(source: Path, output: Path) -> list[str]:
        return setting.peer("datatrove_side.py", "minhash", source, output, "--workers", cores,
                            "--tokenizer", setting.bytes_tokenizer)  # fmt: skip

    return [
        Side(HERE, command, lambda output: read_run(output, SOURCE, key="url")),
        Side("datatrove", theirs, read_done),
    ]


def gone(found: dict[str, Any]) -> set[str]:
    """Return the documents that a side dropped."""
    return {name for name, outcome in found["outcomes"].items() if outcome != KEPT}


def removed(what: str, here: dict[str, Any], there: dict[str, Any]) -> Agreement:
    """Compare what stays."""
    both = [
        {name: KEPT if one == KEPT else NEAR for name, one in found["outcomes"].items()}
        for found in (here, there)
    ]
    return agreement(what, *both)


def compare(setting: Setting, given: Input) -> Comparison:
    """Run both on the same documents, and count the pairs that are near-duplicates in truth."""
    tiny = json_lines(tiny_texts(setting.data), setting.scratch / "tiny_texts").folder
    made = Comparison("Near-duplicates (5-grams, 14 bands of 8) against datatrove's MinHash stages")
    for cores in setting.cores:
        here, there = setting.bench.compare(sides(setting, cores), given.folder, cores, tiny)
        made.rows.append(Row("near-duplicates", cores, given, here, there))
        if cores == setting.cores[0]:
            made.agreements.append(removed("near-duplicates", here.found, there.found))
            made.pairs = pairs_of_either(given, cores, here.found, there.found)
            made.remarks.append(remark(made.pairs, given, here.found, there.found))
    return made


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the documents of a file."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(row) for row in file]


def pairs_of_either(
    given: Input, cores: int, here: dict[str, Any], there: dict[str, Any]
) -> list[NearPair]:
    """List the pairs that overlap by more than 0.75, and those of which datatrove has a bucket."""
    files = [rows_of(path) for path in sorted(given.folder.glob("*.jsonl"))]
    tasks = [[row["id"] for file in files[task::cores] for row in file] for task in range(cores)]
    texts = {row["id"]: row["text"] for file in files for row in file}
    in_buckets = {_pair(tasks[t][i], tasks[u][j]) for t, i, u, j in there["pairs"]}
    pairs = sorted(in_buckets | {_pair(*names) for names in near_pairs(texts, MIN_OVERLAP)})
    ours, theirs = gone(here), gone(there)
    return [
        NearPair(*pair, round(overlap, 3), bool({*pair} & ours), bool({*pair} & theirs),
                 pair in in_buckets)
        for pair, overlap in zip(pairs, overlaps(texts, pairs), strict=True)
    ]  # fmt: skip


def _pair(one: str, other: str) -> tuple[str, str]:
    return min(one, other), max(one, other)


def remark(pairs: list[NearPair], given: Input, here: dict[str, Any], there: dict[str, Any]) -> str:
    """Say how many pairs there are in truth, and how many each leaves standing."""
    near = [pair for pair in pairs if pair.overlap > MIN_OVERLAP]
    in_pairs = {name for pair in near for name in (pair.first, pair.second)}
    ours, theirs = gone(here), gone(there)
    return (
        f"Of {given.documents:,} documents {len(near):,} pairs overlap by more than {MIN_OVERLAP}: "
        f"{sum(not pair.gone_here for pair in near):,} of them both stay here, "
        f"{sum(not pair.gone_there for pair in near):,} there. "
        f"Dropped: {len(ours):,} here, {len(ours - in_pairs):,} of them in no such pair; "
        f"{len(theirs):,} there, {len(theirs - in_pairs):,} of them in no such pair. "
        f"datatrove's buckets hold {len(there['pairs']):,} pairs."
    )

"""Twenty buckets of quality for each language, from one reading of real pages, to the token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.commands.main import main
from pipeline.inspection.verify import verify
from pipeline.output.ledger import read_ledger
from tests.support.runs import ROOT, run_samples

pytestmark = pytest.mark.slow

QUANTILES = 20
WORST_PERCENTILE = 0.01
WORST_BUCKET = 0.05  # of a bucket's tokens
SCORE, OTHER_SCORE = "language_score", "perplexity"


class Made(NamedTuple):
    """A run with buckets, the cards of its cut-offs, and the rows of its documents by shard."""

    output: Path
    cards: dict[str, dict[str, Any]]
    rows: dict[str, list[dict[str, Any]]]  # with their tokens


def write_recipe(folder: Path, card: Path | None) -> str:
    raw = yaml.safe_load((ROOT / "recipes" / "samples.yaml").read_text())
    source = raw["sources"]["commoncrawl"]
    short, _, language, perplexity, _ = source["steps"]
    language["identify_language"] |= {"languages": [], "min_score": 0.0}
    source["steps"] = [short, language, perplexity]
    if card is not None:
        bucket = {"score": SCORE, "card": str(card), "quantiles": QUANTILES}
        source["steps"].append({"bucket_by_score": bucket})
        source["domains"] = {"by": ["language", "bucket"]}
    raw["sources"] = {"commoncrawl": {**source, "proportion": 1.0}}
    path = folder / f"recipe-{card is not None}.yaml"
    path.write_text(yaml.safe_dump(raw))
    return str(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, shared_data: Path, shared_models: Path) -> Made:
    folder = tmp_path_factory.mktemp("buckets")
    recipe, cards = write_recipe(folder, None), {}
    for score in (SCORE, OTHER_SCORE):
        command = ["cutoffs", "--recipe", recipe, "--set", f"data={shared_data}", "--set",
                   f"models={shared_models}", "--source", "commoncrawl", "--score", score,
                   "--quantiles", str(QUANTILES), "--output", str(folder / "cut"),
                   "--workers", "1"]  # fmt: skip
        assert main(command) == 0
        cards[score] = json.loads((folder / "cut" / f"{score}.card.json").read_text())
    recipe = write_recipe(folder, folder / "cut" / f"{SCORE}.card.json")
    more = ["--recipe", recipe, "--set", "shards.target_shard_tokens=3_000_000"]
    assert run_samples(folder / "out", shared_data, shared_models, *more) == 0
    rows: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((folder / "out" / "shards" / "commoncrawl").glob("*-*.docs.parquet")):
        name = path.name.split(".")[0]
        tokens = np.fromfile(path.with_name(f"{name}.bin"), "<u2")
        rows[name] = pq.read_table(path).to_pylist()
        for row in rows[name]:
            begin = row["token_offset"]
            row["tokens"] = tokens[begin : begin + row["token_count"]]
    return Made(folder / "out", cards, rows)


def by_folder(made: Made) -> dict[str, dict[str, list[np.ndarray]]]:
    """Return the tokens of training documents by an export's folders and shards."""
    found: dict[str, dict[str, list[np.ndarray]]] = {}
    for shard, rows in made.rows.items():
        for row in rows if shard.startswith("train") else ():
            folder = "/".join(["commoncrawl", *(quote(p) for p in row["domain"].split("/"))])
            found.setdefault(folder, {}).setdefault(shard, []).append(row["tokens"])
    return found


@pytest.mark.parametrize("score", [SCORE, OTHER_SCORE])
def test_cutoffs_are_the_quantiles_and_make_equal_buckets(made: Made, score: str) -> None:
    rows = [row for of in made.rows.values() for row in of if row[score] is not None]
    scores = np.array([row[score] for row in rows])
    tokens = np.array([row["token_count"] for row in rows])
    measured, total = made.cards[score]["scores"], tokens.sum()
    assert (measured["documents"], measured["tokens"]) == (len(rows), total)
    assert len(measured["cutoffs"]) == QUANTILES - 1
    for number, cutoff in enumerate(measured["cutoffs"], start=1):
        assert abs(tokens[scores < cutoff].sum() / total - number / QUANTILES) < WORST_PERCENTILE
    bucket_of = np.array([sum(score >= cut for cut in measured["cutoffs"]) for score in scores])
    for bucket in range(QUANTILES):
        size = tokens[bucket_of == bucket].sum()
        assert size == pytest.approx(total / QUANTILES, rel=WORST_BUCKET)
    if score == SCORE:
        assert [row["bucket"] for row in rows] == [f"{bucket:02d}" for bucket in bucket_of]


def test_run_balances_to_the_token(made: Made) -> None:
    assert verify(str(made.output)) == []
    manifest = json.loads((made.output / "manifest.json").read_text())
    source = manifest["sources"]["commoncrawl"]
    assert len({name.split("/")[0] for name in source["domains"]}) > 15
    assert {name.split("/")[1] for name in source["domains"]} == {f"{i:02d}" for i in range(20)}
    for part in ("train", "validation"):
        counted: dict[str, list[int]] = {}
        for shard, rows in made.rows.items():
            for row in rows if shard.startswith(part) else ():
                assert row["domain"] == f"{row['language']}/{row['bucket']}"
                counted.setdefault(row["domain"], []).append(len(row["tokens"]))
        for name, one in source["domains"].items():
            sizes = counted.get(name, [])
            assert one[f"{part}_documents"] == len(sizes)
            assert one[f"{part}_tokens"] == sum(sizes)
        assert source[f"{part}_documents"] == sum(map(len, counted.values()))
        assert source[f"{part}_tokens"] == sum(map(sum, counted.values()))
    written = sum(row["documents"] for row in read_ledger(str(made.output)).to_pylist()
                  if row["outcome"] == "out")  # fmt: skip
    assert written == sum(map(len, made.rows.values()))


def test_exports_balance_to_the_token(made: Made, tmp_path: Path) -> None:
    expected = by_folder(made)
    sizes = {name: (sum(map(len, of.values())), sum(len(t) for d in of.values() for t in d))
             for name, of in expected.items()}  # fmt: skip
    for name in ("megatron", "olmo", "nanotron", "litdata", "mds"):
        more = ["--tokenizer", "t"] if name == "nanotron" else []
        to = tmp_path / name
        assert main(["export", str(made.output), "--format", name, "--to", str(to), *more]) == 0
        described = json.loads((to / "export.json").read_text())["sources"]
        assert {n: (one["documents"], one["tokens"]) for n, one in described.items()} == sizes
        assert sum(one["proportion"] for one in described.values()) == pytest.approx(1)
    for name, shards in expected.items():
        for shard, documents in shards.items():
            flat = np.concatenate(documents)
            for path in (f"megatron/{name}/{shard}.bin", f"olmo/{name}/{shard}.npy",
                         f"nanotron/{name}/{shard}.ds"):  # fmt: skip
                assert np.array_equal(np.fromfile(tmp_path / path, "<u2"), flat)
            index = (tmp_path / "megatron" / name / f"{shard}.idx").read_bytes()
            lengths = np.frombuffer(index, "<i4", len(documents), 34)
            assert lengths.tolist() == list(map(len, documents))
        chunks = json.loads((tmp_path / "litdata" / name / "index.json").read_text())["chunks"]
        items = sum(one["chunk_size"] for one in chunks), sum(one["dim"] for one in chunks)
        assert items == sizes[name]
        index = json.loads((tmp_path / "mds" / name / "index.json").read_text())
        assert sum(one["samples"] for one in index["shards"]) == sizes[name][0]


def test_hugging_face_has_the_domain_of_every_document(made: Made, tmp_path: Path) -> None:
    to = tmp_path / "hf"
    command = ["export", str(made.output), "--format", "hf", "--to", str(to), "--tokens"]
    assert main(command) == 0
    found = []
    for path in sorted((to / "data" / "commoncrawl").glob("*.parquet")):
        found += pq.read_table(path, columns=["id", "domain", "tokens"]).to_pylist()
    training = [rows for shard, rows in made.rows.items() if shard.startswith("train")]
    expected = [row for rows in training for row in rows]
    assert [(row["id"], row["domain"]) for row in found] == [
        (row["id"], row["domain"]) for row in expected
    ]
    assert all(np.array_equal(one["tokens"], row["tokens"])
               for one, row in zip(found, expected, strict=True))  # fmt: skip

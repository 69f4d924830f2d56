"""Weights of sources for a target that is made of known shares of them, from real texts."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import RunError
from pipeline.inspection.manifest import load_manifest
from pipeline.judging.candidates import candidates_of
from pipeline.judging.held_out import cut_passages, read_held_out
from pipeline.judging.run_parts import rounded
from pipeline.judging.weights import parts_of, target_weights
from tests.support.judged_runs import (
    count_tokens,
    wikipedia_texts,
    write_run,
    write_texts,
)

HELD_OUT_BOOKS = ("pg120-120-0.txt", "pg1661-1661-8.txt")
BOOKS = ("pg1342-1342-0.txt", "pg98-98-0.txt", "pg158-158-0.txt", "pg76-76-0.txt")
PART_CHARS = 900_000
TARGET_TOKENS = 60_000


def field_of_lines(file: Path, field: str) -> list[str]:
    lines = gzip.decompress(file.read_bytes()).decode().split("\n")
    return [json.loads(line)[field] or "" for line in lines if line]


def taken(texts: Sequence[str], n_chars: int) -> list[str]:
    chosen, left = [], n_chars
    for text in texts:
        if left > 0:
            chosen.append(text[:left])
            left -= len(text)
    return chosen


def passages_of(texts: Sequence[str], n_tokens: int) -> list[str]:
    """Return passages of some texts that have about so many tokens."""
    passages = [passage for text in texts for passage in cut_passages(text)]
    ends = np.cumsum([count_tokens(passage) for passage in passages])
    return passages[: int(np.searchsorted(ends, n_tokens))]


@pytest.mark.slow
def test_a_target_of_books_and_code_is_found(tmp_path, shared_data: Path, kenlm_programs):
    code = field_of_lines(shared_data / "github" / "bq_github_open.jsonl.gz", "content")
    random.Random(0).shuffle(code)
    code = [text for text in code if 0 < len(text) < 60_000]
    pages = field_of_lines(shared_data / "c4" / "c4-train.00000-of-00001.json.gz", "text")
    held_out_books, books = (
        [(shared_data / "books" / name).read_text("utf-8", "replace")[20_000:320_000] for name in n]
        for n in (HELD_OUT_BOOKS, BOOKS)
    )
    sources = {
        "c4": taken(pages, PART_CHARS),
        "books": books[:3],
        "github": taken(code[300:], PART_CHARS),
        "wikipedia": taken(wikipedia_texts(shared_data, 400), PART_CHARS),
    }
    output = str(write_run(tmp_path / "out", sources))
    target = [
        *passages_of(held_out_books, round(0.7 * TARGET_TOKENS)),
        *passages_of(code[:300], round(0.3 * TARGET_TOKENS)),
    ]
    held_out = read_held_out("mixed", str(write_texts(tmp_path / "target.jsonl", target)))
    parts, tokens = parts_of(candidates_of([output], "source"), None)
    found = target_weights(
        load_manifest(output), parts, tokens, [held_out], kenlm_programs,
        smoothing=0.0, max_epochs=1000.0, seed=0,
    )  # fmt: skip
    truth = {"c4": 0.0, "books": 0.7, "github": 0.3, "wikipedia": 0.0}
    assert found["targets"][0]["weights"] == pytest.approx(truth, abs=0.05)
    assert found["proportions"] == pytest.approx(found["targets"][0]["weights"], abs=1e-3)


def test_sources_of_too_few_tokens_have_no_model(tmp_path):
    texts = {"one": ["word " * 500] * 60, "two": ["word " * 500] * 50, "few": ["a word"]}
    candidates = candidates_of([str(write_run(tmp_path / "out", texts))], "source")
    parts, tokens = parts_of(candidates, None)
    assert [part.name for part in parts] == ["one", "two"]
    assert tokens == candidates[1].n_tokens
    assert parts_of(candidates, 1000)[1] == 1000
    with pytest.raises(RunError, match="1 of 3 sources or domains have"):
        parts_of(candidates, candidates[1].n_tokens + 1)


def test_rounded_shares_add_up_and_keep_under_their_caps():
    shares = np.array([1 / 3, 1 / 3, 1 / 3])
    result = rounded(shares, np.array([0.3334, 1.0, 0.3334]), 4)
    assert result.tolist() == [0.3333, 0.3334, 0.3333]

"""Scores that are kept: what they are told apart by, and a comparison that goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.judging.candidates import candidates_of
from pipeline.judging.held_out import read_held_out
from pipeline.judging.judge import field_of, judge
from pipeline.judging.scorers import Draw, Passages, Scored, Scorer, digest_of, kept_in
from tests.support.judged_runs import write_run, write_texts

DRAW = Draw([np.array([5, 6, 7]), np.array([8])], 100, (1,), (2,))
PASSAGES = [[np.array([3, 4])], [np.array([5])]]


def counted(calls: list[Draw], most: int = 1000) -> Scorer:
    """Return a scorer that notes its draws, and is stopped after so many."""

    def score(draw: Draw, passages: Passages) -> Scored:
        if len(calls) == most:
            raise KeyboardInterrupt
        calls.append(draw)
        size = sum(int(ids.sum()) for ids in draw.documents)
        bits = [np.array([size / 1000 + len(ids) for ids in text]) for text in passages]
        return Scored(bits, np.array([3.0, 2.0]))

    return Scorer("what it means", {"kind": "counted"}, score)


def test_a_comparison_that_was_stopped_goes_on(tmp_path: Path) -> None:
    texts = {name: [f"{name} has words of its own, {i}. " * 9 for i in range(20)] for name in "ab"}
    outputs = [str(write_run(tmp_path / name, {"web": of})) for name, of in texts.items()]
    held_out = [f"A text that is held out, number {i}, of some words." for i in range(12)]
    read = [read_held_out("t", str(write_texts(tmp_path / "t.jsonl", held_out)))]
    field = field_of(candidates_of(outputs, None), 300, are_parts=False)
    undisturbed = judge(field, read, counted([]), n_draws=3, seed=0)
    before: list[Draw] = []
    after: list[Draw] = []
    work = tmp_path / "work"
    with pytest.raises(KeyboardInterrupt):
        judge(field, read, kept_in(work, counted(before, 4)), n_draws=3, seed=0)
    judgement = judge(field, read, kept_in(work, counted(after)), n_draws=3, seed=0)
    assert (len(before), len(after)) == (4, 2)
    assert judgement == undisturbed
    assert judgement["curves"] == {name: [[3.0, 2.0]] * 3 for name in outputs}


def test_scores_are_told_apart_by_all_that_they_are_made_of() -> None:
    others = [
        digest_of({}, DRAW, PASSAGES),
        digest_of({"model": "10M"}, DRAW, PASSAGES),
        digest_of({}, DRAW._replace(documents=[np.array([5, 6]), np.array([7, 8])]), PASSAGES),
        digest_of({}, DRAW._replace(documents=DRAW.documents[::-1]), PASSAGES),
        digest_of({}, DRAW._replace(vocabulary_size=101), PASSAGES),
        digest_of({}, DRAW._replace(begin=()), PASSAGES),
        digest_of({}, DRAW._replace(end=()), PASSAGES),
        digest_of({}, DRAW, [[np.array([3, 4]), np.array([5])], []]),
        digest_of({}, DRAW, [[np.array([3, 9])], [np.array([5])]]),
    ]
    assert len(set(others)) == len(others)
    same = DRAW._replace(documents=[ids.astype(np.uint16) for ids in DRAW.documents])
    assert digest_of({}, same, PASSAGES) == others[0]


def test_a_damaged_file_of_scores_is_made_anew(tmp_path: Path) -> None:
    calls: list[Draw] = []
    scorer = kept_in(tmp_path, counted(calls))
    first = scorer.score(DRAW, PASSAGES)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    again = scorer.score(DRAW, PASSAGES)
    assert len(calls) == 2
    assert [bits.tolist() for bits in again.bits] == [bits.tolist() for bits in first.bits]
    assert file.read_bytes() == whole

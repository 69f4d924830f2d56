"""Samples rearranged to fill in the middle, compared with a reference in plain Python."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.output.layout import sealed
from tests.support.byte_level import SEVERAL_SCRIPTS, train
from tests.support.samples.corpora import write_corpus
from tokenizer.fill_in_the_middle import MiddleTokens
from training.data.fill_in_the_middle import FillInTheMiddle
from training.data.loader import Loader
from training.options import TrainOptions, parse
from training.plan import make_plan

PREFIX, SUFFIX, MIDDLE, BOS, EOS = 900, 901, 902, 1, 2
TOKENS = MiddleTokens(PREFIX, SUFFIX, MIDDLE)
SPECIAL = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<s>"]
WHOLE = 1 << 64


def mixed(value: int) -> int:
    """Return SplitMix64's output for a state."""
    value = (value + 0x9E3779B97F4A7C15) % WHOLE
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % WHOLE
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) % WHOLE
    return value ^ (value >> 31)


def plain(
    sample: list[int], position: int, *, seed: int, rate: float, spm_rate: float, marks: list[int]
) -> list[int]:
    """Rearrange a sample, token by token."""
    digest = hashlib.blake2b(f"{seed}/fill_in_the_middle".encode(), digest_size=8).digest()
    key = mixed(int.from_bytes(digest, "little") ^ mixed(position))
    result: list[int] = []
    part: list[int] = []
    number = 0
    for token in [*sample, None]:
        if token is not None and token not in marks:
            part.append(token)
            continue
        if part:
            draws = [mixed(key ^ mixed(4 * number + i)) for i in range(4)]
            cuts = sorted(draw % (len(part) + 1) for draw in draws[2:])
            prefix, middle, suffix = part[: cuts[0]], part[cuts[0] : cuts[1]], part[cuts[1] :]
            if (draws[0] >> 11) / 2**53 < rate and len(suffix) > 3:
                suffix = suffix[: len(suffix) - 3]
                if (draws[1] >> 11) / 2**53 < spm_rate:
                    part = [PREFIX, SUFFIX, *suffix, MIDDLE, *prefix, *middle]
                else:
                    part = [PREFIX, *prefix, SUFFIX, *suffix, MIDDLE, *middle]
            result += part
            part = []
            number += 1
        if token is not None:
            result.append(token)
    return result


@settings(max_examples=200, deadline=None)
@given(
    parts=st.lists(st.integers(0, 60), min_size=1, max_size=6),
    marks=st.sampled_from([[EOS], [BOS], [BOS, EOS]]),
    rate=st.sampled_from([0.3, 0.7, 1.0]),
    spm_rate=st.sampled_from([0.0, 0.4, 1.0]),
    seed=st.integers(0, 1 << 70),
    position=st.integers(0, (1 << 52) - 1),
)
def test_it_is_the_reference(parts, marks, rate, spm_rate, seed, position) -> None:
    sample: list[int] = []
    for number, length in enumerate(parts):
        sample += [mark for mark in marks if mark == BOS]
        sample += range(10 + 100 * number, 10 + 100 * number + length)
        sample += [mark for mark in marks if mark == EOS]
    chosen = FillInTheMiddle(rate, spm_rate, None, TOKENS, tuple(marks), seed)
    tokens_BT1 = np.array([sample, sample], np.int64)
    found = chosen.applied(tokens_BT1, np.array([position, position + 1]), ["a", "b"])
    of = {"seed": seed, "rate": rate, "spm_rate": spm_rate, "marks": marks}
    assert found.tolist() == [plain(sample, position + i, **of) for i in range(2)]
    assert tokens_BT1.tolist() == [sample, sample]


def test_rates_forms_and_sources_are_what_was_asked_for() -> None:
    tokens_BT1 = np.arange(100, 140) + np.zeros((4000, 1), np.int64)
    positions, names = np.arange(4000), ["a", "b"] * 2000
    chosen = FillInTheMiddle(0.5, 0.25, frozenset({"b"}), TOKENS, (BOS,), 7)
    found = chosen.applied(tokens_BT1, positions, names)
    assert np.array_equal(found[::2], tokens_BT1[::2])
    changed = found[1::2][(found[1::2] == PREFIX).any(1)]
    # A suffix of three tokens or fewer, which has a probability of 0.19, leaves a part as it is.
    assert len(changed) / 2000 == pytest.approx(0.5 * 0.81, abs=0.04)
    assert (changed[:, 1] == SUFFIX).mean() == pytest.approx(0.25, abs=0.06)
    # PSM has some 700 ways to cut, SPM 37: what is ahead of its suffix does not show in it.
    assert len(np.unique(changed, axis=0)) > 350
    assert not np.array_equal(found, chosen._replace(seed=8).applied(tokens_BT1, positions, names))


def corpus(folder: Path, special: list[str], *, marks: bool = True) -> Path:
    """Write a corpus of two sources, and a tokenizer with some special tokens."""
    tokenizer = train("gpt2", SEVERAL_SCRIPTS, 400)
    tokenizer.add_special_tokens(special)
    model = folder / "tokenizer.json"
    model.write_text(tokenizer.to_str())
    bos = tokenizer.token_to_id("<s>")
    document = [bos, *range(100, 130)] if marks else range(100, 130)
    write_corpus(folder, {"code": [[document] * 9], "web": [[document] * 9]},
                 {"code": 0.5, "web": 0.5}, 2_000)  # fmt: skip
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["tokenizer"] = {
        "model": str(model), "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "vocabulary_size": tokenizer.get_vocab_size(), "bos": marks, "eos": False,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(sealed(manifest)))
    return folder


def planned(folder: Path, *more: str):
    given = ["--data", str(folder), "--output", str(folder / "run"), "--model", "10M",
             "--sequence_length", "20", "--batch_tokens", "80"]  # fmt: skip
    return make_plan(parse(TrainOptions, [*given, *more], "train"), 1, "cpu")


def test_batches_are_the_same_on_any_ranks_with_any_workers_and_after_a_stop(tmp_path) -> None:
    options = "--fim_rate", "0.9", "--fim_sources", "code", "--seed", "3"
    plan, mixture = planned(corpus(tmp_path, SPECIAL), *options)
    middle = plan.fill_in_the_middle
    assert plan.identity["fill_in_the_middle"] == {
        "rate": 0.9, "spm_rate": 0.5, "sources": ["code"]
    }  # fmt: skip
    assert middle is not None

    def batches(start: int = 0, **how: int) -> np.ndarray:
        loader = Loader(mixture, batch_samples=4, fill_in_the_middle=middle, **how)
        loader.position = start
        return np.array([batch.numpy() for batch in loader])

    whole = batches()
    plain_samples = mixture.samples(np.arange(whole.shape[0] * 4))
    names = np.array(mixture.sources_of(np.arange(len(plain_samples))))
    flat = whole.reshape(-1, 21)
    assert np.array_equal(flat[names == "web"], plain_samples[names == "web"])
    has_marks = (flat == middle.tokens.middle).any(1)
    assert 0.3 < has_marks[names == "code"].mean() < 1
    halves = [batches(rank=rank, world_size=2) for rank in range(2)]
    assert np.array_equal(np.concatenate(halves, axis=1), whole)
    assert np.array_equal(batches(workers=2), whole)
    assert np.array_equal(batches(start=12), whole[3:])


def test_without_the_option_nothing_changes(tmp_path) -> None:
    plan, mixture = planned(corpus(tmp_path, ["<s>"]))
    assert plan.fill_in_the_middle is None
    assert "fill_in_the_middle" not in plan.identity
    batch = next(iter(Loader(mixture, batch_samples=4)))
    assert np.array_equal(batch.numpy(), mixture.samples(range(4)))


def test_what_cannot_be_rearranged_is_refused_in_a_line(tmp_path) -> None:
    def said(folder: Path, *more: str) -> str:
        with pytest.raises(ValueError) as caught:
            planned(folder, *more)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    for name in ("without", "unmarked", "good"):
        (tmp_path / name).mkdir()
    without = corpus(tmp_path / "without", ["<s>", "<|fim_prefix|>"])
    rate = "--fim_rate", "0.5"
    assert "tokenizer.json: the tokenizer has no tokens to fill in" in said(without, *rate)
    unmarked = corpus(tmp_path / "unmarked", SPECIAL, marks=False)
    assert "set tokenizer.bos or tokenizer.eos" in said(unmarked, *rate)
    good = corpus(tmp_path / "good", SPECIAL)
    unknown = said(good, *rate, "--fim_sources", "code,book")
    assert unknown == "--fim_sources book: not of the corpus's sources, code, web"
    given = {"data": str(good), "model": "10M", "output": "-"}
    for options in ({"fim_rate": 1.5}, {"fim_spm_rate": -0.1}, {"fim_sources": "code"}):
        with pytest.raises(ValueError, match=f"--{next(iter(options))}: "):
            TrainOptions(**given, **options)

"""Comparison of candidates: which text is most like the held-out texts, and how certain is that.

From each candidate come a few draws of equally many tokens, from each draw a model, and from that
the bits per byte of the held-out texts. Fewer bits mean that the text is more like the held-out
text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import RunError
from pipeline.inspection.piece_table import load_piece_table
from pipeline.judging.candidates import Candidate
from pipeline.judging.certainty import LEVEL, Scores, certainty
from pipeline.judging.draws import Ids, cut_to, draw, encoder_of, tokens_of
from pipeline.judging.held_out import HeldOut, check_enough
from pipeline.judging.overlap import N_GRAM_WORDS, PassageIndex
from pipeline.judging.scorers import Draw, Scorer
from pipeline.judging.token_ngrams import encoded
from tokenizer.opening import Encoder

MAX_SHARE = 0.5
"""Largest part of a candidate's tokens that a draw may take, so that draws can differ."""

MIN_TOKENS = 20_000
"""Fewest tokens of a draw without ``--tokens``; parts of a run that have fewer are left out."""

MAX_TOKENS = 5_000_000
"""Most tokens of a draw without ``--tokens``."""

Progress = Callable[[str], None]


class Field(NamedTuple):
    """The candidates that are compared, and what each draw takes of them."""

    candidates: list[Candidate]
    tokens: int
    left_out: list[Candidate]  # they have too few tokens


class Contestant(NamedTuple):
    """The draws that are compared under one name: of a candidate, or of a mixture of several."""

    name: str
    of: Candidate  # the candidate, or one of the mixture's, whose run has the tokenizer
    n_tokens: int
    share: float  # part of its tokens that a draw takes
    read: list[Ids]  # all documents of which draws take some
    draws: list[list[Ids]]


def field_of(candidates: Sequence[Candidate], tokens: int | None, *, are_parts: bool) -> Field:
    """Choose the tokens of a draw, and leave out parts of runs that have too few.

    Whole runs are not left out. Raises RunError where a run has too few, or fewer than two
    candidates are left.
    """
    if tokens is not None and tokens < 1:
        raise RunError(f"--tokens {tokens}: draw one token at the least")
    least = tokens or MIN_TOKENS
    small = [one for one in candidates if one.n_tokens * MAX_SHARE < least]
    if small and not are_parts:
        one = small[0]
        raise RunError(
            f"{one.name}: {one.n_tokens:,} tokens are too few for draws of {least:,}, each of at "
            f"most {MAX_SHARE:.0%} of a run"
            + (": give fewer with --tokens" if one.n_tokens else "")
        )
    kept = [one for one in candidates if one.n_tokens * MAX_SHARE >= least]
    if len(kept) < 2:
        raise RunError(
            f"{len(kept)} of {len(candidates)} candidates have the {round(least / MAX_SHARE):,} "
            "tokens that draws need; a comparison needs two: give another run, --by or --tokens"
        )
    largest = int(min(one.n_tokens for one in kept) * MAX_SHARE)
    return Field(kept, tokens or min(largest, MAX_TOKENS), small)


def judge(
    field: Field,
    held_out: Sequence[HeldOut],
    scorer: Scorer,
    *,
    n_draws: int,
    seed: int,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Compare candidates; returns plain values. Raises ValueError where a text cannot be read."""
    contestants = [_contestant(one, field.tokens, n_draws, seed, progress)
                   for one in field.candidates]  # fmt: skip
    left_out = [{"name": one.name, "tokens": one.n_tokens} for one in field.left_out]
    judgement = compare(contestants, field.tokens, held_out, scorer, seed=seed, progress=progress)
    return judgement | {"left_out": left_out}


def _contestant(
    one: Candidate, tokens: int, n_draws: int, seed: int, progress: Progress
) -> Contestant:
    progress(f"reading {one.name}")
    draws = [draw(one, tokens, seed + k) for k in range(n_draws)]
    ids_of = tokens_of(one, np.unique(np.concatenate(draws)))
    return Contestant(
        one.name,
        one,
        one.n_tokens,
        tokens / max(one.n_tokens, 1),
        list(ids_of.values()),
        [cut_to(one, tokens, drawn, ids_of) for drawn in draws],
    )


def compare(
    contestants: Sequence[Contestant],
    tokens: int,
    held_out: Sequence[HeldOut],
    scorer: Scorer,
    *,
    seed: int,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Compare draws of ``tokens`` tokens, as :func:`judge` does those of candidates."""
    index = PassageIndex(held_out)
    for one in contestants:
        index.see(load_piece_table(one.of.manifest), one.read)
    removed = index.removed()
    left = [text.without(out) for text, out in zip(held_out, removed, strict=True)]
    for text in left:
        check_enough(text, f"{text.name}: without what candidates share with it, ")
    n_draws = len(contestants[0].draws)
    bits: dict[str, list[list[npt.NDArray[np.float64]]]] = {text.name: [] for text in left}
    curves: dict[str, list[list[float]]] = {}
    for one in contestants:
        encoder = encoder_of(one.of)
        passages = [encoded(text.passages, encoder) for text in left]
        for text in left:
            bits[text.name].append([])
        for number, documents in enumerate(one.draws, 1):
            progress(f"{one.name}, draw {number} of {n_draws}")
            drawn = Draw(documents, encoder.vocabulary_size, *marks_of(one.of, encoder))
            scored = scorer.score(drawn, passages)
            for text, of_passages in zip(left, scored.bits, strict=True):
                bits[text.name][-1].append(of_passages)
            if len(scored.curve):
                curves.setdefault(one.name, []).append(scored.curve.tolist())
    scores = {text.name: _by_unit(text, np.array(bits[text.name])) for text in left}
    names = [one.name for one in contestants]
    return {
        "meaning": scorer.meaning,
        **scorer.settings,
        "tokens": tokens,
        "draws": n_draws,
        "seed": seed,
        "level": LEVEL,
        "candidates": [{"name": one.name, "tokens": one.n_tokens} for one in contestants],
        "left_out": [],
        "n_gram_words": N_GRAM_WORDS,
        "held_out": [
            {"name": text.name, "documents": text.n_documents, "passages": len(text.passages),
             "bytes": int(scores[text.name].n_bytes.sum()), "removed_passages": int(out.sum()),
             "intervals_over": text.unit_name}
            for text, out in zip(left, removed, strict=True)
        ],
        "results": certainty(names, [one.share for one in contestants], scores, seed),
        **({"curves": curves} if curves else {}),
    }  # fmt: skip


def marks_of(one: Candidate, encoder: Encoder) -> list[tuple[int, ...]]:
    """Return the marks that a run sets before and behind documents."""
    tokenizer = one.manifest["tokenizer"]
    empty = pa.array([""], pa.string())
    return [
        tuple(encoder.encode(empty, bos=at == "bos", eos=at == "eos")[0].tolist())
        if tokenizer[at]
        else ()
        for at in ("bos", "eos")
    ]


def _by_unit(text: HeldOut, bits: npt.NDArray[np.float64]) -> Scores:
    """Add up the bits of passages by the units over which intervals are computed."""
    first_passages = np.flatnonzero(np.diff(text.unit, prepend=-1))
    n_bytes = np.array([len(passage.encode()) for passage in text.passages], np.float64)
    return Scores(
        np.add.reduceat(bits, first_passages, axis=2), np.add.reduceat(n_bytes, first_passages)
    )

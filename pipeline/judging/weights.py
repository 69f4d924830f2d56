"""Weights of a run's sources, or of their domains, for target texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import RunError
from pipeline.inspection.piece_table import load_piece_table
from pipeline.judging.candidates import Candidate
from pipeline.judging.draws import cut_to, draw, encoder_of, tokens_of
from pipeline.judging.expectation import Floats, best_weights, capped, smoothed, span_starts
from pipeline.judging.held_out import HeldOut, check_enough
from pipeline.judging.judge import MAX_TOKENS, MIN_TOKENS, Progress
from pipeline.judging.overlap import N_GRAM_WORDS, PassageIndex
from pipeline.judging.run_parts import digits_of, rounded, run_parts
from pipeline.judging.scorers import NGRAMS_MEANING
from pipeline.judging.token_ngrams import (
    TrainingText,
    sentences_of,
    token_probabilities,
    trained,
)
from pipeline.recipe.mixture import BUDGET_KEY


def parts_of(candidates: Sequence[Candidate], tokens: int | None) -> tuple[list[Candidate], int]:
    """Choose the parts of a run that get a model, and the tokens on which each is trained.

    Raises RunError where fewer than two have enough tokens.
    """
    if tokens is not None and tokens < 1:
        raise RunError(f"--tokens {tokens}: train on one token at the least")
    least = tokens or MIN_TOKENS
    parts = [one for one in candidates if one.n_tokens >= least]
    if len(parts) < 2:
        raise RunError(
            f"{len(parts)} of {len(candidates)} sources or domains have {least:,} tokens; weights "
            "need two"
        )
    return parts, tokens or min(MAX_TOKENS, *(one.n_tokens for one in parts))


def target_weights(
    manifest: Mapping[str, Any],
    parts: Sequence[Candidate],
    tokens: int,
    targets: Sequence[HeldOut],
    tools: Path,
    *,
    smoothing: float,
    max_epochs: float,
    seed: int,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Return the weights of all parts of a run for each target, and proportions, as plain values.

    A part without a model has no more than its natural share of the smoothing. Raises RunError
    where the run has too few tokens for its budget in ``max_epochs``.
    """
    of_run = run_parts(manifest)
    names = [part.name for part in of_run]
    sizes = np.array([part.tokens for part in of_run], np.float64)
    natural = sizes / sizes.sum()
    caps = max_epochs * sizes / manifest[BUDGET_KEY]
    if caps.sum() < 1:
        raise RunError(
            f"in {max_epochs:g} epochs the run has {int(max_epochs * sizes.sum()):,} tokens, of a "
            f"budget of {manifest[BUDGET_KEY]:,}: give a higher --max_epochs"
        )
    index = PassageIndex(targets)
    texts = {}
    for part in parts:
        progress(f"reading {part.name}")
        drawn = draw(part, tokens, seed)
        ids_of = tokens_of(part, drawn)
        index.see(load_piece_table(part.manifest), ids_of.values())
        texts[part.name] = cut_to(part, tokens, drawn, ids_of)
    removed = index.removed()
    left = [text.without(out) for text, out in zip(targets, removed, strict=True)]
    for text in left:
        check_enough(text, f"{text.name}: without what the run shares with it, ")
    encoder = encoder_of(parts[0])
    sentences = {text.name: sentences_of(text.passages, encoder) for text in left}
    logarithms: dict[str, list[Floats]] = {text.name: [] for text in left}
    for part in parts:
        progress(f"a model of {part.name}")
        model = trained(TrainingText(texts[part.name], encoder.vocabulary_size), tools)
        for text in left:
            logarithms[text.name].append(np.log(token_probabilities(model, sentences[text.name])))
    at = [names.index(part.name) for part in parts]
    found = {}
    for text in left:
        starts = span_starts([words.count(" ") + 1 for words in sentences[text.name]])
        weights = np.zeros(len(names))
        weights[at] = best_weights(np.array(logarithms[text.name]), starts)
        found[text.name] = weights
    mean = np.mean(list(found.values()), 0)
    shares = rounded(capped(smoothed(mean, natural, smoothing), caps), caps,
                     digits_of(of_run))  # fmt: skip
    return {
        "meaning": NGRAMS_MEANING,
        "tokens": tokens,
        "smoothing": smoothing,
        "max_epochs": max_epochs,
        "without_model": [name for i, name in enumerate(names) if i not in at],
        "n_gram_words": N_GRAM_WORDS,
        "targets": [
            {"name": text.name, "documents": text.n_documents, "passages": len(text.passages),
             "removed_passages": int(out.sum()),
             "weights": dict(zip(names, found[text.name].tolist(), strict=True))}
            for text, out in zip(left, removed, strict=True)
        ],
        "natural": dict(zip(names, natural.tolist(), strict=True)),
        "proportions": dict(zip(names, shares.tolist(), strict=True)),
    }  # fmt: skip

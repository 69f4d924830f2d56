"""Cut-offs that divide a source's tokens into equal buckets by a score, measured on a sample.

The documents are drawn as for all samples (:mod:`pipeline.models.sample`), ahead of the step that
is to read the card. Each counts with its tokens, so that the buckets hold about as many tokens each
and not as many documents (Nemotron-CC, arXiv 2412.02595, and Dolma 3 do so).
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import ERROR_NAME, RunError
from pipeline.files import storage
from pipeline.files.local_copy import local_copy
from pipeline.models.model_card import card_path
from pipeline.models.sample import Sample, card_data, sample_documents
from pipeline.output import whole_files
from pipeline.recipe.recipe import Recipe
from pipeline.runners.execution import Execution
from tokenizer.opening import open_encoder
from transforms.scoring.score_buckets import CARD_KIND, scores_of

STEP = "bucket_by_score"
"""The step that reads the card. Documents are taken as they are ahead of it, if a source has it."""


def measure_cutoffs(
    recipe: Recipe,
    source: str,
    output: str,
    execution: Execution,
    *,
    score: str,
    quantiles: int,
    sample_bytes: int,
    start_over: bool = False,
    where: str = "recipe",
) -> dict[str, Any]:
    """Measure the cut-offs of a score on a sample of a source, write their card, and return it.

    The card is ``SCORE.card.json`` in ``output``. Raises RunError where no document of the sample
    has the score, or there are fewer values than buckets.
    """
    if source not in {one.name for one in recipe.sources}:
        raise RunError(f"--source {source}: the recipe has no such source")
    if quantiles < 2:
        raise RunError(f"--quantiles {quantiles}: expected 2 or more")
    if start_over:
        storage.remove(output, card_path(score))
    steps = [step.name for step in recipe.source(source).steps]
    samples = sample_documents(
        recipe, output, execution, {source: sample_bytes},
        until={source: STEP} if STEP in steps else None, start_over=start_over, where=where,
    )  # fmt: skip
    scores, tokens = _scores_and_tokens(samples[source], recipe, score)
    if not len(scores):
        raise RunError(f"no document of the sample of {source} has the score {score}")
    cutoffs = weighted_quantiles(scores, tokens, quantiles)
    if len(set(cutoffs)) < quantiles - 1:
        raise RunError(f"the score {score} has too few values for {quantiles} buckets")
    card = {
        "kind": CARD_KIND,
        "data": card_data(where, output, samples),
        "parameters": {"score": score, "source": source, "quantiles": quantiles},
        "scores": {"cutoffs": cutoffs, "documents": len(scores), "tokens": int(tokens.sum())},
        "versions": {"llama-corpus": importlib.metadata.version("llama-corpus")},
    }
    whole_files.write_bytes(output, card_path(score), storage.json_bytes(card))
    for name in ("work", ERROR_NAME):
        storage.remove(output, name)
    return card


def weighted_quantiles(
    scores: npt.NDArray[np.float64], weights: npt.NDArray[np.int64], quantiles: int
) -> list[float]:
    """Return the values that divide the weight of scores into so many equal parts.

    The value at a cut is the one under which the weight is nearest to what the cut asks for, so
    that it differs by half a value's weight at most. The lowest value is none, so that there is
    something in the first part.
    """
    values, of_score = np.unique(scores, return_inverse=True)
    below = np.cumsum(np.bincount(of_score, weights))[:-1]  # of each value but the lowest
    if not len(below):  # of one value there are no two parts
        return []
    wanted = weights.sum() * np.arange(1, quantiles) / quantiles
    after = np.minimum(np.searchsorted(below, wanted), len(below) - 1)
    before = np.maximum(after - 1, 0)
    places = np.where(np.abs(wanted - below[before]) < np.abs(below[after] - wanted), before, after)
    cutoffs: list[float] = values[1:][places].tolist()
    return cutoffs


def _scores_and_tokens(
    sample: Sample, recipe: Recipe, score: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the score and the number of tokens of every document that has a score."""
    tokenizer = recipe.tokenizer
    encoder = open_encoder(local_copy(tokenizer.model), special_in_text=tokenizer.special_in_text)
    scores: list[npt.NDArray[np.float64]] = [np.zeros(0)]
    tokens: list[npt.NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for batch in sample.read():
        of_batch = scores_of(batch, score)
        _, offsets = encoder.encode(batch["text"], bos=tokenizer.bos, eos=tokenizer.eos)
        has = ~np.isnan(of_batch)
        scores.append(of_batch[has])
        tokens.append(np.diff(offsets)[has])
    return np.concatenate(scores), np.concatenate(tokens)

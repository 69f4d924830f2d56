"""Steps that score documents with a language model and put them into buckets, after CCNet.

CCNet (arXiv 1911.00359) scores the normalised document as one sentence of SentencePiece pieces. Its
model is a 5-gram KenLM model of Wikipedia. The documents of each language are divided into
``head``, ``middle`` and ``tail`` by their perplexity.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import kenlm
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tokenizer.checking import check_model
from tokenizer.encode import load_encoder
from transforms.documents import FilePath, checked_by, drop, with_column
from transforms.kernels.codepoints import normalise_for_lm

BUCKETS = ("head", "middle", "tail")


@functools.cache
def _load_lm(path: str) -> kenlm.Model:
    """Map a KenLM model into memory, once a process. Raises ValueError for any other file."""
    config = kenlm.Config()
    config.load_method = kenlm.LoadMethod.LAZY
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    try:
        return kenlm.Model(path, config)
    except (OSError, RuntimeError):  # KenLM's message names places in its own code
        raise ValueError(f"{path}: not a KenLM model, or not all of one") from None


def check_score_perplexity(*, lm: FilePath, pieces: FilePath, **_: object) -> None:
    """Raise ValueError if ``lm`` is not a KenLM model or ``pieces`` not a SentencePiece model."""
    check_model(pieces)
    _load_lm(lm)


@checked_by(check_score_perplexity)
def score_perplexity(
    batch: pa.RecordBatch, *, language: str, lm: FilePath, pieces: FilePath
) -> pa.RecordBatch:
    """Write the ``perplexity`` of the documents in ``language``.

    The perplexity is 10^(-log10 score / (pieces + 1)). The score is the probability of the
    normalised document's pieces as one sentence, with its begin and end. ``lm`` is a KenLM model,
    and ``pieces`` is the SentencePiece model that made its vocabulary. A document that is empty
    after normalising is scored as an empty sentence, as in CCNet. Perplexities of other documents
    stay as they are.
    """
    mask = pc.fill_null(pc.equal(batch["language"], language), False)
    if not pc.any(mask).as_py():
        return batch
    model, encoder = _load_lm(lm), load_encoder(pieces)
    texts = normalise_for_lm(batch["text"].filter(mask))
    perplexities = [
        10.0 ** (-model.score(sentence) / (n_pieces + 1))
        for sentence, n_pieces in encoder.encode_as_sentences(texts)
    ]
    scored = pc.replace_with_mask(batch["perplexity"], mask, pa.array(perplexities, pa.float64()))
    return with_column(batch, "perplexity", scored)


def check_bucket_by_perplexity(
    *, cutoffs: dict[str, list[float] | FilePath], keep: list[str]
) -> None:
    """Raise ValueError for cut-offs that are not two ascending numbers, and for unknown buckets."""
    unknown = sorted(set(keep) - set(BUCKETS))
    if unknown:
        raise ValueError(f"keep: {unknown[0]!r} is none of {', '.join(BUCKETS)}")
    for language, given in cutoffs.items():
        limits = _limits(given, language)
        if len(limits) != 2 or not limits[0] <= limits[1]:
            raise ValueError(f"cutoffs of {language}: expected two ascending numbers, not {limits}")


def _limits(given: list[float] | FilePath, language: str) -> list[float]:
    """Return the two cut-offs of a language, as the recipe or a model's card gives them."""
    return _cutoffs_of_card(given, language) if isinstance(given, str) else given


@checked_by(check_bucket_by_perplexity)
def bucket_by_perplexity(
    batch: pa.RecordBatch, *, cutoffs: dict[str, list[float] | FilePath], keep: list[str]
) -> pa.RecordBatch:
    """Write ``bucket`` by perplexity, and drop the documents whose bucket is not in ``keep``.

    ``cutoffs`` has two ascending perplexities for each language, or the card of the language model,
    which holds them. A perplexity under the first is in ``head``, one under the second in
    ``middle``, and any other in ``tail``. Documents in other languages, or without a perplexity,
    have no bucket and stay. Raises ValueError where the parameters are not as described.
    """
    check_bucket_by_perplexity(cutoffs=cutoffs, keep=keep)
    perplexities = pc.fill_null(batch["perplexity"], np.nan).to_numpy(zero_copy_only=False)
    buckets = np.full(batch.num_rows, None, object)
    for language, given in cutoffs.items():
        limits = _limits(given, language)
        is_language = pc.fill_null(pc.equal(batch["language"], language), False)
        rows = np.flatnonzero(is_language.to_numpy(zero_copy_only=False) & ~np.isnan(perplexities))
        places = np.searchsorted(limits, perplexities[rows], side="right")
        buckets[rows] = np.array(BUCKETS, object)[places]
    batch = with_column(batch, "bucket", pa.array(buckets, pa.string()))
    for bucket in BUCKETS:
        if bucket not in keep:
            batch = drop(batch, buckets == bucket, f"perplexity_{bucket}")
    return batch


@functools.cache
def _cutoffs_of_card(path: str, language: str) -> list[float]:
    """Read the two cut-offs of a language from the card of its language model."""
    try:
        card = json.loads(Path(path).read_text("utf-8"))
        if card["kind"] == "language_model" and card["parameters"]["language"] == language:
            return [float(cutoff) for cutoff in card["scores"]["perplexity_cutoffs"]]
    except (ValueError, KeyError, TypeError):
        pass
    raise ValueError(f"cutoffs of {language}: {path} is no card of a language model of it")

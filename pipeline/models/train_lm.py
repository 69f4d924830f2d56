"""``corpus train-lm``: CCNet's language model of one language, with perplexity cut-offs.

For English, the files in the output folder are ``en.sp.model``, ``en.arpa.bin`` and its card. They
are made in stages whose results are kept: the samples, the pieces, the ARPA file, the binary file,
and the cut-offs, which are in the card.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import RunError
from pipeline.files import storage
from pipeline.models.derive import derived_recipe, source_entry, source_of
from pipeline.models.lm_training import build_binary, count_ngrams, kenlm_tools, lines_for_pieces
from pipeline.models.model_card import card_path, write_card
from pipeline.models.sample import Sample, card_data, sample_documents
from pipeline.models.stages import open_training, whole_file
from pipeline.output import whole_files
from pipeline.recipe.recipe import Recipe
from pipeline.runners.execution import Execution
from tokenizer.train import train_lm_pieces
from transforms.documents import FilePath
from transforms.scoring.perplexity import score_perplexity

SAMPLE = "sample"
"""Name of the folder of the samples, in the output folder."""

ARPA = "work/lm.arpa"
"""Name of the ARPA file."""

CUTOFF_PERCENTILES = (30, 60)
"""CCNet's percentiles of perplexity: ``head`` is below the first, ``middle`` below the second."""


@dataclass(frozen=True)
class LanguageModelOptions:
    """Sources and parameters of a language model."""

    language: str
    source: str  # source to train on
    web_source: str  # source whose perplexities the cut-offs divide
    sample_bytes: int  # bytes of text to train on
    pieces_bytes: int  # bytes of these to learn the pieces from
    web_sample_bytes: int  # bytes of web text to measure the cut-offs on
    held_out_fraction: float  # part of the documents to test on
    pieces: int  # number of SentencePiece pieces
    order: int  # pieces in the longest n-grams
    prune: tuple[int, ...]  # counts up to which n-grams of each order are removed
    structure: str  # probing or trie
    quantise_bits: int  # bits of a trie's probabilities; 0: no quantisation
    memory: str  # memory in which lmplz sorts, such as 1G

    @property
    def model(self) -> str:
        """Name of the model's file."""
        return f"{self.language}.arpa.bin"

    @property
    def pieces_model(self) -> str:
        """Name of the file of its SentencePiece pieces."""
        return f"{self.language}.sp.model"


def train_lm(
    recipe: Recipe, options: LanguageModelOptions, output: str, execution: Execution, *,
    kenlm: str | None = None, start_over: bool = False, where: str = "recipe",
) -> dict[str, Any]:  # fmt: skip
    """Train a language model in the folder ``output``, or continue a training stopped there.

    It is trained on documents of ``options.source`` in the language, after all steps of the source.
    A fixed part of them, chosen by a hash of the id, is held out. The cut-offs are percentiles of
    the perplexity of documents of ``options.web_source`` in the language, before that source's step
    ``score_perplexity``. ``kenlm`` is the folder of KenLM's programs. Returns the card.

    Raises RunError before any work if the programs are missing or the folder holds something else,
    and later if the sample is too small.
    """
    tools = kenlm_tools(kenlm)
    entries = _entries(recipe, options)
    stages = (options.pieces_model, ARPA, options.model)
    open_training(output, {**asdict(options), "sources": entries}, stages, start_over)
    if storage.exists(storage.join(output, card_path(options.model))):
        return storage.read_json(storage.join(output, card_path(options.model)))
    budgets = {"train": options.sample_bytes, "web": options.web_sample_bytes}
    samples = sample_documents(
        derived_recipe(recipe, entries), storage.join(output, SAMPLE), execution, budgets,
        where=where,
    )  # fmt: skip
    for role, name in (("train", options.source), ("web", options.web_source)):
        if not samples[role].documents:
            raise RunError(f"source {name} has no document in the language {options.language}")
    n_held_out = int(samples["train"].documents * options.held_out_fraction)
    n_train = samples["train"].documents - n_held_out
    _train(samples["train"], n_train, options, output, tools)

    held_out = _perplexities(_rows(samples["train"], n_train, None), options, output)
    web = _perplexities(samples["web"].read(), options, output)
    card = write_card(
        output,
        options.model,
        kind="language_model",
        data={
            **card_data(where, storage.join(output, SAMPLE), samples),
            "held_out_documents": n_held_out,
            "pieces_sha256": storage.sha256_of(storage.join(output, options.pieces_model)),
        },
        parameters=asdict(options),
        scores={
            "perplexity_cutoffs": np.percentile(web, CUTOFF_PERCENTILES).tolist(),
            "perplexity": {
                f"{options.source}, held out": _spread(held_out),
                options.web_source: _spread(web),
            },
        },
        packages=("kenlm", "sentencepiece"),
    )
    storage.remove(output, "work")
    return card


def _entries(recipe: Recipe, options: LanguageModelOptions) -> dict[str, dict[str, Any]]:
    """Return the recipe entries of the two sources, named ``train`` and ``web``."""
    languages = [options.language]
    step = score_perplexity.__name__
    if step not in [one.name for one in source_of(recipe, options.web_source).steps]:
        raise RunError(f"source {options.web_source} has no step {step}, ahead of which it is cut")
    return {
        "train": source_entry(recipe, options.source, languages=languages),
        "web": source_entry(recipe, options.web_source, languages=languages, ahead_of=[step]),
    }


def _train(
    sample: Sample, n_train: int, options: LanguageModelOptions, output: str, tools: Path
) -> None:
    """Make the pieces, the ARPA file and the binary file, unless they exist."""
    pieces = Path(output, options.pieces_model)
    if not pieces.exists():
        lines = lines_for_pieces(_rows(sample, 0, n_train), options.pieces_bytes)
        whole_files.write_bytes(
            output, options.pieces_model, train_lm_pieces(lines, options.pieces)
        )
    if Path(output, options.model).exists():
        return
    if not Path(output, ARPA).exists():
        with whole_file(output, ARPA) as path:
            count_ngrams(
                _rows(sample, 0, n_train), str(pieces), path, tools,
                order=options.order, prune=options.prune, memory=options.memory,
            )  # fmt: skip
    with whole_file(output, options.model) as path:
        build_binary(
            Path(output, ARPA), path, tools,
            structure=options.structure, quantise_bits=options.quantise_bits,
        )  # fmt: skip


def _rows(sample: Sample, start: int, stop: int | None) -> Iterator[pa.RecordBatch]:
    """Yield the documents of a sample from index ``start`` up to, not including, ``stop``."""
    at = 0
    for batch in sample.read():
        first = max(start - at, 0)
        last = batch.num_rows if stop is None else min(stop - at, batch.num_rows)
        if first < last:
            yield batch.slice(first, last - first)
        at += batch.num_rows


def _perplexities(
    batches: Iterator[pa.RecordBatch], options: LanguageModelOptions, output: str
) -> npt.NDArray[np.float64]:
    """Return the perplexity of each document, computed by the step ``score_perplexity``."""
    lm, pieces = (
        FilePath(storage.join(output, name)) for name in (options.model, options.pieces_model)
    )
    scored = [
        score_perplexity(batch, language=options.language, lm=lm, pieces=pieces)["perplexity"]
        for batch in batches
    ]
    return pc.drop_null(pa.chunked_array(scored, pa.float64())).to_numpy()


def _spread(perplexities: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Return the number and the quartiles of perplexities, for the card."""
    names = ("lower quartile", "median", "upper quartile")
    if not len(perplexities):
        return {"documents": 0, **dict.fromkeys(names)}
    quartiles = np.percentile(perplexities, (25, 50, 75)).tolist()
    return {"documents": len(perplexities), **dict(zip(names, quartiles, strict=True))}

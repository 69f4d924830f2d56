"""From a recipe's Wikipedia to CCNet's language model of a language, with its perplexity cut-offs.

Files in the output folder: ``en.sp.model``, ``en.arpa.bin`` and its card (of English). They are
made in stages, each of which is kept: the samples, the pieces, the ARPA file, the binary, the
cut-offs, which are written into the card.
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
ARPA = "work/lm.arpa"
CUTOFF_PERCENTILES = (30, 60)
"""CCNet's: ``head`` lies under the first, ``middle`` under the second."""


@dataclass(frozen=True)
class LanguageModelOptions:
    """What a language model is made of, and how."""

    language: str
    source: str  # of the recipe: what it learns from
    web_source: str  # of the recipe: whose perplexities are cut
    sample_bytes: int  # of text that it learns from
    pieces_bytes: int  # of that, what the pieces are learnt from
    web_sample_bytes: int
    held_out_fraction: float
    pieces: int
    order: int
    prune: tuple[int, ...]  # for each order: n-grams seen no more often go
    structure: str  # probing or trie
    quantise_bits: int  # of a trie; 0: none
    memory: str  # that lmplz sorts in

    @property
    def model(self) -> str:
        """The name of the model's file."""
        return f"{self.language}.arpa.bin"

    @property
    def pieces_model(self) -> str:
        """The name of the file of its pieces."""
        return f"{self.language}.sp.model"


def train_lm(
    recipe: Recipe, options: LanguageModelOptions, output: str, execution: Execution, *,
    kenlm: str | None = None, start_over: bool = False, where: str = "recipe",
) -> dict[str, Any]:  # fmt: skip
    """Train a language model in the folder ``output``, or go on with one that was stopped there.

    It learns from documents of ``options.source`` in the language, as they are behind its steps; a
    fixed part of them, chosen by a hash of the id, is held out. The cut-offs are percentiles of the
    perplexity of documents of ``options.web_source`` in the language, as they stand ahead of its
    step ``score_perplexity``. ``kenlm`` is the folder of KenLM's programs. Returns the card.

    Raises RunError before any work where the programs are missing or the folder holds something
    else, and later where the sample does not suffice.
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
    """Return the two sources as they are read: ``train`` and ``web``."""
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
    """Make the pieces, the ARPA file and the binary, as far as they are not there."""
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
    """Yield the documents of a sample from the ``start``-th up to the ``stop``-th."""
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
    """Return the perplexity of every document, as the step ``score_perplexity`` computes it."""
    lm, pieces = (
        FilePath(storage.join(output, name)) for name in (options.model, options.pieces_model)
    )
    scored = [
        score_perplexity(batch, language=options.language, lm=lm, pieces=pieces)["perplexity"]
        for batch in batches
    ]
    return pc.drop_null(pa.chunked_array(scored, pa.float64())).to_numpy()


def _spread(perplexities: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Return quartiles, for the eye."""
    names = ("lower quartile", "median", "upper quartile")
    if not len(perplexities):
        return {"documents": 0, **dict.fromkeys(names)}
    quartiles = np.percentile(perplexities, (25, 50, 75)).tolist()
    return {"documents": len(perplexities), **dict(zip(names, quartiles, strict=True))}

"""``corpus train-classifier``: a fastText classifier that separates two sets of documents.

LLaMA keeps web pages that a linear classifier takes for pages cited by Wikipedia, not for random
pages. The classifier here follows RedPajama's: fastText with its default parameters, trained on
cited pages of at least 1,000 characters and as many random web pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import RunError
from pipeline.files import storage
from pipeline.models.classifier_training import (
    area_under_curve,
    probabilities,
    scores_at,
    train,
    training_lines,
)
from pipeline.models.derive import derived_recipe, source_entry
from pipeline.models.model_card import card_path, write_card
from pipeline.models.sample import Sample, card_data, sample_documents
from pipeline.models.stages import open_training, whole_file
from pipeline.output import whole_files
from pipeline.recipe.recipe import Recipe
from pipeline.runners.execution import Execution
from transforms.kernels.lines import document_keys
from transforms.scoring.language import classify, classify_top

CLASSIFYING_STEPS = (classify.__name__, classify_top.__name__)
"""Steps before which documents are taken from a source."""
SAMPLE = "sample"
"""Name of the folder of the sample, in the output folder."""

LINES = "work/lines.txt"
"""Name of the file of training lines."""

THRESHOLDS = (0.25, 0.5, 0.75)
"""Probabilities at which precision and recall are measured."""

LINES_AT_ONCE = 1_000
"""Documents of each set that are written at a time."""

MIN_HELD_OUT = 10
"""Fewest documents of a set to measure the classifier on."""


@dataclass(frozen=True)
class ClassifierOptions:
    """Sources and parameters of a classifier."""

    name: str  # name of the model's file, without its suffix
    positive: tuple[str, ...]  # sources of the positive set
    negative: tuple[str, ...]  # sources of the negative set
    cited_urls: str | None  # file of urls; the positive set has only these pages
    languages: tuple[str, ...]  # languages of the documents; empty: any
    labels: tuple[str, str]  # labels of the positive and the negative set
    sample_bytes: int  # bytes of text to draw for each set
    max_documents: int  # most documents of each set
    min_positive_chars: int  # fewest characters of a positive document
    held_out_fraction: float  # part of the documents to test on
    quantise: bool
    fasttext: Mapping[str, Any]  # parameters of fasttext.train_supervised

    @property
    def model(self) -> str:
        """Name of the model's file."""
        return f"{self.name}.{'ftz' if self.quantise else 'bin'}"


def train_classifier(
    recipe: Recipe, options: ClassifierOptions, output: str, execution: Execution, *,
    start_over: bool = False, where: str = "recipe",
) -> dict[str, Any]:  # fmt: skip
    """Train a classifier in the folder ``output``, or continue a training stopped there.

    Documents are taken as they are before the first classifying step of their source, or after all
    steps if it has none. A fixed part of each set, chosen by a hash of the id, is held out. Returns
    the model's card. It has precision and recall at some probabilities, the area under the ROC
    curve, and percentiles of the probability over the negative set, all measured on held-out
    documents. Raises RunError if the folder holds something else, or if a set is too small.
    """
    entries = {
        **_entries(recipe, options, "positive", options.cited_urls),
        **_entries(recipe, options, "negative", None),
    }
    described = {**asdict(options), "sources": entries}
    open_training(output, described, [options.model], start_over)
    if storage.exists(storage.join(output, card_path(options.model))):
        return storage.read_json(storage.join(output, card_path(options.model)))
    budgets = {
        name: options.sample_bytes // len(_of(entries, name.split("-")[0])) for name in entries
    }
    samples = sample_documents(
        derived_recipe(recipe, entries), storage.join(output, SAMPLE), execution, budgets,
        where=where,
    )  # fmt: skip
    sets = _sets(samples, options)
    n_documents = len(sets[0])
    n_held_out = int(n_documents * options.held_out_fraction)
    if n_held_out < MIN_HELD_OUT:
        raise RunError(
            f"{n_documents} documents of each set are too few: --held_out_fraction "
            f"{options.held_out_fraction:g} of them must be at least {MIN_HELD_OUT}"
        )
    if not Path(output, options.model).exists():
        _train([texts[:-n_held_out] for texts in sets], options, output)
    model = storage.join(output, options.model)
    positives, negatives = (
        probabilities(texts[-n_held_out:], model, options.labels[0]) for texts in sets
    )
    card = write_card(
        output,
        options.model,
        kind="classifier",
        data={
            **card_data(where, storage.join(output, SAMPLE), samples),
            "documents_of_each_set": n_documents,
            "held_out_of_each_set": n_held_out,
        },
        parameters={**dict(options.fasttext), "labels": list(options.labels)},
        scores={
            "area_under_curve": area_under_curve(positives, negatives),
            "at_probability": scores_at(positives, negatives, THRESHOLDS),
            "random_page_percentiles": {
                options.labels[0]: np.percentile(negatives, np.arange(101)).tolist()
            },
        },
        packages=("fasttext",),
    )
    storage.remove(output, "work")
    return card


def _entries(
    recipe: Recipe, options: ClassifierOptions, role: str, cited_urls: str | None
) -> dict[str, dict[str, Any]]:
    """Return the recipe entries of a set's sources, by the names ``ROLE-SOURCE``."""
    more = [{"keep_cited": {"urls": cited_urls}}] if cited_urls else []
    return {
        f"{role}-{name}": source_entry(
            recipe, name, ahead_of=CLASSIFYING_STEPS, languages=options.languages, more_steps=more
        )
        for name in (options.positive if role == "positive" else options.negative)
    }


def _of(names: Iterable[str], role: str) -> list[str]:
    return [name for name in names if name.startswith(f"{role}-")]


def _sets(samples: Mapping[str, Sample], options: ClassifierOptions) -> list[pa.ChunkedArray]:
    """Return the texts of the positive and the negative set, the same number of each.

    They are in the order of a hash of their ids, so every slice is a random sample.
    """
    sets = []
    for role, min_chars in (("positive", options.min_positive_chars), ("negative", 0)):
        tables = [
            pa.Table.from_batches([batch]).select(["id", "text"])
            for name in _of(samples, role)
            for batch in samples[name].read()
        ]
        if not tables:
            raise RunError(f"the {role} set has no documents")
        table = pa.concat_tables(tables)
        table = table.filter(pc.greater_equal(pc.utf8_length(table["text"]), min_chars))
        order = np.argsort(document_keys(table["id"].combine_chunks()), kind="stable")
        sets.append(table["text"].take(pa.array(order)))
    n = min(options.max_documents, *map(len, sets))
    return [texts[:n] for texts in sets]


def _train(sets: list[pa.ChunkedArray], options: ClassifierOptions, output: str) -> None:
    """Train on the texts of the two sets, taken alternately."""
    with whole_files.write_whole(output, LINES) as file:
        for start in range(0, len(sets[0]), LINES_AT_ONCE):
            lines = [
                training_lines(texts[start : start + LINES_AT_ONCE], label)
                for texts, label in zip(sets, options.labels, strict=True)
            ]
            file.write(b"".join(chain.from_iterable(zip(*lines, strict=True))))
    with whole_file(output, options.model) as path:
        train(Path(output, LINES), path, dict(options.fasttext), quantise=options.quantise)

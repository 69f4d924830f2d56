"""``corpus train-tokenizer``: a tokenizer trained on a sample of a recipe's documents."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import ERROR_NAME, RunError
from pipeline.files import storage
from pipeline.files.trusted import sealed, trusted
from pipeline.models.model_card import CardError, card_path, read_card, write_card
from pipeline.models.sample import Sample, card_data, sample_documents
from pipeline.output import whole_files
from pipeline.recipe.from_yaml import tokenizer_file
from pipeline.recipe.recipe import Recipe
from pipeline.runners.execution import Execution
from tokenizer.byte_level.training import check_byte_level, train_byte_level
from tokenizer.fertility import NOTHING, Fertility, fertility
from tokenizer.opening import Encoder, encoder_of, open_encoder
from tokenizer.train import OPTIONS, check_vocabulary_size, train_tokenizer

SENTENCEPIECE, BYTE_LEVEL = "sentencepiece", "byte_level_bpe"
"""Kinds of tokenizers that are trained."""


class Kind(NamedTuple):
    """What is trained: the kind of tokenizer, and the pattern that cuts text, if it needs one."""

    name: str = SENTENCEPIECE
    pattern: str | None = None

    @property
    def file(self) -> str:
        """The name of the model's file."""
        return "tokenizer.json" if self.name == BYTE_LEVEL else "tokenizer.model"

    @property
    def package(self) -> str:
        """The package that trains it."""
        return "tokenizers" if self.name == BYTE_LEVEL else "sentencepiece"

    def parameters(self) -> dict[str, Any]:
        """Return what the training depends on beside the vocabulary's size and the documents."""
        if self.pattern is None:
            return dict(OPTIONS)
        return {"model_type": BYTE_LEVEL, "pattern": self.pattern}

    def check(self, vocabulary_size: int) -> None:
        """Raise ValueError where this cannot be trained with so many pieces."""
        if self.pattern is None:
            check_vocabulary_size(vocabulary_size)
        else:
            check_byte_level(self.pattern, vocabulary_size)

    def train(self, texts: Iterator[str], vocabulary_size: int) -> bytes:
        """Train on documents; return the content of the model's file."""
        if self.pattern is None:
            return train_tokenizer(texts, vocabulary_size)
        return train_byte_level(texts, self.pattern, vocabulary_size)


HELD_OUT_FRACTION = 0.1
"""Part of the bytes drawn from a source that are held out, in whole documents."""


def make_tokenizer(
    recipe: Recipe,
    output: str,
    execution: Execution,
    *,
    vocabulary_size: int,
    sample_bytes: int,
    kind: Kind = Kind(),  # noqa: B008  a tuple of constants
    compare: str | None = None,
    start_over: bool = False,
    where: str = "recipe",
) -> dict[str, Any]:
    """Draw a sample, train a tokenizer, measure it, and write its card; return the card.

    Results that exist are not made again. ``sample_bytes`` are divided among the sources by their
    sampling proportions; a source with less text gives all it has. ``compare`` is the path of a
    tokenizer's file to measure on the same documents, or of a folder with one. ``where`` is the
    recipe's name in the card and in messages. Raises ValueError if the sample is too small for so
    many pieces, and RunError and RecipeError like
    :func:`pipeline.models.sample.sample_documents`.
    """
    kind.check(vocabulary_size)
    if sample_bytes < len(recipe.sources):
        raise RunError(f"a sample of {sample_bytes} bytes is nothing to train on; ask for more")
    if compare is not None:
        compare = tokenizer_file(compare)
        if not storage.exists(compare) or storage.is_folder(compare):
            raise RunError(f"{compare}: there is no such model to compare with")
    compared = open_encoder(trusted(compare)) if compare else None
    shares = {s.name: max(1, int(s.proportion * sample_bytes)) for s in recipe.sources}
    if start_over:
        for name in (kind.file, f"{kind.file}.card.md", card_path(kind.file)):
            storage.remove(output, name)
    samples = sample_documents(
        recipe, output, execution,
        {name: int(share / (1 - HELD_OUT_FRACTION)) for name, share in shares.items()},
        start_over=start_over, where=where,
    )  # fmt: skip
    divisions = {name: divide(sample, shares[name]) for name, sample in samples.items()}
    data = card_data(where, output, samples)
    for source in recipe.sources:
        division = divisions[source.name]
        data["sources"][source.name] |= {
            "proportion": source.proportion,
            "wanted_bytes": shares[source.name],
            "training_bytes": division.training_bytes,
            "has_its_share": division.training_bytes == shares[source.name],
        }
    parameters = {**kind.parameters(), "vocabulary_size": vocabulary_size}
    if not _is_trained(output, kind.file, data, parameters):
        total = sum(division.training_bytes for division in divisions.values())
        print(f"training {vocabulary_size:,} pieces on {total:,} bytes", file=sys.stderr)
        texts = (
            text
            for name, sample in samples.items()
            for text in training_texts(sample, divisions[name])
        )
        whole_files.write_bytes(output, kind.file, kind.train(texts, vocabulary_size))
    encoder = encoder_of(storage.read_bytes(storage.join(output, kind.file)), kind.file)
    scores = measure(encoder, compared, samples, divisions)
    if compare is not None and compared is not None:
        scores["compared_with"] = {
            compare: {"sha256": sealed(compare).sha256, "vocabulary_size": compared.vocabulary_size}
        }
    card = write_card(
        output, kind.file, kind="tokenizer", data=data, parameters=parameters, scores=scores,
        packages=[kind.package],
    )  # fmt: skip
    for name in ("work", ERROR_NAME):
        storage.remove(output, name)
    return card


def _is_trained(
    output: str, file: str, data: Mapping[str, Any], parameters: Mapping[str, Any]
) -> bool:
    """Tell whether the folder holds the model, trained on this sample.

    Raises RunError if it holds a model of other parameters.
    """
    try:
        card = read_card(storage.join(output, file), "tokenizer")
    except CardError:
        return False  # a model without its card was not finished
    for key, value in parameters.items():
        if card["parameters"].get(key) != value:
            raise RunError(
                f"{output} holds a tokenizer of other parameters: {key} was "
                f"{card['parameters'].get(key)}, is now {value}. Give another --output, or "
                "--start_over to remove what is there"
            )
    return bool(card["data"] == data)


class Division(NamedTuple):
    """The division of a source's sample into documents to train on and documents held out."""

    training_bytes: int
    training_documents: int  # the last of them may be cut off


def divide(sample: Sample, share_bytes: int) -> Division:
    """Divide a sample: its first ``share_bytes`` to train on, whole documents after them held out.

    If the sample is smaller than share and held-out part together, a tenth of it is held out. With
    two documents or more, at least one is held out.
    """
    lengths = np.concatenate(
        [np.zeros(0, np.int64), *(pc.binary_length(b["text"]).to_numpy() for b in sample.read())]
    )
    ends = np.cumsum(lengths, dtype=np.int64)
    wanted = min(share_bytes, int(sample.text_bytes * (1 - HELD_OUT_FRACTION)))
    if len(ends) > 1:
        wanted = min(wanted, int(ends[-2]))
    elif len(ends) == 1:
        wanted = min(share_bytes, sample.text_bytes)
    return Division(wanted, int(np.searchsorted(ends, wanted)) + 1 if wanted else 0)


def training_texts(sample: Sample, division: Division) -> Iterator[str]:
    """Yield the texts to train on; the last one is cut to the source's share of bytes."""
    left = division.training_bytes
    for batch in sample.read():
        for text in batch["text"].to_pylist():
            if left <= 0:
                return
            encoded = text.encode()
            yield text if left >= len(encoded) else encoded[:left].decode(errors="ignore")
            left -= len(encoded)


def held_out(sample: Sample, division: Division) -> Iterator[pa.RecordBatch]:
    """Yield the held-out documents of a sample, in batches."""
    skip = division.training_documents
    for batch in sample.read():
        rest = batch.slice(min(skip, batch.num_rows))
        skip -= batch.num_rows - rest.num_rows
        if rest.num_rows:
            yield rest


def measure(
    encoder: Encoder,
    compared: Encoder | None,
    samples: Mapping[str, Sample],
    divisions: Mapping[str, Division],
) -> dict[str, Any]:
    """Measure tokenizers on the held-out documents, by source and by language.

    Documents without a language are counted as ``not identified``.
    """
    encoders = {"": encoder} | ({"compared_": compared} if compared else {})
    by_source: dict[str, dict[str, Fertility]] = {}
    by_language: dict[str, dict[str, Fertility]] = {}
    n_documents = n_unchanged = 0
    for name, sample in samples.items():
        by_source[name] = dict.fromkeys(encoders, NOTHING)
        for batch in held_out(sample, divisions[name]):
            n_documents += batch.num_rows
            n_unchanged += _unchanged(encoder, batch["text"])
            languages = pc.fill_null(batch["language"], "not identified")
            for language in languages.unique().to_pylist():
                texts = batch["text"].filter(pc.equal(languages, pa.scalar(language)))
                counts = by_language.setdefault(language, dict.fromkeys(encoders, NOTHING))
                for prefix, one in encoders.items():
                    measured = fertility(one, texts)
                    counts[prefix] = counts[prefix].plus(measured)
                    by_source[name][prefix] = by_source[name][prefix].plus(measured)
    largest = sorted(by_language, key=lambda k: (-by_language[k][""].text_bytes, k))
    return {
        "encoded_by": encoder.method,
        "held_out_documents": n_documents,
        "decoded_unchanged": n_unchanged,
        "by_source": {name: _summary(counts) for name, counts in by_source.items()},
        "by_language": {name: _summary(by_language[name]) for name in largest},
    }


def _unchanged(encoder: Encoder, texts: pa.StringArray) -> int:
    """Count the texts that decode from their tokens unchanged."""
    ids, offsets = encoder.encode(texts, bos=False, eos=False)
    return sum(
        encoder.decode(ids[offsets[i] : offsets[i + 1]]) == text
        for i, text in enumerate(texts.to_pylist())
    )


def _summary(counts: Mapping[str, Fertility]) -> dict[str, Any]:
    """Return the tokenizer's counts and ratios, and the compared tokenizer's ratios."""
    summary = counts[""].summary()
    if "compared_" in counts:
        other = counts["compared_"].summary()
        summary |= {f"compared_{key}": other[key] for key in ("tokens_a_word", "bytes_a_token")}
    return summary

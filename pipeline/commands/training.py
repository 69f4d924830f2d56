"""The commands ``corpus train-lm``, ``cited-urls`` and ``train-classifier``.

They make models and lists that the steps of a recipe read: a language model, the addresses that
Wikipedia cites, and a classifier that recognises pages like those.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any

from pipeline.commands.common import print_json
from pipeline.commands.run_options import add_making_command, recipe_and_execution


def add_commands(commands: Any) -> None:
    """Add the commands to the parser of ``corpus``."""
    text = "train CCNet's language model and measure its cut-offs"
    _add_train_lm(add_making_command(commands, "train-lm", _command_train_lm, text))
    text = "list the addresses that a Wikipedia cites"
    one = add_making_command(commands, "cited-urls", _command_cited_urls, text)
    _option(one, "source", "wikipedia", "the recipe's source of wikitext")
    one.add_argument("--languages", metavar="A,B", help="only these of the source's languages")
    text = "train fastText to tell two sets apart"
    one = add_making_command(commands, "train-classifier", _command_train_classifier, text)
    _add_train_classifier(one)


def _add_train_lm(one: argparse.ArgumentParser) -> None:
    one.add_argument("--language", required=True, help="the language's code, as in the recipe")
    _option(one, "source", "wikipedia", "the recipe's source that it learns from")
    _option(one, "web_source", "commoncrawl", "the recipe's source whose perplexities are cut")
    _option(one, "sample_bytes", 1_000_000_000, "bytes of text to learn from")
    _option(one, "pieces_bytes", 200_000_000, "bytes of these to learn the pieces from")
    _option(one, "web_sample_bytes", 100_000_000, "bytes of web text to measure the cut-offs on")
    _option(one, "held_out_fraction", 0.02, "part of the documents to test on")
    _option(one, "pieces", 65_536, "SentencePiece pieces")
    _option(one, "order", 5, "words in the longest n-grams")
    _option(one, "prune", (0, 0, 0, 1, 1), "counts up to which n-grams of each order are removed")
    shapes = ("trie", "probing")
    _option(one, "structure", shapes[0], "structure of KenLM's binary file", choices=shapes)
    _option(one, "quantise_bits", 8, "bits of each probability in a trie; 0: no quantisation")
    _option(one, "memory", "1G", "memory in which lmplz sorts", metavar="SIZE")
    one.add_argument("--kenlm", metavar="DIR", help="folder of lmplz and build_binary")


def _add_train_classifier(one: argparse.ArgumentParser) -> None:
    one.add_argument("--positive", required=True, type=_names, metavar="SOURCE,...",
                     help="the recipe's sources of what is wanted")  # fmt: skip
    one.add_argument("--negative", required=True, type=_names, metavar="SOURCE,...",
                     help="the recipe's sources of random documents")  # fmt: skip
    one.add_argument("--cited_urls", metavar="FILE",
                     help="only pages on this list are positive; '': all pages")  # fmt: skip
    one.add_argument("--languages", type=_names, default=(), metavar="A,B",
                     help="only documents in these languages")  # fmt: skip
    _option(one, "name", "wikipedia_references", "name of the model's file, without its suffix")
    _option(one, "labels", ("wiki", "cc"), "labels of the two sets")
    _option(one, "sample_bytes", 1_500_000_000, "bytes of text of each set")
    _option(one, "max_documents", 300_000, "most documents of each set")
    _option(one, "min_positive_chars", 1_000, "fewest characters of a positive document")
    _option(one, "held_out_fraction", 0.1, "part of the documents to test on")
    _option(one, "lr", 0.1, "fastText's learning rate")
    _option(one, "dim", 100, "size of fastText's vectors")
    _option(one, "epoch", 5, "fastText's epochs")
    _option(one, "min_count", 1, "fewest times that fastText must see a word")
    _option(one, "word_ngrams", 1, "fastText's longest n-grams of words")
    one.add_argument("--quantise", action="store_true", help="compress the model to .ftz")


def _option(one: argparse.ArgumentParser, name: str, default: Any, text: str, **more: Any) -> None:
    """Add an option of its default's type; numbers of bytes may be written as 1e9."""
    shown = default
    read: Callable[[str], Any] = _count if name.endswith("_bytes") else type(default)
    if isinstance(default, tuple):
        shown = ",".join(map(str, default))
        read = _numbers if isinstance(default[0], int) else _names
    more.setdefault("metavar", _METAVARS.get(read))
    one.add_argument(
        f"--{name}", default=default, type=read, help=f"{text} (default: {shown})", **more
    )


def _count(text: str) -> int:
    return int(float(text))


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


_METAVARS: dict[Any, str] = {
    int: "N", _count: "N", float: "X", _numbers: "N,N,...", _names: "A,B"
}  # fmt: skip


def _show(card: dict[str, Any], options: argparse.Namespace) -> int:
    if options.json:
        return print_json(card)
    from pipeline.models.model_card import render

    print(render(card))
    return 0


def _command_train_lm(options: argparse.Namespace) -> int:
    from pipeline.models.train_lm import LanguageModelOptions, train_lm

    names = [field.name for field in dataclasses.fields(LanguageModelOptions)]
    recipe, how = recipe_and_execution(options)
    card = train_lm(
        recipe,
        LanguageModelOptions(**{name: getattr(options, name) for name in names}),
        options.output,
        how,
        kenlm=options.kenlm,
        start_over=options.start_over,
        where=options.recipe,
    )
    return _show(card, options)


def _command_cited_urls(options: argparse.Namespace) -> int:
    from pipeline.models.cited_urls import list_cited_urls

    recipe, how = recipe_and_execution(options)
    card = list_cited_urls(
        recipe,
        options.source,
        options.languages.split(",") if options.languages else [],
        options.output,
        how,
        start_over=options.start_over,
    )
    return _show(card, options)


def _command_train_classifier(options: argparse.Namespace) -> int:
    from pipeline.errors import RunError
    from pipeline.models.train_classifier import ClassifierOptions, train_classifier

    if len(options.labels) != 2 or len(set(options.labels)) != 2:
        raise RunError(f"--labels: expected two labels, A,B, found {','.join(options.labels)}")
    names = [field.name for field in dataclasses.fields(ClassifierOptions)]
    fasttext = {
        "lr": options.lr,
        "dim": options.dim,
        "epoch": options.epoch,
        "minCount": options.min_count,
        "wordNgrams": options.word_ngrams,
    }
    chosen = {name: getattr(options, name) for name in names if name != "fasttext"}
    recipe, how = recipe_and_execution(options)
    card = train_classifier(
        recipe,
        ClassifierOptions(**chosen, fasttext=fasttext),
        options.output,
        how,
        start_over=options.start_over,
        where=options.recipe,
    )
    return _show(card, options)

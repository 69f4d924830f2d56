"""Commands about tokenizers: ``train-tokenizer``, ``tokenizer convert``, ``retokenize``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from pipeline.commands.common import print_json
from pipeline.commands.run_options import (
    RUN_STATUS,
    add_making_command,
    add_workers,
    recipe_and_execution,
)
from pipeline.runners.names import DIRECT_RUNNERS

KINDS = ("sentencepiece", "byte_level_bpe")
"""Kinds of tokenizers that are trained; the first is LLaMA's."""

DEFAULT_VOCABULARY_SIZE = 32_000
"""Pieces of the tokenizer, as in the LLaMA paper."""

DEFAULT_SAMPLE_BYTES = 200_000_000
"""UTF-8 bytes of text to train on."""

SHOWN_LANGUAGES = 20
"""Sources or languages that a table of scores lists."""


def add_commands(commands: Any) -> None:
    """Add the command to the parser of ``corpus``."""
    text = "train a tokenizer on a sample of every source of a recipe"
    one = add_making_command(commands, "train-tokenizer", _command_train_tokenizer, text)
    one.add_argument("--kind", choices=KINDS, default=KINDS[0],
                     help=f"kind of tokenizer (default: {KINDS[0]})")  # fmt: skip
    one.add_argument("--pattern", metavar="NAME",
                     help="byte_level_bpe: what cuts text into words: gpt2, llama3, qwen2, o200k, "
                     "cl100k or deepseek")  # fmt: skip
    one.add_argument("--vocabulary_size", type=int, default=DEFAULT_VOCABULARY_SIZE, metavar="N",
                     help=f"pieces (default: {DEFAULT_VOCABULARY_SIZE:,})")  # fmt: skip
    one.add_argument("--sample_bytes", type=float, default=DEFAULT_SAMPLE_BYTES, metavar="N",
                     help="text to train on, divided by the recipe's proportions "
                     f"(default: {DEFAULT_SAMPLE_BYTES:,})")  # fmt: skip
    one.add_argument("--compare", metavar="MODEL",
                     help="a tokenizer of any kind to measure beside, or a folder with "
                     "one")  # fmt: skip
    _add_convert(commands)
    _add_retokenize(commands)


def _add_retokenize(commands: Any) -> None:
    text = "write a run's shards with another tokenizer, from their text"
    one = commands.add_parser(
        "retokenize", help=text, description=text, allow_abbrev=False, epilog=RUN_STATUS
    )
    one.add_argument("run", metavar="OUT", help="folder of a complete run")
    one.add_argument("--tokenizer", required=True, metavar="FILE",
                     help="the other tokenizer, or a folder with it")  # fmt: skip
    one.add_argument("--output", required=True, metavar="OUT2", help="folder of the new run")
    one.add_argument("--no_bos", action="store_true", help="put no begin of sequence ahead")
    one.add_argument("--no_eos", action="store_true", help="put no end of sequence behind")
    one.add_argument("--special_tokens_in_text", choices=("keep_as_text", "encode"),
                     default="keep_as_text", help="what special tokens become that are spelt out "
                     "in a document (default: keep_as_text)")  # fmt: skip
    one.add_argument("--marks_are_spaces", action="store_true",
                     help="take U+2581, which LLaMA's tokenizer loses, for a space")  # fmt: skip
    add_workers(one)
    one.add_argument("--start_over", action="store_true",
                     help="remove what an earlier command left in OUT2")  # fmt: skip
    one.add_argument("--json", action="store_true", help="print the counts as JSON")
    one.set_defaults(
        function=_command_retokenize, takes_beam_options=True, runner=DIRECT_RUNNERS[0]
    )


def _command_retokenize(options: argparse.Namespace) -> int:
    from pipeline.passes.shards.retokenise import retokenise
    from pipeline.runners.choose import available_memory, direct_execution

    how = direct_execution(
        options.workers, options.beam_arguments, options.output, available_memory()
    )
    made, was_complete = retokenise(
        options.run,
        options.output,
        options.tokenizer,
        how,
        bos=not options.no_bos,
        eos=not options.no_eos,
        special_tokens_in_text=options.special_tokens_in_text,
        marks_are_spaces=options.marks_are_spaces,
        start_over=options.start_over,
    )
    if options.json:
        return print_json(made)
    if was_complete:
        print(f"{options.output} is complete already; nothing to do, and nothing was changed")
    print(f"{made['documents']:,} documents, {made['tokens']:,} tokens in {options.output}")
    return 0


def _add_convert(commands: Any) -> None:
    text = "convert: write a SentencePiece BPE model as tokenizer.json, with the same ids"
    one = commands.add_parser("tokenizer", help=text, description=text, allow_abbrev=False)
    one.add_argument("action", choices=["convert"], help="what to do")
    one.add_argument("model", metavar="MODEL", help="a SentencePiece model")
    one.add_argument("to", metavar="FILE", help="the tokenizer.json to write")
    one.add_argument("--json", action="store_true", help="print what was written as JSON")
    one.set_defaults(function=_command_convert)


def _command_convert(options: argparse.Namespace) -> int:
    from pipeline.files import storage
    from tokenizer.convert import convert_model

    if storage.exists(options.to):
        raise ValueError(f"{options.to}: is there already; give another name")
    try:
        made = convert_model(storage.read_bytes(options.model))
    except ValueError as error:
        raise ValueError(f"{options.model}: {error}") from None
    storage.write_file(options.to, made)
    if options.json:
        return print_json({"model": options.model, "written": options.to, "bytes": len(made)})
    print(
        f"{options.to}: the ids of all texts are those of {options.model}, in the library\n"
        "tokenizers with encode_special_tokens, and in PreTrainedTokenizerFast of transformers\n"
        "with split_special_tokens. LlamaTokenizer differs for a text that begins with a space or\n"
        "that holds a special token spelt out."
    )
    return 0


def _command_train_tokenizer(options: argparse.Namespace) -> int:
    from pipeline.models.train_tokenizer import Kind, make_tokenizer

    if (options.kind == KINDS[0]) != (options.pattern is None):
        raise ValueError("--kind byte_level_bpe needs a --pattern, and no other kind has one")
    kind = Kind(options.kind, options.pattern)
    recipe, how = recipe_and_execution(options)
    card = make_tokenizer(
        recipe,
        options.output,
        how,
        vocabulary_size=options.vocabulary_size,
        sample_bytes=int(options.sample_bytes),
        kind=kind,
        compare=options.compare,
        start_over=options.start_over,
        where=options.recipe,
    )
    if options.json:
        return print_json(card)
    _show(card, f"{options.output}/{kind.file}")
    return 0


def _show(card: Mapping[str, Any], model: str) -> None:
    from pipeline.tables import show, table

    scores = card["scores"]
    sources = card["data"]["sources"]
    columns = ["source", "proportion", "bytes wanted", "bytes trained on", "documents drawn"]
    keys = ["proportion", "wanted_bytes", "training_bytes", "documents"]
    rows = [[name, *(source[key] for key in keys)] for name, source in sources.items()]
    show(table(f"What {model} was trained on", columns, rows), "")
    keys = ["documents", "text_bytes", "tokens", "tokens_a_word", "bytes_a_token"]
    if "compared_with" in scores:
        keys += ["compared_tokens_a_word", "compared_bytes_a_token"]
    for title, name in (("source", "by_source"), ("language", "by_language")):
        rows = [
            [key, *(counts[column] for column in keys)]
            for key, counts in list(scores[name].items())[:SHOWN_LANGUAGES]
        ]
        columns = [title, *(key.replace("_", " ") for key in keys)]
        show(table(f"Fertility on documents held out, by {title}", columns, rows), "")
    short = [name for name, source in sources.items() if not source["has_its_share"]]
    if short:
        show(f"Sources that gave less than their share: {', '.join(short)}.")
    show(f"The card is {model}.card.md, and .json for programs.")

"""The command ``corpus export``, which writes shards in the formats of other trainers.

It imports no Beam.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pipeline.commands.common import print_json
from pipeline.files import storage

FORMATS = ("olmo", "nanotron", "litdata", "mds", "hf", "megatron")
"""Formats that can be written, by the names that ``--format`` takes."""


def add_commands(commands: Any) -> None:
    """Add the command to the parser of ``corpus``."""
    text = "write the shards in the format of another trainer"
    one: argparse.ArgumentParser = commands.add_parser("export", help=text, description=text)
    one.add_argument("output", metavar="OUT", help="the output folder of a run")
    one.add_argument("--format", required=True, choices=FORMATS, dest="file_format",
                     help="format to write")  # fmt: skip
    one.add_argument("--to", required=True, metavar="DIR", help="folder to write")
    one.add_argument("--source", action="append", metavar="NAME", dest="sources",
                     help="this source only; may be given several times")  # fmt: skip
    parts = ("train", "validation")  # as the layout has them, which is not imported for a help text
    one.add_argument("--part", choices=parts, default="train", help="(default: train)")
    one.add_argument("--mixture", metavar="NAME",
                     help="proportions of an earlier mixture (default: the newest)")  # fmt: skip
    one.add_argument("--copy", action="store_true",
                     help="olmo, nanotron, megatron: copy token files, do not link")  # fmt: skip
    one.add_argument("--sequence_length", type=int, metavar="N",
                     help="mds: samples of N tokens, not documents")  # fmt: skip
    one.add_argument("--tokenizer", metavar="NAME",
                     help="nanotron: what loads the tokenizer (default: the model)")  # fmt: skip
    one.add_argument("--tokens", action="store_true", help="hf: token ids beside the text")
    one.add_argument("--json", action="store_true", help="print JSON")
    one.set_defaults(function=_command_export)


OPTIONS_OF = {
    "copy": ("olmo", "nanotron", "megatron"),
    "sequence_length": ("mds",),
    "tokenizer": ("nanotron",),
    "tokens": ("hf",),
}
"""Options that only some formats take, and which formats those are."""


def _command_export(options: argparse.Namespace) -> int:
    from pipeline.exports.write import export

    chosen = {name: getattr(options, name) for name in OPTIONS_OF}
    for name, formats in OPTIONS_OF.items():
        if chosen[name] and options.file_format not in formats:
            raise ValueError(f"--{name} is for --format {' or '.join(formats)}")
    if options.sequence_length is not None and options.sequence_length < 1:
        raise ValueError("--sequence_length: expected a number of tokens, 1 or more")
    if storage.is_remote(options.to):
        raise ValueError(f"--to {options.to}: exports are written on this machine; copy it there")
    description = export(
        options.output,
        Path(options.to),
        file_format=options.file_format,
        sources=options.sources,
        part=options.part,
        mixture=options.mixture,
        **chosen,
    )
    tokenizer = description["tokenizer"]
    if "eos_id" not in tokenizer:
        print(
            f"{options.to}: without the ids of begin and end: {tokenizer['model']} is not here, or "
            "is not the tokenizer that made the shards",
            file=sys.stderr,
        )
    if options.json:
        return print_json(description)
    from pipeline.tables import show, table

    rows = [[name, *(counts[c] for c in ("documents", "tokens", "proportion"))]
            for name, counts in description["sources"].items()]  # fmt: skip
    show(table(f"In {options.to}", ["source", "documents", "tokens", "proportion"], rows))
    return 0

"""The commands of ``corpus`` that find documents: ``search``, ``sample`` and ``tokens``."""

from __future__ import annotations

import argparse
from itertools import islice
from typing import TYPE_CHECKING, Any

from pipeline.commands.common import (
    add_choice_of_document,
    add_output_command,
    print_json,
    record_rows,
)

if TYPE_CHECKING:
    from rich.text import Text

SEARCH_STATUS = "0 found, 1 none found"
"""Exit statuses of the commands that look for documents, as their help text has them."""

HIT_STYLE = "bold black on bright_yellow"
"""Terminal style of a search hit."""

TOKEN_STYLES = ("black on bright_cyan", "black on bright_yellow")
"""Terminal styles of tokens, in turn, so that their boundaries can be seen."""


def add_commands(commands: Any) -> None:
    """Add the commands to the parser of ``corpus``."""
    one = add_output_command(commands, "search", _command_search,
                             "documents whose text or tokens hold something",
                             SEARCH_STATUS)  # fmt: skip
    one.add_argument("phrase", metavar="PHRASE", help="text, as it is written")
    one.add_argument("--regex", action="store_true", help="PHRASE is a regular expression")
    one.add_argument("--ignore_case", action="store_true", help="upper and lower case are the same")
    one.add_argument(
        "--tokens", action="store_true", help="search token ids: PHRASE is ids, as 1,2,3, or a text"
    )
    one.add_argument("--source", metavar="NAME", help="only its documents")
    one.add_argument("--limit", type=int, default=20, metavar="N",
                     help="documents to find before it stops (default: 20; 0: all)")  # fmt: skip

    one = add_output_command(commands, "sample", _command_sample,
                             "random documents, kept or dropped", SEARCH_STATUS)  # fmt: skip
    one.add_argument("-n", type=int, default=5, metavar="N", help="documents (default: 5)")
    one.add_argument("--seed", type=int, default=0, metavar="S",
                     help="the same seed draws the same documents (default: 0)")  # fmt: skip
    one.add_argument("--source", metavar="NAME", help="only its documents")
    one.add_argument("--language", metavar="CODE", help="only of this language")
    one.add_argument("--bucket", metavar="NAME", help="only of this perplexity bucket")
    one.add_argument("--domain", metavar="NAME", help="only of this domain of the sources")
    one.add_argument("--part", choices=("train", "validation", "dropped"),
                     help="only of this part (default: all that were kept)")  # fmt: skip
    one.add_argument("--dropped", action="store_true", help="the same as --part dropped")
    one.add_argument("--reason", metavar="R", help="dropped documents, for this reason")
    one.add_argument("--step", metavar="S", help="dropped documents, by this step")
    one.add_argument("--chars", type=int, default=500, metavar="N",
                     help="characters of each text to print (default: 500; 0: all); "
                     "JSON has all")  # fmt: skip

    one = add_output_command(commands, "tokens", _command_tokens,
                             "show a document with the boundaries of its tokens")  # fmt: skip
    add_choice_of_document(one)


def _command_search(options: argparse.Namespace) -> int:
    from pipeline.inspection.manifest import load_manifest
    from pipeline.inspection.search import search

    if options.tokens and (options.regex or options.ignore_case):
        raise ValueError("--tokens goes with neither --regex nor --ignore_case")
    if options.limit < 0:
        raise ValueError(f"--limit {options.limit}: a number of documents, or 0 for all")
    hits = search(
        options.output, load_manifest(options.output), options.phrase, tokens=options.tokens,
        regex=options.regex, ignore_case=options.ignore_case, source=options.source,
    )  # fmt: skip
    documents = list(islice(hits, options.limit)) if options.limit else list(hits)
    more = bool(options.limit) and next(hits, None) is not None
    if options.json:
        print_json({"documents": documents, "more": more})
        return 0 if documents else 1
    from pipeline.tables import show, shows_colours

    what = f"the tokens {options.phrase}" if options.tokens else options.phrase
    if not documents:
        show(f"No document has {what}")
        return 1
    styled = shows_colours()
    place = "token" if options.tokens else "character"
    show(f"Documents with {what}")
    for hit in documents:  # a block each, so that ids stand whole on a line, to be copied
        times = f"{hit['hits']:,} hits, the first" if hit["hits"] > 1 else "1 hit,"
        where = f"{hit['shard']} {hit['number']}: {times} at {place} {hit['position']:,}"
        show("", hit["id"], f"  {where}", _snippet(hit, styled))
    if more:
        show(f"\nThere are more than {len(documents)}; --limit N finds more of them.")
    return 0


def _snippet(hit: dict[str, Any], styled: bool) -> Text:
    """Return one line with a hit marked and the text around it."""
    from rich.text import Text

    from pipeline.tables import printable

    before, match, after = (
        printable(hit[name].replace("\n", " ")) for name in ("before", "found", "after")
    )
    if not styled:
        return Text(f"  {before}«{match}»{after}")
    return Text.assemble("  ", before, (match, HIT_STYLE), after)


def _command_sample(options: argparse.Namespace) -> int:
    from pipeline.inspection.document_rows import Filter
    from pipeline.inspection.draw import sample_documents
    from pipeline.inspection.manifest import load_manifest

    part = options.part
    if options.dropped or options.reason or options.step:
        if part not in (None, "dropped"):
            raise ValueError(f"--part {part} has no dropped documents; leave it out")
        part = "dropped"
    if options.domain and part == "dropped":
        raise ValueError("--domain: dropped documents have no domain")
    wanted = Filter(options.language, options.bucket, options.reason, options.step, options.domain)
    total, documents = sample_documents(
        options.output, load_manifest(options.output), n=options.n, seed=options.seed,
        wanted=wanted, source=options.source, part=part,
    )  # fmt: skip
    if options.json:
        print_json({"matching": total, "documents": documents})
        return 0 if documents else 1
    from pipeline.tables import show, table

    for document in documents:
        text = document["text"]
        shown = text[: options.chars] if options.chars else text
        title = f"Document {document['number']} of {document['shard']}"
        record = document["record"]
        show(record["id"], table(title, ["column", "value"], record_rows(record)), "", shown)
        left = len(text) - len(shown)
        show(f"... and {left:,} more characters\n" if left else "")
    show(f"{len(documents):,} of {total:,} documents that match")
    return 0 if documents else 1


def _command_tokens(options: argparse.Namespace) -> int:
    from pipeline.inspection.document_rows import open_tokens
    from pipeline.inspection.manifest import find_document, load_manifest
    from pipeline.inspection.piece_table import load_piece_table
    from pipeline.inspection.token_view import describe_tokens
    from pipeline.output.layout import refuse_text

    manifest = load_manifest(options.output)
    refuse_text(options.output, manifest)
    file, number = find_document(
        options.output, options.shard, options.n, options.id, options.random
    )
    ids = open_tokens(options.output, file)[number]
    view = describe_tokens(load_piece_table(manifest), ids)
    if options.json:
        return print_json({"shard": file.name, "number": number, **view})
    from pipeline.tables import show, shows_colours

    share = f", {view['bytes_a_token']:.3f} bytes a token" if ids.size else ""
    show(
        f"Document {number} of {file.name}: {view['token_count']:,} tokens, "
        f"{view['text_bytes']:,} bytes{share}",
        "",
        _with_boundaries([token["shown"] for token in view["tokens"]], shows_colours()),
    )
    return 0


def _with_boundaries(pieces: list[str], styled: bool) -> Text | str:
    """Mark the boundaries of tokens: by colours on a terminal (``styled``), else by bars."""
    from rich.text import Text

    from pipeline.tables import printable

    if not styled:
        return "|".join(pieces)
    styles = (TOKEN_STYLES[i % 2] for i in range(len(pieces)))
    return Text.assemble(*zip(map(printable, pieces), styles, strict=True))

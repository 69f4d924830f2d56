"""Contents of the page of one document: record, decisions, texts with removed lines, tokens."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from pipeline.files import storage
from pipeline.inspection.document_rows import DocumentFile, named_damage, open_tokens, read_rows
from pipeline.inspection.piece_table import PieceTable, document_text
from pipeline.inspection.token_view import Token, tokens_of
from pipeline.output.layout import DROPPED

MAX_CHARS = 200_000
"""Most characters of a text that are shown; a whole book is slow in a browser."""

MAX_TOKENS = 3_000
"""Most tokens of a document that are shown."""

_input_lock = threading.Lock()
"""Lock by which the input is read for one document at a time, since its steps load models."""


class Line(NamedTuple):
    """A line of a text as it was before a step."""

    text: str
    is_removed: bool


class Text(NamedTuple):
    """A document's text as it was before one of the steps, or in the shard."""

    title: str
    lines: list[Line]
    n_removed: int
    left_chars: int  # characters that are not shown


def describe(
    output: str, table: PieceTable | str, file: DocumentFile, number: int
) -> dict[str, Any]:
    """Collect all that a document's page shows.

    ``table`` may be a message instead, if the tokenizer cannot be read. Then no tokens are shown,
    and ``no_tokens`` is that message. If the input cannot be read any more, there are no decisions,
    and ``trouble`` says why. Raises DamagedFileError if the shard is damaged.
    """
    record = read_rows(file, [number])[number]
    page: dict[str, Any] = {"record": record, "decisions": [], "trouble": None, "fell_to": ""}
    page["no_tokens"] = table if isinstance(table, str) and file.part != DROPPED else None
    texts: list[Text] = []
    try:
        page["decisions"], last_text, page["fell_to"] = _history(output, file, record)
        texts += _struck_texts(page["decisions"])
    except (OSError, ValueError) as error:
        page["trouble"] = str(error)
        last_text = None
    tokens: list[Token] = []
    if file.part == DROPPED:
        if last_text is not None and not page["decisions"][-1].get("removed_lines"):
            texts.append(_text("Text when it was dropped", last_text, frozenset()))
    elif not isinstance(table, str):
        reader = open_tokens(output, file)
        with named_damage(
            file.path if file.holds_text else storage.join(output, "shards", f"{file.name}.bin")
        ):
            ids = reader[number]
            texts.append(_text("Text in the shard", document_text(table, ids), frozenset()))
            if not table.is_of_bytes:
                tokens = tokens_of(table, ids, 0, min(MAX_TOKENS, len(ids)))
    return {**page, "texts": texts, "tokens": tokens}


def _history(
    output: str, file: DocumentFile, record: dict[str, Any]
) -> tuple[list[dict[str, Any]], str, str]:
    """Return the decisions, the text ahead of the last one, and what the document fell to."""
    from pipeline.inspection.explain import fell_to_of, follow, told_of

    with _input_lock:
        history = follow(
            output,
            [record["id"]],
            source=file.source,
            shard=file.shard,
            dropped_by_steps={record["step"]} if file.part == DROPPED else None,
            with_texts=True,
        )[record["id"]]
        # Only what is noted, so that a page does not wait for a search.
        fell_to = fell_to_of(output, history, deadline=0)
    return history.decisions, history.text_before, told_of(fell_to)


def _struck_texts(decisions: list[dict[str, Any]]) -> list[Text]:
    """Return the texts before the steps that removed lines, with those lines marked."""
    return [
        _text(
            f"Text ahead of {decision['step']}",
            decision["text_before"],
            frozenset(line["line"] for line in decision["removed_lines"]),
        )
        for decision in decisions
        if decision.get("removed_lines")
    ]


def _text(title: str, text: str, removed: frozenset[int]) -> Text:
    shown = text[:MAX_CHARS]
    lines = [Line(line, i in removed) for i, line in enumerate(shown.split("\n"))]
    return Text(title, lines, len(removed), len(text) - len(shown))

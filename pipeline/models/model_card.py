"""The card of a model that a command made: its data, its parameters and its scores.

``MODEL.card.json`` is for programs, and ``MODEL.card.md`` shows the same to people. Keys of the
JSON:

=============  ====================================================================================
``kind``       ``tokenizer``, ``language_model``, ``classifier`` or ``url_list``
``model``      file name and SHA-256 of the model that the card belongs to
``data``       recipe, fingerprint of the inputs, documents and bytes of text of each source
``parameters`` parameters of the training
``scores``     measurements on documents that the model was not trained on
``versions``   versions of this package and of those that trained the model
=============  ====================================================================================

A card holds no time and no host name, so the same model has the same card.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.files import storage
from pipeline.output import whole_files
from pipeline.tables import cell

KEYS = ("kind", "model", "data", "parameters", "scores", "versions")
"""Keys of every card."""


class CardError(ValueError):
    """A card is missing, damaged or another model's; the message says which in one line."""


def card_path(model: str) -> str:
    """Return the path of a model's card."""
    return f"{model}.card.json"


def write_card(
    output: str,
    model: str,
    *,
    kind: str,
    data: Mapping[str, Any],
    parameters: Mapping[str, Any],
    scores: Mapping[str, Any],
    packages: Iterable[str],
) -> dict[str, Any]:
    """Write the two files of the card of the model ``output/model``; return the card.

    ``packages`` are the packages whose versions it lists, besides this one. The JSON is written
    last, so a model that has it is complete.
    """
    path = storage.join(output, model)
    card = {
        "kind": kind,
        "model": {
            "file": model.rsplit("/", 1)[-1],
            "sha256": storage.sha256_of(path),
        },
        "data": dict(data),
        "parameters": dict(parameters),
        "scores": dict(scores),
        "versions": {
            name: importlib.metadata.version(name) for name in sorted({"llama-corpus", *packages})
        },
    }
    whole_files.write_bytes(output, f"{model}.card.md", render(card).encode())
    whole_files.write_bytes(output, card_path(model), storage.json_bytes(card))
    return card


def read_card(model: str, kind: str) -> dict[str, Any]:
    """Read the card of the model at a path.

    Raises CardError if there is none, if it is of another ``kind``, or if it was written for
    another model.
    """
    path = card_path(model)
    if not storage.exists(path):
        raise CardError(f"{path}: the model {model} has no card; the command that makes it does")
    try:
        card = storage.read_json(path)
    except ValueError as error:
        raise CardError(f"{path}: damaged: {error}") from None
    if not isinstance(card, dict) or any(key not in card for key in KEYS):
        raise CardError(f"{path}: damaged: expected the keys {', '.join(KEYS)}")
    if card["kind"] != kind:
        raise CardError(f"{path}: the card of a {card['kind']}, expected one of a {kind}")
    if not storage.exists(model):
        raise CardError(f"{path}: its model {model} is not there")
    if card["model"].get("sha256") != storage.sha256_of(model):
        raise CardError(
            f"{path}: not the card of {model}, whose SHA-256 is another; make the model again"
        )
    return card


def render(card: Mapping[str, Any]) -> str:
    """Return a card as Markdown."""
    lines = [f"# {card['model']['file']}", "", f"A {card['kind'].replace('_', ' ')}."]
    for key in KEYS[1:]:
        lines += ["", f"## {key.capitalize()}", "", *_rendered(card[key])]
    return "\n".join(lines) + "\n"


def _rendered(value: Mapping[str, Any]) -> list[str]:
    """Render plain values as a list, and mappings as tables."""
    plain = {k: v for k, v in value.items() if not isinstance(v, Mapping)}
    lines = [f"- {_words(key)}: {_cell(item)}" for key, item in plain.items()]
    for key, item in value.items():
        if not isinstance(item, Mapping) or not item:
            continue
        rows = item if all(isinstance(v, Mapping) for v in item.values()) else {key: item}
        columns = list(dict.fromkeys(column for row in rows.values() for column in row))
        lines += ["", f"| {_words(key)} | {' | '.join(map(_words, columns))} |"]
        lines.append("| --- " * (len(columns) + 1) + "|")
        for name, row in rows.items():
            cells = " | ".join(_cell(row.get(column)) for column in columns)
            lines.append(f"| {_cell(name)} | {cells} |")
    return lines


def _words(key: str) -> str:
    return key.replace("_", " ").replace("|", "\\|")


def _cell(value: Any) -> str:
    text = f"{value:,.5g}" if isinstance(value, float) else cell(value)
    return text.replace("|", "\\|")

"""Deduplications that compare with earlier runs, by the indexes that these have written.

An index has a card, which names its files and says how they were made. A later run gives the paths
of the cards.
"""

from __future__ import annotations

import json
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

from transforms.dedup.deduplication import Deduplication
from transforms.documents import FilePath

CARD_FORMAT = "llama-corpus keys, version 2"
"""What the card of an index says that it is."""


@dataclass(frozen=True)
class IndexedDeduplication(Deduplication):
    """Writes what it compared, and compares with what earlier runs have written."""

    _: KW_ONLY
    index: bool = False  # write the keys that were compared, for `against` of later runs
    against: list[FilePath] | None = None  # cards of the indexes of earlier runs

    @property
    def told_on_card(self) -> dict[str, Any]:
        """What the card says beside the parameters."""
        return {}

    @classmethod
    def made_with(cls, **parameters: Any) -> dict[str, Any]:
        """Return what an index must have been made with, of a step's parameters and beside them."""
        return {}

    @classmethod
    def check(cls, *, against: list[str] | None = None, **parameters: Any) -> None:
        """Raise ValueError where a file of ``against`` is no card of an index of the kind."""
        wanted = cls.made_with(**parameters)
        for path in against or ():
            card = read_card(path)
            if card["unit"] != cls.__name__:
                raise ValueError(f"{path}: it is the card of {card['unit']}, not of {cls.__name__}")
            if (found := card["made_with"]) != wanted:
                raise ValueError(f"{path}: its index was made with {found}, not with {wanted}")


def read_card(path: str) -> dict[str, Any]:
    """Read the card of an index. Raises ValueError where the file is none."""
    try:
        card: dict[str, Any] = json.loads(Path(path).read_bytes())
        found = card["format"]
        if found == CARD_FORMAT and isinstance(card["files"], dict):
            _ = card["unit"], card["made_with"]
            return card
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path}: it is no card of an index") from None
    raise ValueError(f"{path}: it is the card of {found!r}, not of {CARD_FORMAT!r}")

"""tiktoken's files: a token in base64 and its rank a line."""

from __future__ import annotations

import base64
import binascii
import re

import numpy as np

from tokenizer.byte_level.known_patterns import PATTERNS, TIKTOKEN_KINDS, TiktokenKind
from tokenizer.byte_level.tokenizer_file import TokenizerFile, check_bytes

_LINE = re.compile(rb"[A-Za-z0-9+/]+={0,2} \d+\r?\n")

ENDING = ".tiktoken"
"""How the names of tiktoken's files end."""


def is_tiktoken(data: bytes) -> bool:
    """Tell whether a file begins as tiktoken's do."""
    return _LINE.match(data) is not None


def tiktoken_kind(name: str) -> TiktokenKind:
    """Return the kind of a tiktoken file by its name, without folders.

    Raises ValueError where the name does not say it.
    """
    parts = name.removesuffix(ENDING).split(".")
    for part in (parts[-1], parts[0]):
        if part in TIKTOKEN_KINDS:
            return TIKTOKEN_KINDS[part]
    raise ValueError(
        "a tiktoken file does not say how text is cut; name it NAME.PATTERN.tiktoken, with one of "
        f"{', '.join(TIKTOKEN_KINDS)}"
    )


def byte_level_of_tiktoken(data: bytes, name: str) -> TokenizerFile:
    """Read a tiktoken file. Raises ValueError where it is damaged, or its name says no kind."""
    kind = tiktoken_kind(name)
    tokens: dict[bytes, int] = {}
    for number, line in enumerate(data.splitlines(), 1):
        token, _, rank = line.partition(b" ")
        try:
            tokens[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error):
            raise ValueError(f"line {number} is not a token and its rank") from None
    check_bytes(tokens)
    behind = 1 + max(tokens.values())
    special = {
        text: number if number >= 0 else behind - 1 - number
        for text, number in kind.special.items()
    }
    left, right, made = _merges(tokens)
    return TokenizerFile(
        PATTERNS[kind.pattern],
        False,
        tokens,
        left, right, made, made,  # the rank of a merge is that of what it makes
        True,
        special,
        (),
        1 + max([*tokens.values(), *special.values()]),
        None if kind.bos is None else special[kind.bos],
        special[kind.eos],
    )  # fmt: skip


def _merges(tokens: dict[bytes, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all ways to make a token of two."""
    found = [
        (tokens[token[:cut]], tokens[token[cut:]], number)
        for token, number in tokens.items()
        for cut in range(1, len(token))
        if token[:cut] in tokens and token[cut:] in tokens
    ]
    left, right, made = np.array(found, np.int32).reshape(-1, 3).T
    return left.copy(), right.copy(), made.copy()

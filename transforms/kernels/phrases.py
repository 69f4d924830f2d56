"""Many phrases looked for at once, in any case of letters: the automaton of Aho and Corasick.

*Efficient string matching: an aid to bibliographic search* (1975). The automaton runs over
characters, not bytes: a table gives every code point the symbol of its lower case, and all code
points that stand in no phrase share one. So the time does not depend on the number of phrases.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from transforms.kernels.characters import WORD, character_at

_WHOLE_WORDS_END = 128


class PhraseScanner(NamedTuple):
    """An automaton over symbols; state 0 is the start. Up to seven kinds of phrases, a bit each."""

    symbols: npt.NDArray[np.uint16]  # of every code point; 0: in no phrase
    transitions: npt.NDArray[np.int32]  # [state, symbol]
    found: npt.NDArray[np.uint8]  # kinds that end in a state; 128: see whole_word_chars
    whole_word_chars: npt.NDArray[np.int32]  # of the longest phrase of whole words that ends here
    shorter: npt.NDArray[np.int32]  # state of the next shorter such phrase; 0: none
    whole_words_kind: int


def lower_characters(text: str) -> str:
    """Return the lower case of each character by itself, where that is one character."""
    return "".join(lower if len(lower := c.lower()) == 1 else c for c in text)


def make_scanner(
    parts: Mapping[int, Iterable[str]], whole_words: tuple[int, Iterable[str]]
) -> PhraseScanner:
    """Make the scanner of phrases that are found anywhere, and of those found as whole words only.

    ``parts`` has phrases by their kind, a power of two up to 64; ``whole_words`` is a kind and its
    phrases, which count where neither neighbour is part of a word (``\\w``).
    """
    alphabet: dict[str, int] = {}
    children: list[dict[int, int]] = [{}]
    found = [0]
    whole_word_chars = [0]
    kinds = [*parts.items(), whole_words]
    for number, (kind, phrases) in enumerate(kinds):
        for phrase in map(lower_characters, phrases):
            state = 0
            for c in phrase:
                symbol = alphabet.setdefault(c, len(alphabet) + 1)
                if symbol not in children[state]:
                    children[state][symbol] = len(children)
                    children.append({})
                    found.append(0)
                    whole_word_chars.append(0)
                state = children[state][symbol]
            if number < len(parts):
                found[state] |= kind
            elif state:
                whole_word_chars[state] = len(phrase)
    transitions = np.zeros((len(children), len(alphabet) + 1), np.int32)
    shorter = [0] * len(children)
    fallback = [0] * len(children)
    states = deque([0])
    while states:  # by length, so that what a state falls back to is finished
        state = states.popleft()
        back = fallback[state]
        transitions[state] = transitions[back]
        if state:
            found[state] |= found[back]
            shorter[state] = back if whole_word_chars[back] else shorter[back]
        if whole_word_chars[state] or shorter[state]:
            found[state] |= _WHOLE_WORDS_END
        for symbol, child in children[state].items():
            fallback[child] = int(transitions[back, symbol]) if state else 0
            transitions[state, symbol] = child
            states.append(child)
    return PhraseScanner(
        _symbols(alphabet),
        transitions,
        np.array(found, np.uint8),
        np.array(whole_word_chars, np.int32),
        np.array(shorter, np.int32),
        whole_words[0],
    )


def _symbols(alphabet: Mapping[str, int]) -> npt.NDArray[np.uint16]:
    symbols = np.zeros(0x110000, np.uint16)
    capitals = _capitals()
    for c, symbol in alphabet.items():
        symbols[[ord(c), *capitals.get(c, [])]] = symbol
    return symbols


@cache
def _capitals() -> dict[str, list[int]]:
    """Return, for each character that is a lower case, the code points whose lower case it is."""
    capitals: dict[str, list[int]] = {}
    for point in range(0x110000):
        lower = chr(point).lower()
        if len(lower) == 1 and ord(lower) != point:
            capitals.setdefault(lower, []).append(point)
    return capitals


@njit(cache=True, nogil=True)
def scan(scanner, classes, data, start, end):  # type: ignore[no-untyped-def]
    """Return the kinds of all phrases in the UTF-8 text ``data[start:end]``, one bit each."""
    symbols, transitions, found = scanner.symbols, scanner.transitions, scanner.found
    state = 0
    kinds = 0
    i = start
    while i < end:
        point, length = character_at(data, i)
        i += length
        state = transitions[state, symbols[point]]
        if found[state]:
            kinds |= found[state]
            if found[state] & _WHOLE_WORDS_END and _ends_whole_word(
                scanner, classes, data, start, i, end, state
            ):
                kinds |= scanner.whole_words_kind
    return kinds & ~_WHOLE_WORDS_END


@njit(cache=True, nogil=True)
def _ends_whole_word(scanner, classes, data, start, i, end, state):  # type: ignore[no-untyped-def]
    """Tell whether one of the phrases that end before ``i`` stands between other than words."""
    if i < end and classes[character_at(data, i)[0]] & WORD:
        return False
    if scanner.whole_word_chars[state] == 0:
        state = scanner.shorter[state]
    while state:
        first = i
        for _ in range(scanner.whole_word_chars[state]):
            first = _previous(data, first)
        if first == start or not classes[character_at(data, _previous(data, first))[0]] & WORD:
            return True
        state = scanner.shorter[state]
    return False


@njit(cache=True, nogil=True, inline="always")
def _previous(data, i):  # type: ignore[no-untyped-def]
    """Return where the UTF-8 character before ``i`` begins."""
    i -= 1
    while data[i] & 0xC0 == 0x80:
        i -= 1
    return i

"""Search for many phrases at once, in any case of letters, by an Aho-Corasick automaton.

See *Efficient string matching: an aid to bibliographic search* (1975). The automaton reads
characters, not bytes. A table maps every code point to the symbol of its lower case; all code
points that occur in no phrase share one symbol. The search time does not depend on the number of
phrases.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from transforms.kernels.characters import WORD, character_at, previous_character

_WHOLE_WORDS_END = 128
"""Flag of a state in which a phrase of whole words may end."""


class PhraseScanner(NamedTuple):
    """An automaton over symbols, which starts in state 0.

    It finds up to seven kinds of phrases. A kind is one bit. Phrases of one of the kinds match
    whole words only; the others match anywhere.
    """

    symbols: npt.NDArray[np.uint16]  # symbol of every code point; 0: in no phrase
    transitions: npt.NDArray[np.int32]  # next state, by [state, symbol]
    kinds: npt.NDArray[np.uint8]  # kinds of the phrases that end in a state, and _WHOLE_WORDS_END
    whole_word_chars: npt.NDArray[np.int32]  # length of the whole-word phrase that a state spells
    shorter: npt.NDArray[np.int32]  # state of the next shorter whole-word phrase; 0: none
    whole_words_kind: int


def lower_characters(text: str) -> str:
    """Return the text with each character in lower case, where that is one character."""
    return "".join(
        lower if len(lower := character.lower()) == 1 else character for character in text
    )


def make_scanner(
    parts: Mapping[int, Iterable[str]], whole_words: tuple[int, Iterable[str]]
) -> PhraseScanner:
    """Make a scanner of phrases that match anywhere, and of phrases that match whole words only.

    ``parts`` holds the phrases that match anywhere, by their kind, a power of two up to 64.
    ``whole_words`` is a kind and its phrases. They match where neither the character before nor the
    one after is part of a word (``\\w``).
    """
    alphabet: dict[str, int] = {}
    children: list[dict[int, int]] = [{}]
    kinds = [0]
    whole_word_chars = [0]
    for number, (kind, phrases) in enumerate([*parts.items(), whole_words]):
        for phrase in map(lower_characters, phrases):
            state = 0
            for character in phrase:
                symbol = alphabet.setdefault(character, len(alphabet) + 1)
                if symbol not in children[state]:
                    children[state][symbol] = len(children)
                    children.append({})
                    kinds.append(0)
                    whole_word_chars.append(0)
                state = children[state][symbol]
            if number < len(parts):
                kinds[state] |= kind
            elif state:
                whole_word_chars[state] = len(phrase)
    transitions = np.zeros((len(children), len(alphabet) + 1), np.int32)
    shorter = [0] * len(children)
    fallback = [0] * len(children)
    states = deque([0])
    while states:  # shorter prefixes first, so that the state to fall back to is finished
        state = states.popleft()
        back = fallback[state]
        transitions[state] = transitions[back]
        if state:
            kinds[state] |= kinds[back]
            shorter[state] = back if whole_word_chars[back] else shorter[back]
        if whole_word_chars[state] or shorter[state]:
            kinds[state] |= _WHOLE_WORDS_END
        for symbol, child in children[state].items():
            fallback[child] = int(transitions[back, symbol]) if state else 0
            transitions[state, symbol] = child
            states.append(child)
    return PhraseScanner(
        _symbols(alphabet),
        transitions,
        np.array(kinds, np.uint8),
        np.array(whole_word_chars, np.int32),
        np.array(shorter, np.int32),
        whole_words[0],
    )


def _symbols(alphabet: Mapping[str, int]) -> npt.NDArray[np.uint16]:
    symbols = np.zeros(0x110000, np.uint16)
    capitals = _capitals()
    for character, symbol in alphabet.items():
        symbols[[ord(character), *capitals.get(character, [])]] = symbol
    return symbols


@cache
def _capitals() -> dict[str, list[int]]:
    """Map each lower-case character to the other code points that have it as their lower case."""
    capitals: dict[str, list[int]] = {}
    for point in range(0x110000):
        lower = chr(point).lower()
        if len(lower) == 1 and ord(lower) != point:
            capitals.setdefault(lower, []).append(point)
    return capitals


@njit(cache=True, nogil=True)
def scan(scanner, classes, data, start, end):  # type: ignore[no-untyped-def]
    """Return the kinds of all phrases in the UTF-8 text ``data[start:end]``, one bit each."""
    symbols, transitions, kinds_of_state = scanner.symbols, scanner.transitions, scanner.kinds
    state = 0
    kinds = 0
    i = start
    while i < end:
        point, length = character_at(data, i)
        i += length
        state = transitions[state, symbols[point]]
        if kinds_of_state[state]:
            kinds |= kinds_of_state[state]
            if kinds_of_state[state] & _WHOLE_WORDS_END and _ends_whole_word(
                scanner, classes, data, start, i, end, state
            ):
                kinds |= scanner.whole_words_kind
    return kinds & ~_WHOLE_WORDS_END


@njit(cache=True, nogil=True)
def _ends_whole_word(scanner, classes, data, start, i, end, state):  # type: ignore[no-untyped-def]
    """Tell whether one of the phrases that end before byte ``i`` is made of whole words there."""
    if i < end and classes[character_at(data, i)[0]] & WORD:
        return False
    if scanner.whole_word_chars[state] == 0:
        state = scanner.shorter[state]
    while state:
        first = i
        for _ in range(scanner.whole_word_chars[state]):
            first = previous_character(data, first)
        if (
            first == start
            or not classes[character_at(data, previous_character(data, first))[0]] & WORD
        ):
            return True
        state = scanner.shorter[state]
    return False

"""Classes of characters: which characters an atom of a pattern matches.

The library ``tokenizers`` is asked, so that its tables of Unicode are used, whatever their version.
tiktoken's are the same. All code points that any version of Unicode has assigned stand in one text.
Splitting it by all atoms, one after another, gives runs of characters that all atoms treat alike.
One character of each run is asked about then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

LAST = 0x10FFFF
"""The last code point."""

ASKED = (range(0xD800), range(0xE000, 0x34000), range(0xE0000, 0xE1000))
"""Code points that are asked about. All others are unassigned or for private use; :data:`OTHERS`
stands for them."""

OTHERS = 0x40000
"""A code point that is treated as all that are not asked about."""

DIGITS = r"\p{Digits}"
"""The atom for what the library's ``Digits`` takes for a digit, by tables of its own."""

PAGE_BITS = 8
"""A page of the table of classes has two to this power of code points."""


class CodePointClasses(NamedTuple):
    """The class of every code point. Class 0 is for what no atom matches, if it is there."""

    pages: npt.NDArray[np.uint16]  # page of each 256 code points
    classes: npt.NDArray[np.uint8]  # classes of the code points of every page
    matches: npt.NDArray[np.bool_]  # [atom, class]


def code_point_classes(atoms: Sequence[str]) -> CodePointClasses:
    """Return the classes into which atoms divide all code points.

    Raises ValueError where the library does not know an atom.
    """
    asked = np.concatenate([np.arange(r.start, r.stop) for r in ASKED] + [np.array([OTHERS])])
    bounds = _alike(atoms, _text(asked))
    probes = asked[bounds[:-1]]
    of_run = np.array([_matching(atom, probes) for atom in atoms])
    members, class_of_run = np.unique(of_run, axis=1, return_inverse=True)
    of_code_point = np.full(LAST + 1, class_of_run.reshape(-1)[-1], np.uint8)
    of_code_point[asked] = np.repeat(class_of_run.reshape(-1), np.diff(bounds))
    pages, page_of = np.unique(
        of_code_point.reshape(-1, 1 << PAGE_BITS), axis=0, return_inverse=True
    )
    return CodePointClasses(page_of.reshape(-1).astype(np.uint16), pages.reshape(-1), members)


def _text(code_points: npt.NDArray[np.int64]) -> str:
    return code_points.astype("<u4").tobytes().decode("utf-32-le")


def _alike(atoms: Sequence[str], text: str) -> npt.NDArray[np.int64]:
    """Return the bounds of the runs of characters that all atoms treat alike."""
    from tokenizers import pre_tokenizers

    splits = pre_tokenizers.Sequence([_splitter(atom, "isolated") for atom in atoms])
    starts = [start for _, (start, _) in splits.pre_tokenize_str(text)]
    return np.array([*starts, len(text)], np.int64)


def _matching(atom: str, code_points: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Tell which of some characters, no two of them alike in all atoms, match an atom."""
    if atom == DIGITS:
        return _digits(code_points)
    found = np.ones(len(code_points), np.bool_)
    for _, (start, end) in _splitter(atom, "removed").pre_tokenize_str(_text(code_points)):
        found[start:end] = False
    return found


def _digits(code_points: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Tell which characters are digits: between letters, they are words of their own."""
    from tokenizers import pre_tokenizers

    text = "a" + "a".join(_text(code_points)) + "a"
    found = np.zeros(len(code_points), np.bool_)
    for _, (start, end) in pre_tokenizers.Digits().pre_tokenize_str(text):
        found[start // 2 : end // 2] = end == start + 1 and start % 2
    return found


def _splitter(atom: str, behaviour: str) -> Any:
    from tokenizers import Regex, pre_tokenizers

    if atom == DIGITS:
        return pre_tokenizers.Digits()
    try:
        return pre_tokenizers.Split(Regex(f"(?:{atom})+"), behaviour)
    except Exception as error:  # the library raises nothing more special
        raise ValueError(f"{atom}: {error}") from None

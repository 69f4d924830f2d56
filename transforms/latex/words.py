"""Commands that the expansion of macros has to look at. All others are copied."""

from __future__ import annotations

from functools import lru_cache

from transforms.latex.commands import EXECUTES_ARGUMENTS, FORMULA_EDGES, GROUP_BEGINS, GROUP_ENDS
from transforms.latex.conditionals import BRANCH_COMMANDS
from transforms.latex.definitions import DEFINERS
from transforms.latex.scan import INLINE_VERBATIM
from transforms.latex.switches import may_turn
from transforms.latex.writing import WITHOUT_TRACE

_OTHERS = "begin end makeatletter makeatother xspace @ifstar @ifnextchar ensuremath"
_MATTERS = frozenset(
    (
        *DEFINERS,
        *EXECUTES_ARGUMENTS,
        *GROUP_BEGINS,
        *GROUP_ENDS,
        *BRANCH_COMMANDS,
        *WITHOUT_TRACE,
        *_OTHERS.split(),
        *(token[1:] for token in FORMULA_EDGES),
        *(token[1:] for token in INLINE_VERBATIM),
    )
)


@lru_cache(maxsize=1 << 14)
def may_matter(word: str) -> bool:
    """Tell whether a command, which is no macro of the source, may be more than copied."""
    return word in _MATTERS or word.startswith("if") or may_turn(word)

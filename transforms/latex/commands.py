r"""Commands that matter to the expansion of macros: those of groups, and those of formulas."""

from __future__ import annotations

GROUP_BEGINS = {"begingroup": "begingroup", "bgroup": "{"}
"""Commands that open a group, with the kind of the group."""

GROUP_ENDS = {"endgroup": "begingroup", "egroup": "{"}
"""Commands that close a group, with the kind of the group."""

EXECUTES_ARGUMENTS = {
    "AtBeginDocument": 1,
    "AtEndPreamble": 1,
    "@ifpackageloaded": 3,
    "@ifundefined": 3,
    "IfFileExists": 3,
    "ifbool": 3,
    "ifcsdef": 3,
    "ifcsundef": 3,
    "ifthenelse": 3,
    "iftoggle": 3,
}
"""Commands that execute arguments in braces, with the number of the arguments.

Definitions in such an argument hold after it.
"""

FORMULA_EDGES = {r"\(": True, r"\[": True, r"\)": False, r"\]": False}
"""Commands that begin or end a formula, by whether a formula follows."""

_FORMULA_NAMES = "equation align eqnarray gather multline flalign alignat math displaymath"
FORMULAS = frozenset(f"{name}{star}" for name in _FORMULA_NAMES.split() for star in ("", "*"))
"""Environments that are formulas."""

_SET_AS_TEXT_NAMES = (
    "text mbox hbox fbox textrm textit textbf textsf texttt textsc textnormal intertext"
    " shortintertext footnote caption"
)
SET_AS_TEXT = frozenset(f"\\{name}" for name in _SET_AS_TEXT_NAMES.split())
"""Commands whose argument is text, also in a formula."""

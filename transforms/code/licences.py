"""Licences: a filter by families of licences, and recognition of a LICENSE file by its text."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import numpy as np
import pyarrow as pa
from license_expression import (
    AND,
    OR,
    ExpressionError,
    LicenseSymbol,
    LicenseWithExceptionSymbol,
    Licensing,
    ParseError,
    get_spdx_licensing,
)

from transforms.code.licence_clauses import left_over
from transforms.documents import checked_by, drop

FAMILIES: dict[str, frozenset[str]] = {
    "apache": frozenset({"apache-1.0", "apache-1.1", "apache-2.0"}),
    "bsd": frozenset(
        {
            "0bsd", "bsd-1-clause", "bsd-2-clause", "bsd-2-clause-freebsd", "bsd-2-clause-netbsd",
            "bsd-2-clause-patent", "bsd-2-clause-views", "bsd-3-clause", "bsd-3-clause-attribution",
            "bsd-3-clause-clear", "bsd-3-clause-lbnl", "bsd-4-clause", "bsd-4-clause-uc",
            "bsd-source-code",
        }
    ),
    "mit": frozenset(
        {"mit", "mit-0", "mit-cmu", "mit-feh", "mit-modern-variant", "x11", "expat"}
    ),
    "isc": frozenset({"isc"}),
}  # fmt: skip
"""SPDX identifiers of each family of licences, in lower case as in BigQuery.

ISC means the same as MIT, but is a family of its own, so that the three families of the LLaMA paper
hold nothing more. BSD licences that restrict use (BSD-Protection, the no-nuclear ones) are in no
family.
"""

_ALIASES = {
    "apache-license-2.0": "apache-2.0", "apache-license-version-2.0": "apache-2.0",
    "apache2": "apache-2.0", "apache-2": "apache-2.0", "mit-license": "mit",
    "the-mit-license": "mit", "bsd-2": "bsd-2-clause", "bsd-3": "bsd-3-clause",
    "new-bsd": "bsd-3-clause", "simplified-bsd": "bsd-2-clause",
}  # fmt: skip
MAX_EXPRESSION_CHARS = 2_000
"""Longest expression of licences that is read, in characters."""

_NO_LICENCE = frozenset({"", "none", "noassertion", "other", "null", "unknown"})
LICENCE_NAMES = frozenset().union(
    *FAMILIES.values(),
    {
        "agpl", "agpl-3.0", "artistic-2.0", "bsl-1.0", "cc0-1.0", "cddl-1.0", "cddl-1.1",
        "creative-commons", "epl-1.0", "epl-2.0", "eupl-1.2", "gpl", "gpl-1.0", "gpl-2.0",
        "gpl-3.0", "lgpl", "lgpl-2.0", "lgpl-2.1", "lgpl-3.0", "mpl-1.0", "mpl-1.1", "mpl-2.0",
        "unlicense", "wtfpl", "zlib",
    },
    {
        f"{name}-{versions}"
        for name in ("agpl-3.0", "gpl-2.0", "gpl-3.0", "lgpl-2.1", "lgpl-3.0")
        for versions in ("only", "or-later")
    },
)  # fmt: skip
"""Licences whose names may be part of a reason. Other names come from the data as they are."""


def check_keep_licences(*, families: list[str]) -> None:
    """Raise ValueError for families that are not in :data:`FAMILIES`."""
    unknown = sorted(set(families) - FAMILIES.keys())
    if unknown:
        known = ", ".join(FAMILIES)
        raise ValueError(f"no licence family is called {unknown[0]!r}; there are {known}")


@checked_by(check_keep_licences)
def keep_licences(batch: pa.RecordBatch, *, families: list[str]) -> pa.RecordBatch:
    """Drop documents whose ``licence`` in the metadata is in none of ``families``.

    The reason is ``licence_`` and the licence's name in lower case if it is one of
    :data:`LICENCE_NAMES`, ``licence_unknown`` where there is none, and otherwise ``licence_other``.
    A licence is an SPDX identifier in any case, or an expression of identifiers. One licence of
    ``A OR B`` must be in the families, and both of ``A AND B``. An exception of SPDX's list after
    ``WITH`` is ignored, because it only permits more; anything else there is a condition. What is
    no expression is ``licence_other``. Raises ValueError for families that are not in
    :data:`FAMILIES`.
    """
    check_keep_licences(families=families)
    kept = frozenset().union(*(FAMILIES[family] for family in families))
    licences = [json.loads(text or "{}").get("licence") for text in batch["metadata"].to_pylist()]
    refused = {licence: _refused(licence, kept) for licence in set(licences)}
    for name in sorted({name for name in refused.values() if name}):
        mask = np.fromiter((refused[licence] == name for licence in licences), np.bool_)
        batch = drop(batch, mask, f"licence_{name}")
    return batch


def licence_name(licence: str) -> str:
    """Return a licence's SPDX identifier in lower case, as in BigQuery, or ``unknown``."""
    name = re.sub(r"[\s_]+", "-", licence.strip().lower())
    name = _ALIASES.get(name, name)
    return "unknown" if name in _NO_LICENCE else name


def _refused(licence: str | None, kept: frozenset[str]) -> str | None:
    """Return the name of the licence for which a document is dropped, None if it is kept."""
    expression = " ".join((licence or "").split())
    if not expression.strip(" ()"):
        return "unknown"
    if len(expression) > MAX_EXPRESSION_CHARS:
        return "other"
    try:
        parsed = _expressions().parse(expression)
    except (ExpressionError, ParseError):
        return "other"
    refused = _refused_by(parsed, kept)
    known = refused is None or refused in LICENCE_NAMES or refused == "unknown"
    return refused if known else "other"


def _refused_by(parsed: Any, kept: frozenset[str]) -> str | None:
    """Return the first name for which an expression is refused, None where it is not."""
    if isinstance(parsed, AND | OR):
        refused = [_refused_by(part, kept) for part in parsed.args]
        if isinstance(parsed, OR) and None in refused:
            return None
        return next((name for name in refused if name is not None), None)
    if isinstance(parsed, LicenseWithExceptionSymbol):
        if not parsed.exception_symbol.is_exception:
            return f"{parsed.exception_symbol.key} is no exception of SPDX's list"
        parsed = parsed.license_symbol
    name = licence_name(parsed.key)
    return None if name.removesuffix("+") in kept else name


@functools.cache
def _expressions() -> Licensing:
    """Return the parser of expressions, which knows the exceptions of SPDX's list.

    Others, of the package's own list, may be restrictions. Licences are read as they are written,
    since BigQuery has other names for some.
    """
    symbols = get_spdx_licensing().known_symbols.values()
    exceptions = {
        symbol.key
        for symbol in symbols
        if symbol.is_exception and not symbol.key.startswith("LicenseRef-")
    }
    return Licensing([LicenseSymbol(key, is_exception=True) for key in sorted(exceptions)])


LICENCE_FILE = re.compile(
    r"(?:(?:un|mit-|apache-|bsd-)?licen[sc]es?|copying)"
    r"(?:[-._](?:mit|apache|bsd|isc|[al]?gpl|x11|0bsd|lesser|\d)[\w-]*)*"
    r"(?:\.(?:txt|md|rst|markdown|html))?",
    re.IGNORECASE,
)
"""Pattern of whole names of files that hold a licence's text."""

_GNU = r"gnu (affero|lesser|library)?\s?general public licen[sc]e"
_MARKS: list[tuple[str, re.Pattern[str]]] = [
    (name, re.compile(pattern))
    for name, pattern in [
        ("mpl-{}", r"mozilla public licen[sc]e(?: version)? v? ?([12] [01])"),
        ("epl-{}", r"eclipse public licen[sc]e (?:version |v )?([12] 0)"),
        ("cddl-{}", r"common development and distribution licen[sc]e (?:cddl )?version (1 [01])"),
        ("eupl-1.2", r"european union public licen[sc]e"),
        ("artistic-2.0", r"artistic licen[sc]e 2 0"),
        ("bsl-1.0", r"boost software licen[sc]e version 1 0"),
        ("unlicense", r"free and unencumbered software released into the public domain"),
        ("cc0-1.0", r"cc0 1 0 universal"),
        ("creative-commons", r"creative commons attribution"),
        ("wtfpl", r"do what the fuck you want to public licen[sc]e"),
        ("zlib", r"the origin of this software must not be misrepresented"),
        ("isc", r"permission to use copy modify and or distribute this software for any purpose "
                r"with or without fee is hereby granted provided"),
        ("0bsd", r"permission to use copy modify and or distribute this software for any purpose "
                 r"with or without fee is hereby granted(?! provided)"),
        ("apache-2.0", r"apache licen[sc]e version 2 0"),
        ("apache-1.1", r"apache software licen[sc]e version 1 1"),
    ]
]  # fmt: skip
_MIT = "permission is hereby granted free of charge to any person obtaining a copy of this software"
_MIT_NOTICE = "the above copyright notice and this permission notice"
_BSD = "redistribution and use in source and binary forms"
_PERMISSIVE = frozenset().union(*FAMILIES.values())


def licence_of_text(text: str) -> str | None:
    """Return the licence of a LICENSE file, recognised by its whole text.

    The licence is given as an SPDX identifier in lower case. If the text holds several licences,
    all are given, as ``a AND b``, because any of them may hold for any file. Returns None for an
    unknown text, and for one that holds more than the clauses of permissive licences and notices of
    copyright: what else it says may be a restriction, or the text of another licence that names
    this one.
    """
    words = " ".join(re.findall(r"[a-z0-9]+", text.lower()))
    licences = {
        name.format(".".join(match[1].split()) if pattern.groups else "")
        for name, pattern in _MARKS
        for match in pattern.finditer(words)
    }
    # The texts of these four licences mention the GNU licences.
    if not any(name.startswith(("mpl", "epl", "eupl", "cddl")) for name in licences):
        licences |= _gnu_licences(words)
    if _MIT in words:
        licences.add(_mit_kind(words))
    if _BSD in words and "apache-1.1" not in licences:
        licences.add(_bsd_kind(words))
    if licences <= _PERMISSIVE and left_over(text):
        return None
    return " AND ".join(sorted(licences)) or None


def _mit_kind(words: str) -> str:
    if _MIT_NOTICE not in words and "above copyright notice s and this" not in words:
        return "mit-0"
    return "x11" if "except as contained in this notice" in words else "mit"


def _bsd_kind(words: str) -> str:
    if "all advertising materials mentioning" in words:
        return "bsd-4-clause"
    if "endorse or promote" in words:
        return "bsd-3-clause"
    if "in binary form must reproduce" in words:
        return "bsd-2-clause"
    return "bsd-1-clause"


def _gnu_licences(words: str) -> set[str]:
    """Return the GNU licence that a text holds or names. The first counts: they name each other."""
    match = re.search(
        _GNU + r"(?: (?:as published by the free software foundation )?(?:either )?"
        r"version ([0-9])(?: ([0-9]))?(?: |$))?",
        words,
    )
    if not match:
        return set()
    short = {"affero": "agpl", "lesser": "lgpl", "library": "lgpl"}.get(match[1], "gpl")
    if match[2] is None:
        return {short}
    minor = match[3] if match[3] and short == "lgpl" and match[2] == "2" else "0"
    return {f"{short}-{match[2]}.{minor}"}

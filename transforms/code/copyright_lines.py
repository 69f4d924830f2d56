"""Lines of a licence's file that say whose the work is: its name, its authors, their copyright.

They are lines of names, years and addresses. A line that says more, such as a restriction behind
the name of a company, is none of them.
"""

from __future__ import annotations

import re

MAX_LINE_CHARS = 1_000
"""Longest line that may be one of copyright, in characters."""
MAX_NAME_WORDS = 40
"""Most words of a line of copyright."""
MAX_UNKNOWN_WORDS = 4
"""Most words without a capital that such a line may hold beside :data:`_USUAL_WORDS`."""
MAX_UNCASED_CHARS = 3
"""Most characters of a name in a script without capitals, as names in Chinese have."""
MAX_TITLE_LINES = 3
"""Most lines at the head of a file that name a project and who wrote it."""
MAX_TITLE_WORDS = 10
"""Most words of such a line."""

SAYING_WORDS = (
    r"academic|agree\w*|allow\w*|are|be|can|cannot|clause|commerc\w*|confidential|consent"
    r"|distribut\w*|do|does|educational|ethic\w*|evaluat\w*|evil|except|exclud\w*|fees?|forbid\w*"
    r"|grant(?:s|ed|ing)|has|have|internal|is|liab\w*|license[ds]?|limits?|limitations?|may"
    r"|military|must|never|no|non|noncommercial|not|only|paid|pay\w*|permi\w*|prior|prohibit\w*"
    r"|proprietary|purpose\w*|redistribut\w*|requir\w*|restrict\w*|royalt\w*|sell|sold|shall"
    r"|students?|trial|unless|use|used|users?|using|was|weapons?|were|will|without|written"
)
"""Pattern of words that no name holds: what has one says something."""

_SAYING = re.compile(SAYING_WORDS, re.IGNORECASE)
_FIRST_NAMES = frozenset({"Can", "May", "Will"})
_WORD = re.compile(r"\w+")
_COPYRIGHT = re.compile(
    r"\W*(?:\w+\s+[-–:]+\s+)?(?:(?:portions|parts|modifications|changes|originally|code|some|of"
    r"|this|software|is|are|and|the|original|work)\s+)*"
    r"(?:all\s+(?:other\s+)?contributions\b|@?copyrights?\b|\(c\)|©|&copy;)"
    r"(?!\s+(?:holders?|owners?|notices?|laws?|licen[sc]es?)\b)(?P<names>.*)",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"(?:,|\band|\bby|&)\s*$", re.IGNORECASE)
_ADDRESS = re.compile(
    r"<[^<>]*>|\S*(?:@|://|\.(?:com|org|net|io|de)\b)\S*|all rights reserved", re.I
)
_ASIDE = re.compile(r"\([^()]*\)")
_SENTENCE_END = re.compile(
    r"(?<=\w{3})(?<!\binc)(?<!\bltd)(?<!\bllc)(?<!corp)(?<!gmbh)[.]\s+(?=\w)", re.IGNORECASE
)
_USUAL_WORDS = frozenset(
    """a al all an and at authors below by c co com contributors copyright de del der developers et
    file files for foundation from git github group his http https in inc individual io its list
    listed llc ltd mailto maintainers name net of on or org other others owner owners present
    project reserved rights see team the to und van von with www year years yyyy""".split()  # noqa: SIM905
)
_LICENCE_OF_PROJECT = re.compile(r"(?<=\w)\s+(?:software\s+)?licen[sc]e\s*$", re.IGNORECASE)
_NO_TITLE = re.compile(r"licen|\b(?:free|for)\b|^(?!.*\bby\b).*(?:,|[.!;]\s*$)", re.IGNORECASE)


def without_copyright_lines(lines: list[str]) -> list[str]:
    """Return a licence's lines without those at its head that name its project, and of copyright.

    A notice of copyright goes on in lines that hold names alone.
    """
    kept = []
    after_notice = False
    before = ""
    for line in _without_title(lines):
        notice = _COPYRIGHT.match(line) if len(line) <= MAX_LINE_CHARS else None
        if notice and _is_names(notice["names"]):
            after_notice = True
        elif notice or not after_notice or not _is_names(line, is_open=_goes_on(before)):
            kept.append(line)
            after_notice = False
        before = line
    return kept


def _goes_on(line: str) -> bool:
    return bool(_GOES_ON.search(line))


def _without_title(lines: list[str]) -> list[str]:
    worded = [i for i, line in enumerate(lines) if _WORD.search(line)]
    for i in worded[:MAX_TITLE_LINES]:
        if len(lines[i]) > MAX_LINE_CHARS:
            return lines[i:]
        title = _LICENCE_OF_PROJECT.sub("", lines[i])
        is_long = len(_WORD.findall(title)) > MAX_TITLE_WORDS
        if is_long or _NO_TITLE.search(title) or _COPYRIGHT.match(title) or not _is_names(title):
            return lines[i:]
    return lines[worded[MAX_TITLE_LINES] :] if len(worded) > MAX_TITLE_LINES else []


def _is_names(text: str, *, is_open: bool = True) -> bool:
    """Tell whether a text is of names, years and addresses, and says nothing.

    ``is_open`` tells whether words without a capital that are not usual ones may be names too.
    Behind the end of a sentence all words must be usual ones.
    """
    if len(text) > MAX_LINE_CHARS:
        return False
    text = _ADDRESS.sub(" ", text)
    text = text.lower() if text.isupper() else text
    words = _WORD.findall(text)
    says = any(_SAYING.fullmatch(word) and word not in _FIRST_NAMES for word in words)
    if says or len(words) > MAX_NAME_WORDS:
        return False
    names, *sentences = _SENTENCE_END.split(_ASIDE.sub(" ", text))
    unknown = [word for word in _WORD.findall(names) if _is_unknown(word)]
    if len(unknown) > (MAX_UNKNOWN_WORDS if is_open else 0):
        return False
    if any(word == word.upper() and len(word) > MAX_UNCASED_CHARS for word in unknown):
        return False
    behind = _WORD.findall(" ".join(sentences))
    return all(word.isdigit() or word.lower() in _USUAL_WORDS for word in behind)


def _is_unknown(word: str) -> bool:
    return word[0].isalpha() and not word[0].isupper() and word not in _USUAL_WORDS

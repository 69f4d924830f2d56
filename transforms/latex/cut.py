"""The body of a LaTeX paper: its text from the first section on, without the bibliography."""

from __future__ import annotations

import re
from itertools import islice

from transforms.latex.scan import Scan, brace_pairs

_BEGIN_DOCUMENT = re.compile(r"\\begin[ \t]*\{document\}")
_END_DOCUMENT = re.compile(r"\\end[ \t]*\{document\}")
_SECTION = re.compile(r"\\(?:part|chapter|section)(?![A-Za-z@])\*?[ \t\n]*(?=[\[{])")
_OPTION = re.compile(r"\[[^\]]{0,500}\][ \t\n]*")
_BACK_MATTER = re.compile(
    r"\W*(?:acknowledge?ments?|funding|references|bibliography|supplement|supporting|appendi"
    r"|data availability|code availability|author contributions?|competing interests)",
    re.IGNORECASE,
)
_FRONT_MATTER = re.compile(r"\W*(?:abstract|keywords?|(?:table of )?contents)\W*\Z", re.IGNORECASE)
# Pandoc puts a section's heading into the last argument of this command.
_HYPERTARGET = re.compile(r"\\hypertarget\{[^{}]{0,200}\}\{\s*\Z")
_APPENDIX = re.compile(r"\\appendix(?![A-Za-z@])|\\begin[ \t]*\{appendi(?:x|ces)\*?\}")
_FLOAT = re.compile(r"\\begin[ \t]*\{(?:figure|table|deluxetable)\*?\}")
_TITLE = re.compile(r"\\title(?![A-Za-z@])[ \t\n]*(?:\[[^\]]{0,500}\][ \t\n]*)?(?=\{)")
_ABSTRACT = re.compile(
    r"\\begin[ \t]*\{(abstract\*?|onecolabstract)\}|\\abstract(?![A-Za-z@])[ \t\n]*(?=\{)"
)
_MAKETITLE = re.compile(r"\\maketitle(?![A-Za-z@])|\\end[ \t]*\{(?:frontmatter|titlepage)\}")
_BIBLIOGRAPHY = re.compile(
    r"\\begin[ \t]*\{(?P<environment>thebibliography|references|bibdiv|biblist)\*?\}"
    r"|\\(?P<file>bibliography)(?![A-Za-z@])[ \t\n]*\{[^{}]{0,2000}\}"
    r"|\\(?:bibliographystyle|nocite)(?![A-Za-z@])[ \t\n]*\{[^{}]{0,2000}\}"
    r"|\\print(?:bibliography|bibheading)(?![A-Za-z@])[ \t]*(?:\[[^\]]{0,500}\])?"
)
_BIBLIOGRAPHY_ENVIRONMENT = re.compile(r"\\begin[ \t]*\{thebibliography\}")
_REFERENCES_HEADING = re.compile(
    r"\\(?:section|chapter)\*?[ \t]*\{\W*(?:references|bibliography|literature cited)\W*\}\s*\Z",
    re.IGNORECASE,
)
_CENTRED = r"\\(?:begin|end)[ \t]?\{(?:center|flushleft)\}"
_SPACING = (
    r"\\(?:noindent|(?:big|med|small)skip|newpage|clearpage|par|centering|vspace\*?\{[^{}]{0,20}\}"
    r"|vskip[ \t]?[-.0-9]{1,8}[ \t]?[a-z]{2})"
)
_HEADING_COMMAND = r"\\(?:centerline|(?:sub){0,2}section\*?|chapter\*?|paragraph\*?)"
_FONT = r"\\(?:bf|bfseries|large|Large|LARGE|normalsize|textbf|textsc|sc|it|em|centering|underline)"
# Heading of a list of references without an environment, in braces and alone on a line or centred.
_HANDMADE = re.compile(
    rf"^[ \t]{{0,8}}(?:{_CENTRED}\s{{0,9}})?(?:{_SPACING}[ \t]{{0,8}}){{0,3}}"
    rf"(?:{_HEADING_COMMAND})?[ \t]{{0,8}}\{{?[ \t]{{0,8}}(?:{_FONT}[ \t]{{0,8}}\{{?){{0,3}}"
    r"[ \t]{0,8}(?:references|bibliography|literature cited|(?P<literature>literature))"
    r"[ \t]{0,8}[.:]?[ \t]{0,8}\}{1,3}(?:\\\\|[ \t]|\\label\{[^{}\n]*\})*"
    rf"(?:\s{{0,9}}{_CENTRED}[ \t]*)?$",
    re.IGNORECASE | re.MULTILINE,
)
_ENTRY_BREAK = re.compile(r"\n[ \t]*\n|\\(?:item|bibitem|par|\\)(?![A-Za-z])")
_YEAR = re.compile(r"\b(?:1[89]|20)\d\d\b")
_MAX_ENTRY_CHARS = 600  # longest entry of a list of references
_MIN_LETTER_CHARS = 2_000  # shortest text of a letter ahead of its section of methods
_METHODS = re.compile(
    r"\W*(?:(?:online |supplementary |materials? and )?methods?(?: summary| and materials?)?"
    r"|experimental (?:section|methods|procedures))\W*\Z",
    re.IGNORECASE,
)
_HEADING_CHARS = 300
_MAX_HEADINGS = 8  # headings behind which a list of references is looked for
_BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")


def body_of_paper(text: str, *, keep_title_and_abstract: bool, drop_appendix: bool) -> str:
    """Return the body of a paper, after its title and abstract if these are kept.

    The body begins at the first part, chapter or section. Headings of the abstract, of
    acknowledgements and the like do not count. In a paper without sections it begins after title
    and abstract, and so in a letter whose first section is that of its methods, behind the text. It
    ends at ``\\end{document}``, or at the appendix if that is dropped. The
    bibliography is cut out, with its heading and the commands that print one. Runs of blank lines
    become one blank line.
    """
    scan = Scan(text)
    pairs = brace_pairs(text, scan.spans)
    begin = scan.search(_BEGIN_DOCUMENT)
    start = begin.end() if begin else 0
    end_match = scan.search(_END_DOCUMENT, start)
    end = end_match.start() if end_match else len(text)
    title = _braced(scan, pairs, _TITLE, 0, end)
    abstract = _abstract(scan, pairs, end)
    front = (title, abstract, _first_match(scan, _MAKETITLE, start, end))
    front_end = max([start, *(place[1] for place in front if place)])
    body = _first_section(scan, pairs, start, end, front_end)
    if body is None:
        body = front_end
    if drop_appendix and (appendix := _first_match(scan, _APPENDIX, body, end)):
        end = appendix[0]
    kept = [title, abstract] if keep_title_and_abstract else []
    pieces = [_tidy(scan, *place) for place in kept if place and place[1] <= body]
    at = body
    for cut_start, cut_end in _bibliographies(scan, body, end):
        if cut_start >= at:
            pieces.append(_tidy(scan, at, cut_start))
        at = max(at, cut_end)
    pieces.append(_tidy(scan, at, end))
    stripped = [piece.strip() for piece in pieces]
    joined = "\n\n".join(piece for piece in stripped if piece)
    return f"{joined}\n" if joined else ""


def _first_match(
    scan: Scan, pattern: re.Pattern[str], start: int, end: int
) -> tuple[int, int] | None:
    match = scan.search(pattern, start)
    return match.span() if match and match.start() < end else None


def _braced(
    scan: Scan, pairs: dict[int, int], pattern: re.Pattern[str], start: int, end: int
) -> tuple[int, int] | None:
    """Return the edges of a command and its argument in braces.

    ``pattern`` matches the command up to the opening brace.
    """
    match = scan.search(pattern, start)
    closing = pairs.get(match.end()) if match else None
    if match is None or closing is None or closing >= end:
        return None
    return match.start(), closing + 1


def _abstract(scan: Scan, pairs: dict[int, int], end: int) -> tuple[int, int] | None:
    match = scan.search(_ABSTRACT)
    if match is None or match.start() >= end:
        return None
    if match[1] is None:
        return _braced(scan, pairs, _ABSTRACT, match.start(), end)
    closing = f"\\end{{{match[1]}}}"
    at = scan.text.find(closing, match.end(), end)
    return None if at < 0 else (match.start(), at + len(closing))


def _first_section(
    scan: Scan, pairs: dict[int, int], start: int, end: int, front_end: int
) -> int | None:
    for match in scan.matches(_SECTION, start):
        if match.start() >= end:
            return None
        option = _OPTION.match(scan.text, match.end())
        opening = option.end() if option else match.end()
        closing = pairs.get(opening, opening)
        title = scan.text[opening + 1 : closing]
        if _BACK_MATTER.match(title):
            return None
        if _METHODS.match(title) and match.start() - front_end >= _MIN_LETTER_CHARS:
            return None
        if not _FRONT_MATTER.match(title):
            before = max(start, match.start() - _HEADING_CHARS)
            target = _HYPERTARGET.search(scan.text, before, match.start())
            return target.start() if target else match.start()
    return None


def _bibliographies(scan: Scan, start: int, end: int) -> list[tuple[int, int]]:
    """Return the edges of the bibliographies to cut.

    A first ``\\bibliography`` and the list that BibTeX made from it, if it follows before the next
    section, are one.
    """
    places: list[tuple[int, int]] = []
    has_list = has_file = False
    at = start
    while (match := scan.search(_BIBLIOGRAPHY, at)) and match.start() < end:
        begin, at = match.span()
        environment = match["environment"]
        if match["file"] and not has_file:
            has_file = True
            made = scan.search(_BIBLIOGRAPHY_ENVIRONMENT, at)
            section = scan.search(_SECTION, at)
            if made and made.start() < end and not (section and section.start() < made.start()):
                environment, at = "thebibliography", made.end()
        if environment:
            has_list = True
            closing = re.compile(rf"\\end[ \t]*\{{{environment}\*?\}}").search(scan.text, at, end)
            at = closing.end() if closing else end
        places.append((_heading_before(scan.text, max(start, begin - _HEADING_CHARS), begin), at))
    if not has_list:
        places += _handmade_bibliography(scan, (start + end) // 2, end)
    return sorted(places)


def _heading_before(text: str, start: int, begin: int) -> int:
    """Return where the heading of the list of references at ``begin`` begins, if it has one."""
    heading = _REFERENCES_HEADING.search(text, start, begin)
    if heading:
        return heading.start()
    for made in _HANDMADE.finditer(text, start, begin):
        if not text[made.end() : begin].strip():
            return made.start()
    return begin


def _handmade_bibliography(scan: Scan, start: int, end: int) -> list[tuple[int, int]]:
    """Return the edges of a list of references that is in no environment, from its heading on.

    A section "Literature" may as well be a survey, so it must look like a list.
    """
    for heading in islice(scan.matches(_HANDMADE, start), _MAX_HEADINGS):
        if heading.start() >= end:
            break
        list_end = _end_of_list(scan, heading.end(), end)
        if not heading["literature"] or _is_list(scan.text[heading.end() : list_end]):
            return [(heading.start(), list_end)]
    return []


def _is_list(text: str) -> bool:
    """Tell whether a text consists of short entries, most of which name a year."""
    entries = [entry for entry in _ENTRY_BREAK.split(text) if len(entry.split()) > 3]
    dated = [entry for entry in entries if len(entry) <= _MAX_ENTRY_CHARS and _YEAR.search(entry)]
    return len(dated) > 1 and len(dated) * 4 > len(entries) * 3


def _end_of_list(scan: Scan, start: int, end: int) -> int:
    next_parts = [
        _first_match(scan, pattern, start, end) for pattern in (_SECTION, _APPENDIX, _FLOAT)
    ]
    return min([part[0] for part in next_parts if part], default=end)


def _tidy(scan: Scan, start: int, end: int) -> str:
    """Return a part of the text in which runs of blank lines outside of spans become one."""
    pieces: list[str] = []
    at = start
    for span in scan.between(start, end):
        pieces.append(_BLANK_LINES.sub("\n\n", scan.text[at : span.start]))
        pieces.append(scan.text[span.start : span.end])
        at = span.end
    pieces.append(_BLANK_LINES.sub("\n\n", scan.text[at:end]))
    return "".join(pieces)

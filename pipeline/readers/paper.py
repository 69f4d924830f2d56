"""The LaTeX source of one paper in reading order, put together from its submission's files."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from pipeline.readers.latex_encoding import decode_latex
from pipeline.readers.splice import MAX_DEPTH, Library, Splicer, TooLongError, reads_one_of, stem_of
from transforms.latex.scan import Scan

_CLASS = re.compile(r"\\document(?:class|style)(?![A-Za-z@])")
_CLASS_BYTES = re.compile(rb"\\document(?:class|style)")
_BEGIN = re.compile(r"\\begin[ \t]*\{document\}")
_END = re.compile(r"\\end[ \t]*\{document\}")
_SUPPORT_FILE = re.compile(
    r"\.(?:sty|cls|clo|def|fd|cfg|ldf|bbx|cbx|lbx|dtx|ins|bbl|ind|gls|nls|tikz|pgf|code\.tex)\Z",
    re.IGNORECASE,
)
_SECONDARY = re.compile(
    r"(?:\A|[-_. ])(?:suppl?|si\b|cover|letter|response|reply|referee|review|appendix"
    r"|fig|old|sandbox|template|sample|example|slides|poster|standalone|obsolete|backup|draft)",
    re.IGNORECASE,
)
_USUAL_NAME = re.compile(r"(?:ms|main|paper|article|arxiv|manuscript)\.", re.IGNORECASE)
_CLASS_NAME = re.compile(r"[^{]{0,400}\{[ \t]*(\w{1,40})")
_OTHER_CLASSES = frozenset(("standalone", "letter", "beamer", "minimal"))
_SMALL_PART = 10  # a paper is at least one in so many of the longest file's text
_INCLUDE_PDF = re.compile(r"\\includepdf(?![A-Za-z@])")
_COMMAND_OR_ARGUMENTS = re.compile(r"\\[A-Za-z@]+\*?|\[[^\]]{0,500}\]|\{[^{}]*\}|[\s{}]")
_README = re.compile(r"(?:\A|/)00README(?:\.XXX|\.json|\.yaml|\.yml|\.txt)?\Z", re.IGNORECASE)
_README_LINE = re.compile(r"^[ \t]*(\S+)[ \t]+toplevelfile\b", re.MULTILINE)
_README_ENTRY = re.compile(r"\{[^{}]*\}|^[ \t]*-[ \t][^-]*", re.MULTILINE)  # JSON, YAML
_README_TOPLEVEL = re.compile(r"usage[\"']?[ \t]*:[ \t]*[\"']?toplevel")
_README_FILE = re.compile(r"filename[\"']?[ \t]*:[ \t]*[\"']?([^\s\"',]+)")
_COMMENT = re.compile(r"(?<!\\)%[^\n]*")


class Paper(NamedTuple):
    """The source of a paper, or the reason why there is none."""

    text: str
    main_file: str | None
    file_count: int  # number of files that the text is made of
    missing_inputs: int  # number of commands whose file is not there
    dropped_by: str | None = None
    encoding_guessed: bool = False  # whether nothing says what some file's encoding is


class _Candidate(NamedTuple):
    """A file that may be the main one, with what it reads spliced in."""

    main: str
    paper: Paper
    used: set[str]
    class_name: str
    body_chars: int


def read_paper(files: Mapping[str, bytes], *, max_text_bytes: int) -> Paper:
    """Return the main file of a paper with the files that it reads inserted in their places.

    In a main file, with the files that it reads, ``\\documentclass`` or ``\\documentstyle`` stands
    ahead of ``\\begin{document}``. If there are several, these criteria decide, in this order:
    named by a 00README file; read by no other file; no figure, letter or talk; with at least a
    tenth of the most text behind ``\\begin{document}``; with a BibTeX bibliography of its own; not
    called a supplement or the like; in the topmost folder; with a usual name; with the most text. A
    figure of the class ``standalone`` is no paper where there are files that it does not read.

    Submissions are dropped without such a file (``no_main_file``), if they are withdrawn
    (``withdrawn``), if they only show a PDF (``pdf_only``), and if the text is longer than
    ``max_text_bytes`` (``record_too_large``).
    """
    library = Library(files, max_text_bytes)
    if len(files) == 1 and all(b"%auto-ignore" in content[:200] for content in files.values()):
        return Paper("", None, 0, 0, "withdrawn")
    candidates, too_long = _candidates(library)
    if all(candidate.class_name == "standalone" for candidate in candidates):
        read = set().union(*(candidate.used for candidate in candidates))
        if any(path.lower().endswith(".tex") and path not in read for path in files):
            candidates = []
    if not candidates:
        return Paper("", None, 0, 0, "record_too_large" if too_long else "no_main_file")
    best = _best(candidates, library)
    return best._replace(text="", dropped_by="pdf_only") if _shows_a_pdf(best.text) else best


def _candidates(library: Library) -> tuple[list[_Candidate], bool]:
    """Return the possible main files, and whether one was too long to be read."""
    found: list[_Candidate] = []
    with_class = [path for path in sorted(library.files) if _has_class(library, path)]
    too_long = any(
        len(content) > library.max_file_bytes and _CLASS_BYTES.search(content)
        for content in library.files.values()
    )
    for main in [*with_class, *_readers_of(library, with_class)]:
        splicer = Splicer(library, main, library.max_file_bytes)
        try:
            text = splicer.splice()
        except TooLongError:
            too_long |= main in with_class
            continue
        alone = library.file(main).scan
        scan = alone if alone.text == text else Scan(text)
        begin = scan.search(_BEGIN)
        documentclass = scan.search(_CLASS)
        if begin and documentclass and documentclass.start() < begin.start():
            end = scan.search(_END, begin.end())
            name = _CLASS_NAME.match(text, documentclass.end())
            body_chars = (end.start() if end else len(text)) - begin.end()
            paper = Paper(
                text,
                main,
                splicer.file_count,
                splicer.missing,
                encoding_guessed=splicer.is_guessed,
            )
            found.append(_Candidate(main, paper, splicer.used, name[1] if name else "", body_chars))
    return found, too_long


def _best(candidates: list[_Candidate], library: Library) -> Paper:
    named = _named_by_readme(library)
    read = Counter(path for main, _, used, _, _ in candidates for path in used if path != main)

    def is_secondary(candidate: _Candidate) -> bool:
        return _SECONDARY.search(posixpath.basename(candidate.main)) is not None

    most = max(
        (
            candidate.body_chars
            for candidate in candidates
            if not is_secondary(candidate) and candidate.class_name not in _OTHER_CLASSES
        ),
        default=0,
    )
    longest = max(len(candidate.paper.text) for candidate in candidates)

    def rank(candidate: _Candidate) -> tuple[object, ...]:
        main, paper = candidate.main, candidate.paper
        return (
            main in named,
            not read[main],
            candidate.class_name not in _OTHER_CLASSES,
            candidate.body_chars * _SMALL_PART >= most,
            f"{posixpath.splitext(main)[0]}.bbl" in library.files,
            not is_secondary(candidate),
            -main.count("/"),
            bool(_USUAL_NAME.match(posixpath.basename(main))) and 2 * len(paper.text) >= longest,
            len(paper.text),
        )

    return max(candidates, key=rank).paper


def _may_be_read(library: Library, path: str) -> bool:
    return len(library.files[path]) <= library.max_file_bytes and not _SUPPORT_FILE.search(path)


def _has_class(library: Library, path: str) -> bool:
    if not _may_be_read(library, path) or not _CLASS_BYTES.search(library.files[path]):
        return False
    return library.file(path).scan.search(_CLASS) is not None


def _readers_of(library: Library, with_class: list[str]) -> list[str]:
    """Return the files without a class that read one with it, or that read such a file."""
    left = [
        path
        for path in sorted(library.files)
        if path not in with_class and _may_be_read(library, path)
    ]
    readers: list[str] = []
    wanted = {stem_of(path) for path in with_class}
    for _ in range(MAX_DEPTH):
        more = [path for path in left if reads_one_of(library, path, wanted)]
        if not more:
            break
        readers += more
        wanted = {stem_of(path) for path in more}
        left = [path for path in left if path not in more]
    return readers


def _named_by_readme(library: Library) -> set[str]:
    """Return the main files that arXiv's 00README files name, in any of their formats."""
    named: set[str] = set()
    for path in library.files:
        if not _README.search(path):
            continue
        text = decode_latex(library.files[path]).scan.text
        named |= set(_README_LINE.findall(text))
        for entry in _README_ENTRY.findall(text):
            if _README_TOPLEVEL.search(entry) and (name := _README_FILE.search(entry)):
                named.add(name[1])
    return named


def _shows_a_pdf(text: str) -> bool:
    """Tell whether a paper's body only includes the pages of a PDF."""
    if not _INCLUDE_PDF.search(text):
        return False
    scan = Scan(text)
    begin = scan.search(_BEGIN)
    if begin is None or not scan.search(_INCLUDE_PDF, begin.end()):
        return False
    end = scan.search(_END, begin.end())
    body = text[begin.end() : end.start() if end else len(text)]
    return not _COMMAND_OR_ARGUMENTS.sub("", _COMMENT.sub("", body))

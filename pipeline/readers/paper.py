"""The LaTeX source of one paper in reading order, put together from its submission's files."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from transforms.latex.scan import Scan

MAX_DEPTH = 30  # nesting of files that read files; TeX allows 15
MAX_FOLDERS = 16  # folders to search for a file; each nested \import doubles their number
MAX_INPUT_MACROS = 100  # macros of a paper that read a file

_CLASS = re.compile(r"\\document(?:class|style)(?![A-Za-z@])")
_CLASS_BYTES = re.compile(rb"\\document(?:class|style)")
_BEGIN = re.compile(r"\\begin[ \t]*\{document\}")
_END = re.compile(r"\\end[ \t]*\{document\}")
_ENDINPUT = re.compile(r"\\endinput(?![A-Za-z@])")
_SUPPORT_FILE = re.compile(
    r"\.(?:sty|cls|clo|def|fd|cfg|ldf|bbx|cbx|lbx|dtx|ins|bbl|ind|gls|nls|tikz|pgf|code\.tex)\Z",
    re.IGNORECASE,
)
_PACKAGE_FILE = re.compile(r"\.(?:sty|cls|clo|def|fd|cfg|ldf|bbx|cbx|lbx)\Z")
_SECONDARY = re.compile(
    r"(?:\A|[-_. ])(?:suppl?|si\b|cover|letter|response|reply|referee|review|appendix"
    r"|fig|old|sandbox|template|sample|example|slides|poster|standalone|obsolete|backup|draft)",
    re.IGNORECASE,
)
_USUAL_NAME = re.compile(r"(?:ms|main|paper|article|arxiv|manuscript)\.", re.IGNORECASE)
_STANDALONE = re.compile(
    r"\\document(?:class|style)[^{]{0,200}\{(?:standalone|letter|beamer|minimal)\}"
)
_INPUT = re.compile(
    r"\\(?P<command>input|include|subfile|subfileinclude|@input|InputIfFileExists)(?![A-Za-z@])"
    r"[ \t]*(?:\{[ \t\n]*(?P<braced>[^{}\n]{1,200}?)[ \t\n]*\}|(?P<bare>[^\s{}\\%#]{1,200})"
    r"|(?P<quoted>\"[^\"\n]{1,200}\"))"
    r"|\\(?P<import>(?:sub)?(?:import|inputfrom|includefrom))\*?[ \t]*"
    r"\{(?P<folder>[^{}\n]{0,200})\}[ \t]*\{(?P<file>[^{}\n]{1,200})\}"
    r"|\\(?P<bibliography>bibliography)[ \t]*\{[^{}]{0,2000}\}"
)
# Old macro packages that papers read with \input and sometimes include.
_PACKAGES = frozenset(
    name
    for names in (
        "amstex amssym amssym.def amsppt epsf epsfx epsfig psfig harvmac phyzzx jytex lanlmac",
        "pictex prepictex postpictex latexpicobjs xy xypic diagrams tcilatex boxedeps mssymb",
        "diagram feynmf axodraw rotate color tikz pgf pst-all pstricks eplain supp-pdf",
    )
    for name in names.split()
)
_SIMPLE_MACRO = re.compile(
    r"\\(?:newcommand|renewcommand|providecommand|def|gdef|edef)[ \t]{0,20}\*?[ \t]{0,20}"
    r"\{?[ \t]{0,20}\\(?P<name>[A-Za-z]{1,40})[ \t]{0,20}\}?[ \t]{0,20}"
    r"\{(?P<body>[^{}\\#%\n]{0,200})\}"
)
_INPUT_MACRO = re.compile(
    r"\\newcommand[ \t]{0,20}\*?[ \t]{0,20}\{?[ \t]{0,20}\\(?P<name>[A-Za-z]{1,40})[ \t]{0,20}\}?"
    r"[ \t]{0,20}\[1\][ \t\n]{0,20}\{(?P<body>[^\n]{0,400}#1[^\n]{0,100})"
)
_INPUT_IN_MACRO = re.compile(r"\\(?:input|include)[ \t]{0,20}\{([^{}\n]{0,100}#1[^{}\n]{0,100})\}")
_MACRO_CALL = re.compile(r"\\([A-Za-z]+)[ \t]*(?:\{\})?")
_INCLUDE_PDF = re.compile(r"\\includepdf(?![A-Za-z@])")
_COMMAND_OR_ARGUMENTS = re.compile(r"\\[A-Za-z@]+\*?|\[[^\]]{0,500}\]|\{[^{}]*\}|[\s{}]")
_LINE_END = re.compile("\r\n?")
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


class _TooLongError(Exception):
    pass


def decoded(content: bytes) -> str:
    """Decode a file: UTF-16 with a byte-order mark, UTF-8, Windows-1252, or Latin-1.

    All line ends become ``\\n``.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            try:
                text = content.decode("cp1252")
            except UnicodeDecodeError:
                text = content.decode("latin-1")
    return _LINE_END.sub("\n", text) if "\r" in text else text


def read_paper(files: Mapping[str, bytes], *, max_text_bytes: int) -> Paper:
    """Return the main file of a paper with the files that it reads inserted in their places.

    A main file contains ``\\documentclass`` or ``\\documentstyle``, and it or a file that it reads
    contains ``\\begin{document}``. If there are several, these criteria decide, in this order:
    named by a 00README file; read by no other file; more than a figure; with a BibTeX bibliography
    of its own; not called a supplement or the like; in the topmost folder; with a usual name; with
    the longest text.

    Submissions are dropped without such a file (``no_main_file``), if they are withdrawn
    (``withdrawn``), if they only show a PDF (``pdf_only``), and if the text is longer than
    ``max_text_bytes`` (``record_too_large``).
    """
    library = _Library(files, max_text_bytes)
    if len(files) == 1 and all(b"%auto-ignore" in content[:200] for content in files.values()):
        return Paper("", None, 0, 0, "withdrawn")
    mains = [path for path in sorted(files) if _may_be_main(library, path)]
    papers: list[tuple[str, Paper, set[str]]] = []
    too_long = any(
        len(content) > max_text_bytes and _CLASS_BYTES.search(content) for content in files.values()
    )
    for main in mains:
        splicer = _Splicer(library, main, max_text_bytes)
        try:
            text = splicer.splice()
        except _TooLongError:
            too_long = True
            continue
        if Scan(text).search(_BEGIN):
            paper = Paper(text, main, splicer.file_count, splicer.missing)
            papers.append((main, paper, splicer.used))
    if not papers:
        return Paper("", None, 0, 0, "record_too_large" if too_long else "no_main_file")
    named = _named_by_readme(library)
    read = Counter(path for main, _, used in papers for path in used if path != main)

    def rank(candidate: tuple[str, Paper, set[str]]) -> tuple[object, ...]:
        main, paper, _ = candidate
        base = posixpath.basename(main)
        return (
            main in named,
            not read[main],
            not _STANDALONE.search(paper.text),
            f"{posixpath.splitext(main)[0]}.bbl" in files,
            not _SECONDARY.search(base),
            -main.count("/"),
            bool(_USUAL_NAME.match(base)) and 2 * len(paper.text) >= longest,
            len(paper.text),
        )

    longest = max(len(paper.text) for _, paper, _ in papers)
    best = max(papers, key=rank)[1]
    return best._replace(text="", dropped_by="pdf_only") if _shows_a_pdf(best.text) else best


def _may_be_main(library: _Library, path: str) -> bool:
    content = library.files[path]
    if len(content) > library.max_file_bytes:
        return False
    if _SUPPORT_FILE.search(path) or not _CLASS_BYTES.search(content):
        return False
    return library.scan(path).search(_CLASS) is not None


def _named_by_readme(library: _Library) -> set[str]:
    """Return the main files that arXiv's 00README files name, in any of their formats."""
    named: set[str] = set()
    for path in library.files:
        if not _README.search(path):
            continue
        text = decoded(library.files[path])
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


class _Library:
    """The files of a paper; each is decoded and scanned once, when it is first needed."""

    def __init__(self, files: Mapping[str, bytes], max_file_bytes: int) -> None:
        self.files = files
        self.max_file_bytes = max_file_bytes
        self.read_chars_left = 4 * max_file_bytes  # characters to read, for all candidates together
        self._scans: dict[str, Scan] = {}

    def scan(self, path: str) -> Scan:
        if len(self.files[path]) > self.max_file_bytes:
            raise _TooLongError
        if path not in self._scans:
            self._scans[path] = Scan(decoded(self.files[path]))
        return self._scans[path]

    def find(self, name: str, folders: list[str]) -> str | None:
        """Return the path of the file that TeX would read by ``name``, searched in ``folders``."""
        for folder in folders:
            path = posixpath.normpath(posixpath.join(folder, name))
            for candidate in (f"{path}.tex", path, f"{path}.ltx", f"{path}.TEX"):
                if candidate in self.files:
                    return candidate
        return None


class _Splicer:
    """Inserts the files that a main file reads in the places where it reads them."""

    def __init__(self, library: _Library, main: str, max_text_bytes: int) -> None:
        self.main = main
        self.used: set[str] = set()
        self.missing = 0
        self.file_count = 0
        self._library = library
        self._left = max_text_bytes
        self._open: list[str] = []
        self._macros: dict[str, str] = {}
        self._input_macros: dict[str, list[str]] = {}
        self._bibliography_is_read = False
        self._pieces: list[str] = []

    def splice(self) -> str:
        """Return the paper's text. Raises :class:`_TooLongError` above the limit."""
        self._read(self.main, [posixpath.dirname(self.main), ""])
        return "".join(self._pieces)

    def _read(self, path: str, folders: list[str]) -> None:
        scan = self._library.scan(path)
        text = scan.text
        self._library.read_chars_left -= len(text)
        if self._library.read_chars_left < 0:
            raise _TooLongError
        self.used.add(path)
        self.file_count += 1
        self._macros |= {match["name"]: match["body"] for match in scan.matches(_SIMPLE_MACRO)}
        for macro in scan.matches(_INPUT_MACRO):
            if len(self._input_macros) >= MAX_INPUT_MACROS:
                break
            if paths := _INPUT_IN_MACRO.findall(macro["body"]):
                self._input_macros[macro["name"]] = paths
        at, end = 0, len(text)
        if self._open and scan.search(_CLASS) and (begin := scan.search(_BEGIN)):
            at = begin.end()  # only the body of a file that can be typeset alone
        if self._open and at and (closing := scan.search(_END, at)):
            end = closing.start()
        if stop := scan.search(_ENDINPUT, at):
            end = min(end, stop.start())
        last = end
        if not self._open and (closing := scan.search(_END)):
            last = min(end, closing.start())
        self._open.append(path)
        seen = at
        while (match := scan.search(self._pattern(), seen)) and match.start() < last:
            seen = match.end()
            input_file = self._target(match, folders, path)
            if input_file is None:
                continue
            target, target_folders = input_file
            keep = match.end() if target.endswith(".bbl") else match.start()
            self._add(text[at:keep])
            if keep == match.end():
                self._add("\n")
            self._read(target, target_folders)
            at = match.end()
            if not text.startswith("\n", at) and not self._pieces[-1].endswith("\n"):
                self._add("\n")
        self._open.pop()
        self._add(text[at:end].rstrip("\n") if self._open else text[at:end])

    def _pattern(self) -> re.Pattern[str]:
        if not self._input_macros:
            return _INPUT
        names = "|".join(self._input_macros)
        call = rf"\\(?P<macro>{names})(?![A-Za-z@])[ \t]*\{{(?P<argument>[^{{}}\n]{{1,200}})\}}"
        return re.compile(f"{_INPUT.pattern}|{call}")  # the module re caches it

    def _add(self, text: str) -> None:
        self._left -= len(text)
        if self._left < 0:
            raise _TooLongError
        if text:
            self._pieces.append(text)

    def _target(
        self, match: re.Match[str], folders: list[str], path: str
    ) -> tuple[str, list[str]] | None:
        """Return the file that a command reads, and the folders to search for its own inputs."""
        groups = match.groupdict()
        if groups["bibliography"]:
            return self._made_bibliography()
        names = [groups["braced"] or groups["bare"] or groups["quoted"] or groups["file"] or ""]
        if groups.get("macro"):
            names = [
                template.replace("#1", groups["argument"])
                for template in self._input_macros[groups["macro"]]
            ]
        if groups["import"]:
            base = self._plain(groups["folder"])
            inner = [posixpath.normpath(posixpath.join(folder, base)) for folder in folders]
            folders = list(dict.fromkeys([*inner, *folders]))
            folders[MAX_FOLDERS - 1 : -1] = []  # the last one is the root of the submission
        if (groups["command"] or "").startswith("subfile"):
            folders = [posixpath.dirname(path), *folders]
        plain_names = [self._plain(name).strip('"') for name in names]
        plain_names = [name for name in plain_names if "#" not in name and not _is_package(name)]
        for name in plain_names:
            target = self._library.find(name, folders)
            if target is None or len(self._open) >= MAX_DEPTH or target in self._open:
                continue
            if (groups["command"] or "").startswith("subfile"):
                folders = [posixpath.dirname(target), *folders]
            return target, folders
        self.missing += bool(plain_names)
        return None

    def _plain(self, name: str) -> str:
        """Expand simple macros in the name of a file."""
        return _MACRO_CALL.sub(lambda call: self._macros.get(call[1], call[0]), name)

    def _made_bibliography(self) -> tuple[str, list[str]] | None:
        """Return the bibliography that BibTeX made, if LaTeX can read it, at its first use."""
        if self._bibliography_is_read:
            return None
        made = f"{posixpath.splitext(self.main)[0]}.bbl"
        if made not in self._library.files:
            others = [path for path in self._library.files if path.lower().endswith(".bbl")]
            if len(others) != 1:
                return None
            made = others[0]
        if b"\\begin{thebibliography}" not in self._library.files[made]:
            return None
        self._bibliography_is_read = True
        return made, [""]


def _is_package(name: str) -> bool:
    base = posixpath.basename(name).lower()
    return bool(_PACKAGE_FILE.search(base)) or base.removesuffix(".tex") in _PACKAGES

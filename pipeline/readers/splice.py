"""The files of a paper, inserted where the paper's main file reads them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from pipeline.readers.latex_encoding import LatexFile, declared_in, decode_latex

MAX_DEPTH = 30
"""Deepest nesting of files that read files; TeX allows 15."""

MAX_FOLDERS = 16
"""Most folders to search for a file; each nested ``\\import`` doubles their number."""

MAX_INPUT_MACROS = 100
"""Most macros of a paper that read a file."""

_CLASS = re.compile(r"\\document(?:class|style)(?![A-Za-z@])")
_BEGIN = re.compile(r"\\begin[ \t]*\{document\}")
_END = re.compile(r"\\end[ \t]*\{document\}")
_ENDINPUT = re.compile(r"\\endinput(?![A-Za-z@])")
_PACKAGE_FILE = re.compile(r"\.(?:sty|cls|clo|def|fd|cfg|ldf|bbx|cbx|lbx)\Z")
_INPUT = re.compile(
    r"\\(?P<command>input|include|subfile|subfileinclude|@input|InputIfFileExists)(?![A-Za-z@])"
    r"[ \t]*(?:\{[ \t\n]*(?P<braced>[^{}\n]{1,200}?)[ \t\n]*\}|(?P<quoted>\"[^\"\n]{1,200}\")"
    r"|(?P<bare>[^\s{}\\%#\"]{1,200}))"
    r"|\\(?P<import>(?:sub)?(?:import|inputfrom|includefrom))\*?[ \t]*"
    r"\{(?P<folder>[^{}\n]{0,200})\}[ \t]*\{(?P<file>[^{}\n]{1,200})\}"
    r"|\\(?P<bibliography>bibliography)[ \t]*\{[^{}]{0,2000}\}"
)
_PLAIN_CODECS = (None, "ascii", "utf-8")  # what a file without a declaration is read as anyway
_NAMES_OF_FILES = ("braced", "quoted", "bare", "file")
_READS_BYTES = re.compile(rb"\\(?:@?input|include|sub|import|InputIfFile)[^\n]{0,400}")
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


class TooLongError(Exception):
    """The text of a paper, or a file of it, is above the limit."""


class Library:
    """The files of a paper; each is decoded and scanned once, when it is first needed."""

    def __init__(self, files: Mapping[str, bytes], max_file_bytes: int) -> None:
        self.files = files
        self.max_file_bytes = max_file_bytes
        self.read_chars_left = 4 * max_file_bytes  # characters to read, for all candidates together
        self._read: dict[tuple[str, str | None], LatexFile] = {}
        self._own_codec = self._codec_of_packages()

    def file(self, path: str, codec: str | None = None) -> LatexFile:
        """Return a file as TeX reads it where ``codec`` is declared.

        Raises :class:`TooLongError` for a file above the limit.
        """
        content = self.files[path]
        if len(content) > self.max_file_bytes:
            raise TooLongError
        codec = codec or self._own_codec
        key = path, None if codec in _PLAIN_CODECS or content.isascii() else codec
        if key not in self._read:
            self._read[key] = decode_latex(content, key[1])
        return self._read[key]

    def _codec_of_packages(self) -> str | None:
        """Return the encoding that a package or class of the authors declares."""
        packages = (path for path in sorted(self.files) if _PACKAGE_FILE.search(path))
        return next((codec for path in packages if (codec := declared_in(self.files[path]))), None)

    def find(self, name: str, folders: list[str]) -> str | None:
        """Return the path of the file that TeX would read by ``name``, searched in ``folders``."""
        for folder in folders:
            path = posixpath.normpath(posixpath.join(folder, name))
            for candidate in (f"{path}.tex", path, f"{path}.ltx", f"{path}.TEX"):
                if candidate in self.files:
                    return candidate
        return None


class Splicer:
    """Inserts the files that a main file reads in the places where it reads them."""

    def __init__(self, library: Library, main: str, max_text_bytes: int) -> None:
        self.main = main
        self.used: set[str] = set()
        self.missing = 0
        self.file_count = 0
        self.is_guessed = False  # whether the encoding of a file was guessed
        self._library = library
        self._left = max_text_bytes
        self._open: list[str] = []
        self._macros: dict[str, str] = {}
        self._input_macros: dict[str, list[str]] = {}
        self._bibliography_is_read = False
        self._codec: str | None = None  # the encoding that is declared at the current place
        self._pieces: list[str] = []

    def splice(self) -> str:
        """Return the paper's text. Raises :class:`TooLongError` above the limit."""
        self._read(self.main, [posixpath.dirname(self.main), ""])
        return "".join(self._pieces)

    def _read(self, path: str, folders: list[str]) -> None:
        scan, declared, is_guessed = self._library.file(path, self._codec)
        text = scan.text
        self.is_guessed |= is_guessed
        self._library.read_chars_left -= len(text)
        if self._library.read_chars_left < 0:
            raise TooLongError
        self.used.add(path)
        self.file_count += 1
        self._macros |= {match["name"]: match["body"] for match in scan.matches(_SIMPLE_MACRO)}
        for macro in scan.matches(_INPUT_MACRO):
            if len(self._input_macros) >= MAX_INPUT_MACROS:
                break
            if paths := _INPUT_IN_MACRO.findall(macro["body"]):
                self._input_macros[macro["name"]] = paths
        at, end = 0, len(text)
        begin = scan.search(_BEGIN) if self._open and scan.search(_CLASS) else None
        if begin and (closing := scan.search(_END, begin.end())):
            at, end = begin.end(), closing.start()  # of a file that can be typeset alone
        if stop := scan.search(_ENDINPUT, at):
            end = min(end, stop.start())
        last = end
        if not self._open and (closing := scan.search(_END)):
            last = min(end, closing.start())
        self._open.append(path)
        seen = at
        while (match := scan.search(self._pattern(), seen)) and match.start() < last:
            seen = match.end()
            while declared and declared[0][0] <= match.start():
                self._codec = declared[0][1]
                declared = declared[1:]
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
        if declared:
            self._codec = declared[-1][1]
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
            raise TooLongError
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
        plain_names = [self._plain(name).replace('"', "") for name in names]
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


def reads_one_of(library: Library, path: str, stems: set[str]) -> bool:
    """Tell whether a file reads one of the files whose names, without suffix, are ``stems``."""
    commands = b" ".join(_READS_BYTES.findall(library.files[path]))
    if not any(stem.encode() in commands for stem in stems):
        return False
    for match in library.file(path).scan.matches(_INPUT):
        for group in _NAMES_OF_FILES:
            name = (match[group] or "").replace('"', "").strip()
            if name and stem_of(name) in stems:
                return True
    return False


def stem_of(path: str) -> str:
    """Return the name of a file without folder and suffix."""
    return posixpath.splitext(posixpath.basename(path))[0]


def _is_package(name: str) -> bool:
    base = posixpath.basename(name).lower()
    return bool(_PACKAGE_FILE.search(base)) or base.removesuffix(".tex") in _PACKAGES

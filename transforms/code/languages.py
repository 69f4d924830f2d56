"""Programming languages by file name, and the marks of comments in each."""

from __future__ import annotations

from typing import NamedTuple


class CommentStyle(NamedTuple):
    """Marks of comments. ``line`` marks begin a comment, and ``block`` pairs enclose one."""

    line: tuple[str, ...] = ()
    block: tuple[tuple[str, str], ...] = ()


_SLASHES = CommentStyle(("//",), (("/*", "*/"),))
_HASH = CommentStyle(("#",))
_BLOCK = CommentStyle((), (("/*", "*/"),))
_MARKUP = CommentStyle((), (("<!--", "-->"),))
_SEMICOLON = CommentStyle((";",))
_PERCENT = CommentStyle(("%",))
_DASHES = CommentStyle(("--",), (("/*", "*/"),))
_NONE = CommentStyle()
_UNKNOWN = CommentStyle(("#", "//", ";", "%", "--"), (("/*", "*/"), ("<!--", "-->")))

_LANGUAGES: dict[str, tuple[CommentStyle, str]] = {
    "Assembly": (CommentStyle((";", "#", "//", "@"), (("/*", "*/"),)), ".asm .s .S .nasm"),
    "Batch": (CommentStyle(("::", "@rem", "rem", "REM", "Rem", "@REM")), ".bat .cmd"),
    "C": (_SLASHES, ".c .h"),
    "C#": (_SLASHES, ".cs .csx"),
    "C++": (_SLASHES, ".cpp .hpp .c++ .h++ .cc .hh .cxx .hxx .inl .ipp .tcc .tpp .cu .cuh"),
    "CMake": (CommentStyle(("#",), (("#[[", "]]"),)), ".cmake CMakeLists.txt"),
    "CSS": (_BLOCK, ".css"),
    "Clojure": (_SEMICOLON, ".clj .cljs .cljc .edn"),
    "CoffeeScript": (CommentStyle(("#",), (("###", "###"),)), ".coffee"),
    "Configuration": (CommentStyle(("#", ";")), ".ini .cfg .conf .properties .editorconfig"),
    "D": (CommentStyle(("//",), (("/*", "*/"), ("/+", "+/"))), ".d .di"),
    "Dart": (_SLASHES, ".dart"),
    "Diff": (_NONE, ".diff .patch"),
    "Dockerfile": (_HASH, ".dockerfile Dockerfile"),
    "Elixir": (_HASH, ".ex .exs"),
    "Elm": (CommentStyle(("--",), (("{-", "-}"),)), ".elm"),
    "Erlang": (_PERCENT, ".erl .hrl"),
    "F#": (CommentStyle(("//",), (("(*", "*)"),)), ".fs .fsi .fsx"),
    "Fortran": (
        CommentStyle(("!", "c ", "C ", "* ")),
        ".f90 .f .f03 .f08 .f77 .f95 .for .fpp",
    ),
    "GLSL": (_SLASHES, ".glsl .vert .frag .hlsl .metal .wgsl"),
    "Go": (_SLASHES, ".go"),
    "GraphQL": (_HASH, ".graphql .gql"),
    "Groovy": (_SLASHES, ".groovy .gradle"),
    "HCL": (CommentStyle(("#", "//"), (("/*", "*/"),)), ".tf .hcl .tfvars"),
    "HTML": (_MARKUP, ".html .htm .xhtml"),
    "Haskell": (CommentStyle(("--",), (("{-", "-}"),)), ".hs .lhs"),
    "JSON": (_SLASHES, ".json .jsonc .json5 .geojson"),
    "Java": (_SLASHES, ".java"),
    "JavaScript": (_SLASHES, ".js .jsx .mjs .cjs"),
    "Julia": (CommentStyle(("#",), (("#=", "=#"),)), ".jl"),
    "Jupyter Notebook": (_NONE, ".ipynb"),
    "Kotlin": (_SLASHES, ".kt .kts"),
    "Less": (_SLASHES, ".less"),
    "Lisp": (CommentStyle((";",), (("#|", "|#"),)), ".lisp .lsp .cl .el .scm .ss .rkt"),
    "Lua": (CommentStyle(("--",), (("--[[", "]]"),)), ".lua"),
    "MATLAB": (CommentStyle(("%", "//"), (("/*", "*/"),)), ".m"),  # or Objective-C
    "Makefile": (_HASH, ".mk .mak Makefile makefile GNUmakefile Makefile.am Makefile.in"),
    "Markdown": (_MARKUP, ".md .markdown .mdx"),
    "Meson": (_HASH, "meson.build"),
    "Nim": (CommentStyle(("#",), (("#[", "]#"),)), ".nim"),
    "Nix": (CommentStyle(("#",), (("/*", "*/"),)), ".nix"),
    "OCaml": (CommentStyle((), (("(*", "*)"),)), ".ml .mli .mll .mly"),
    "Objective-C++": (_SLASHES, ".mm"),
    "PHP": (
        CommentStyle(("//", "#"), (("/*", "*/"),)),
        ".php .php3 .php4 .php5 .phps .phpt .phtml",
    ),
    "Pascal": (CommentStyle(("//",), (("(*", "*)"), ("{", "}"))), ".pas .pp .dpr"),
    "Perl": (CommentStyle(("#",), (("=pod", "=cut"), ("=head1", "=cut"))), ".pl .pm .t .perl"),
    "Pod": (_NONE, ".pod"),
    "PowerShell": (CommentStyle(("#",), (("<#", "#>"),)), ".ps1 .psd1 .psm1"),
    "Prolog": (CommentStyle(("%",), (("/*", "*/"),)), ".pro .prolog"),
    "Protocol Buffer": (_SLASHES, ".proto"),
    "Python": (
        CommentStyle(
            ("#",), tuple((mark, mark[-3:]) for mark in ('"""', "'''", 'r"""', 'u"""', 'R"""'))
        ),
        ".py .pyx .pxd .pyi .pyw .bzl BUILD BUILD.bazel WORKSPACE SConstruct",
    ),
    "R": (_HASH, ".r .rmd"),
    "Ruby": (
        CommentStyle(("#",), (("=begin", "=end"),)),
        ".rb .rake .gemspec .ru Rakefile Gemfile Vagrantfile",
    ),
    "Rust": (_SLASHES, ".rs"),
    "SQL": (_DASHES, ".sql .psql"),
    "SVG": (_MARKUP, ".svg"),
    "Sass": (_SLASHES, ".scss .sass .styl"),
    "Scala": (_SLASHES, ".scala .sbt .sc"),
    "Shell": (_HASH, ".sh .bash .zsh .ksh .fish .command .awk .sed configure.ac"),
    "Smali": (_HASH, ".smali"),
    "Solidity": (_SLASHES, ".sol"),
    "Swift": (_SLASHES, ".swift"),
    "TOML": (_HASH, ".toml"),
    "Tcl": (_HASH, ".tcl .tk"),
    "TeX": (_PERCENT, ".tex .sty .cls .ltx .dtx .bib .bst"),
    "Text": (_NONE, ".txt .rst .adoc .asciidoc .org .textile .csv .tsv .log"),
    "Thrift": (CommentStyle(("#", "//"), (("/*", "*/"),)), ".thrift"),
    "TypeScript": (_SLASHES, ".ts .tsx .mts .cts"),
    "VHDL": (CommentStyle(("--",)), ".vhd .vhdl"),
    "Verilog": (_SLASHES, ".v .sv .svh .vh"),
    "Vim script": (CommentStyle(('"',)), ".vim .vimrc"),
    "Visual Basic": (CommentStyle(("'",)), ".vb .vbs .bas"),
    "Vue": (_MARKUP, ".vue .svelte"),
    "XML": (_MARKUP, ".xml .xsl .xslt .xsd .rng .dtd .pom .plist .csproj .props .targets .wsdl"),
    "YAML": (_HASH, ".yml .yaml"),
    "Zig": (CommentStyle(("//",)), ".zig"),
}
_BY_NAME = {name: language for language, (_, names) in _LANGUAGES.items() for name in names.split()}


def language_of_path(path: str) -> str | None:
    """Return the language of a file by its name or its extension, None where neither is known.

    A whole name (``CMakeLists.txt``) has precedence over an extension, and an extension as written
    over its lower case. ``.m`` counts as MATLAB; its marks of comments include Objective-C's.
    """
    name = path.rpartition("/")[2]
    if name in _BY_NAME:
        return _BY_NAME[name]
    _, dot, extension = name.rpartition(".")
    if not dot:
        return None
    return _BY_NAME.get(dot + extension) or _BY_NAME.get(dot + extension.lower())


def comment_style(path: str, first_line: str) -> CommentStyle:
    """Return the marks of comments in a file. ``first_line`` may hold a shebang.

    A file of an unknown language gets the usual marks of many languages.
    """
    language = language_of_path(path)
    if language:
        return _LANGUAGES[language][0]
    return _HASH if first_line.startswith("#!") else _UNKNOWN

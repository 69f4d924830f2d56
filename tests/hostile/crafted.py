# ruff: noqa: E501 (tables)
"""Files that attack one thing each: bombs, loops, nesting, false sizes.

Most take a size in bytes, so that a test can measure how time and memory grow. Their names are those
under which a recipe would find the files.
"""

from __future__ import annotations

import bz2
import functools
import itertools
import zipfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.hostile.bases import epub, gzipped, seven_zip, tar_of, zstd
from tests.hostile.crafted_columns import tables
from tests.hostile.makers import (
    WARC_HEAD,
    bomb,
    climbing_tar,
    code,
    html,
    huge_tar_size,
    importing_paper,
    line,
    many_members,
    nested_tar,
    open_formatting,
    paper,
    paper_of_macros,
    posts,
    repeated,
    warc,
    warc_record,
    wet,
    wiki,
    xml_bomb,
    zip_of,
)


class Crafted(NamedTuple):
    """A hostile file for one reader."""

    label: str
    reader: str
    name: str
    make: Callable[[int], bytes]


def crafted() -> Iterator[Crafted]:
    """Yield all crafted files."""
    for label, make in _WEB.items():
        yield Crafted(
            label, "warc" if label.startswith(("html", "http")) else "wet", "a.warc", make
        )
    for table, reader, name in (
        (_LINES, "json_lines", "a.json"),
        (_CODE, "bigquery_github", "a.json"),
        (_WIKI, "wikipedia", "enwiki.xml"),
        (_BOOKS, "books", "a.txt"),
        (_PAPERS, "arxiv", "2401.00001.gz"),
        (_POSTS, "stackexchange", "s.example.org/Posts.xml"),
        (_REPOSITORIES, "repositories", "a.tar"),
    ):
        for label, make in table.items():
            yield Crafted(label, reader, name, make)
    yield from itertools.starmap(Crafted, tables())
    for compress, name in ((gzipped, "gz"), (bz2.compress, "bz2"), (zstd, "zst")):
        for reader, file, unit in (
            ("wet", "a.warc.wet", b"a"), ("warc", "a.warc", b"\n"), ("json_lines", "a.json", b"a"),
            ("bigquery_github", "a.json", b"\n"), ("repositories", "a.tar", b"\0"),
            ("wikipedia", "enwiki.xml", b" "), ("books", "a.txt", b"a"), ("arxiv", "2401.00001", b"%"),
            ("stackexchange", "s.example.org/Posts.xml", b" "),
        ):  # fmt: skip
            make = functools.partial(bomb, compress, unit)
            yield Crafted(f"bomb of {name}", reader, f"{file}.{name}", make)


_Makers = dict[str, Callable[[int], bytes]]

_WEB: _Makers = {
    "one line": lambda n: wet(b"t\n" + repeated(b"word, ", n)),
    "empty lines": lambda n: wet(b"t\n" + repeated(b"\n", n)),
    "short lines": lambda n: wet(b"t\n" + repeated(b"ab\n", n)),
    "NUL bytes": lambda n: wet(b"t\n" + repeated(b"\0", n)),
    "one word": lambda n: wet(b"t\n" + repeated(b"a", n)),
    "no UTF-8": lambda n: wet(b"t\n" + repeated(b"\xed\xa0\x80", n)),
    "records without a header's end": lambda n: repeated(b"WARC/1.0\n", n),
    "continued header": lambda n: wet(b"x", X="a" + "\r\n b" * (n // 4)),
    "lengths into carriage returns": lambda n: (
        repeated(WARC_HEAD % (n + n // 2), n) + b"\r" * n + b"x" * n
    ),
    "huge length": lambda n: WARC_HEAD % (10**17) + repeated(b"a", n),
    "header of one line": lambda n: wet(b"x", X="a" * n),
    "long addresses": lambda n: b"".join(
        warc_record(b"conversion", b"", {"WARC-Target-URI": "a" * 100_000}) for _ in range(n // 100_000)
    ),
    "html nested": lambda n: html(repeated(b"<div>", n)),
    "html nested otherwise": lambda n: html(repeated(b"<span><ul><li>", n)),
    "html of formatting": lambda n: html(open_formatting(n)),
    "html of links": lambda n: html("".join(f"<a href={k}>" for k in range(n // 12)) + "<p>x" * (n // 8)),
    "html of tables": lambda n: html(repeated(b"<table><tr><td>", n)),
    "html of open tags": lambda n: html(repeated(b"<a ", n)),
    "html of comments": lambda n: html(repeated(b"<!--", n)),
    "html of attributes": lambda n: html("<p " + " ".join(f"a{k}" for k in range(n // 8)) + ">x"),
    "html of entities": lambda n: html(repeated(b"&amp;&#x41;&nosuch;", n)),
    "html of selects": lambda n: html(repeated(b"<select><option>", n)),
    "http encodings": lambda n: warc(
        repeated(b"a", n), b"Content-Type: text/html\r\nContent-Encoding: " + b"gzip," * (n // 5) + b"\r\n"
    ),
    "http bomb": lambda n: warc(
        bomb(gzipped, b"a", n), b"Content-Type: text/html\r\nContent-Encoding: gzip\r\n"
    ),
    "http chunks": lambda n: warc(
        repeated(b"1\r\na\r\n", n), b"Content-Type: text/html\r\nTransfer-Encoding: chunked\r\n"
    ),
    "http continued header": lambda n: warc(b"x", b"X: a" + b"\r\n b" * (n // 4) + b"\r\n"),
}  # fmt: skip

_LINES: _Makers = {
    "one line": lambda n: line(text="a" * n),
    "empty lines": lambda n: b"\n" * n,
    "nested": lambda n: b"[" * n,
    "nested metadata": lambda n: b'{"text":"a","timestamp":' + b"[" * 800 + b"]" * 800 + b"}\n",
    "nested to the limit": lambda n: b"".join(
        b'{"text":"a","timestamp":' + b"[" * depth + b"]" * depth + b"}\n"
        for depth in range(900, 1_000)
    ),
    "long metadata": lambda n: line(text="a", timestamp="b" * 100_000) * (n // 100_000),
    "long numbers": lambda n: b'{"text":' + b"9" * n + b"}\n",
    "lone surrogates": lambda n: line(text="\ud800" * (n // 6)),
    "empty objects": lambda n: b'{"text":[' + b"{}," * (n // 3) + b"{}]}\n",
    "NUL bytes": lambda n: b"\0" * n,
}

_CODE: _Makers = {
    "one line": lambda n: code("a" * n),
    "licence of spaces": lambda n: code("a = 1\n" * 20, "a" + " " * n + "b"),
    "many licences": lambda n: b"".join(code("a = 1\n" * 9, f"l{k}") for k in range(n // 100)),
    "licence of ORs": lambda n: code("a = 1\n" * 20, "gpl-3.0 or " * (n // 11) + "gpl-3.0"),
    "comments": lambda n: code("# copyright (c) 2001\n" * (n // 21)),
    "one comment": lambda n: code("/* licensed under the" + " a" * (n // 2) + "*/", path="a.c"),
    "comments of spaces": lambda n: code("# copyright" + " " * n + "\n"),
    "long path": lambda n: code("a = 1\n" * 20, path="a/" * (n // 2)),
    "marks of generated files": lambda n: code("this file " * (n // 10)),
}

_WIKI: _Makers = {
    "templates": lambda n: wiki(repeated("{{", n)),
    "templates closed": lambda n: wiki("{{" * (n // 4) + "lang|en|a" + "}}" * (n // 4)),
    "braces": lambda n: wiki("{{" * (n // 4) + "a|b" + "}}}" * (n // 6)),
    "links": lambda n: wiki(repeated("[[a|", n)),
    "closed links": lambda n: wiki("[[" * (n // 4) + "a" + "]]" * (n // 4)),
    "addresses": lambda n: wiki(repeated("[http://a ", n) + b"]" * 1_000),
    "tables": lambda n: wiki(repeated("{|\n|-\n", n)),
    "references": lambda n: wiki(repeated("<ref>", n)),
    "comments": lambda n: wiki(repeated("<!--", n)),
    "open tags": lambda n: wiki(repeated("<div <span ", n)),
    "quotes": lambda n: wiki("'" * n),
    "headings": lambda n: wiki(repeated("== a ==\n", n)),
    "lists": lambda n: wiki(repeated("*#*#*# a\n", n)),
    "one line": lambda n: wiki(repeated("word ", n)),
    "short lines": lambda n: wiki(repeated("ab\n", n)),
    "empty lines": lambda n: wiki("\n" * n),
    "spaces": lambda n: wiki("a" + " " * n + "b"),
    "brackets of spaces": lambda n: wiki(repeated("( ,", n)),
    "pages without an end": lambda n: b"<mediawiki>" + repeated(b"<page>", n),
    "revisions": lambda n: (
        b"<mediawiki><page><title>A</title><ns>0</ns><id>1</id>"
        + repeated(b"<revision><id>2</id>", n) + b"</page>"
    ),
    "long namespace": lambda n: (
        b'<mediawiki><namespace key="' + b"7" * 5_000 + b'">a</namespace>' + wiki("a")
    ),
    "namespace of an entity": lambda n: (
        b'<mediawiki><namespace key="1">&lol;</namespace>' + wiki("a")
    ),
}  # fmt: skip

_BOOKS: _Makers = {
    "one line": lambda n: repeated(b"word ", n),
    "keywords in one line": lambda n: repeated(b"Gutenberg ", n),
    "empty lines": lambda n: b"Project Gutenberg" + b"\n" * n + b"x",
    "stars": lambda n: b"Project Gutenberg\n" + b"*" * n,
    "frames": lambda n: repeated(b"*** START OF THE PROJECT GUTENBERG\n***\n", n),
    "edges": lambda n: b"*** START OF THE PROJECT GUTENBERG EBOOK A ***\n" + b"\n- " * (n // 3) + b"x",
    "pieces with edges": lambda n: repeated(
        b"*** START OF THE PROJECT GUTENBERG EBOOK A ***\n" + b"\n- " * 6_000
        + b"x\n*** END OF THE PROJECT GUTENBERG EBOOK A ***\n", n
    ),
    "notes": lambda n: repeated(b"[Transcriber's Note: ", n),
    "zip of bzip2": lambda n: zip_of(b"a" * (1_000 * n), "a.txt", zipfile.ZIP_BZIP2),
    "zip of lzma": lambda n: zip_of(b"a" * (1_000 * n), "a.txt", zipfile.ZIP_LZMA),
    "zip bomb": lambda n: zip_of(b"a" * (1_000 * n), "a.txt", zipfile.ZIP_DEFLATED),
    "zip of many": many_members,
    "zip bomb in gzip": lambda n: gzipped(zip_of(b"a" * (1_000 * n), "a.txt", zipfile.ZIP_DEFLATED)),
    "entities": lambda n: xml_bomb("utf-8"),
    "entities in UTF-16": lambda n: xml_bomb("utf-16"),
    "epub nested": lambda n: epub(repeated(b"<div>", n)),
    "epub of formatting": lambda n: epub(open_formatting(n).encode()),
    "control bytes": lambda n: b"\x1b" * n,
}  # fmt: skip

_PAPERS: _Makers = {
    "loop": lambda n: paper(repeated("\\a ", n), "\\def\\a{\\b\\b}\\def\\b{\\a\\a}"),
    "blow-up": lambda n: paper(
        repeated("\\z ", n), "\\def\\a{xxxxxxxxxx}\\def\\b{\\a\\a\\a\\a\\a}\\def\\c{\\b\\b\\b\\b\\b}\\def\\z{\\c\\c\\c}"
    ),
    "arguments": lambda n: paper(repeated("\\a{", n), "\\def\\a#1{#1#1}"),
    "open options": lambda n: paper(repeated("\\a[", n), "\\newcommand{\\a}[1][x]{#1}"),
    "open options in braces": lambda n: paper(repeated("\\a[{]}", n), "\\newcommand{\\a}[1][x]{#1}"),
    "groups": lambda n: paper(repeated("{", n)),
    "closed groups": lambda n: paper("{" * (n // 2) + "}" * (n // 2)),
    "prefixes": lambda n: paper(repeated("\\global", n)),
    "prefixes of definitions": lambda n: paper(repeated("\\long\\global\\def\\a{}", n)),
    "unfinished definitions": lambda n: paper(repeated("\\def\\a", n) + b"{}"),
    "tests of arguments": lambda n: paper(
        "\\a\\a\\a", "\\NewDocumentCommand{\\a}{o}{" + "\\IfValueTF{#1}{x}{y}" * (n // 20) + "}"
    ),
    "tests in many calls": lambda n: paper(
        "\\a " * (n // 6), "\\NewDocumentCommand{\\a}{o}{" + "\\IfValueTF{#1}{x}{}" * (n // 100) + "}"
    ),
    "comments": lambda n: paper(repeated("%\n", n)),
    "verbatim": lambda n: paper(repeated("\\verb|a|", n)),
    "new verbatim": lambda n: paper(
        "".join(f"\\begin{{{_word(k)}}}" for k in range(n // 40)),
        "".join(f"\\newverbatim{{{_word(k)}}}" for k in range(n // 40)),
    ),
    "branches": lambda n: paper(repeated("\\iffalse ", n) + repeated("\\fi ", n // 2)),
    "environments": lambda n: paper(repeated("\\begin{a}", n)),
    "own environments": lambda n: paper(
        repeated("\\begin{q}", n) + repeated("\\end{q}", n), "\\newenvironment{q}{\\begin{q}x}{\\end{q}}"
    ),
    "inputs": lambda n: paper(repeated("\\input{a}", n)),
    "imports": lambda n: importing_paper(28),
    "input macros": lambda n: paper_of_macros(n // 60),
    "bibliographies": lambda n: paper(repeated("\\bibliography{a}", n)),
    "one line": lambda n: paper(repeated("word ", n)),
    "empty lines": lambda n: paper("\n" * n),
    "spaces": lambda n: paper("\\a" + " " * n),
    "readme": lambda n: gzipped(
        tar_of([("00README", b"a" * n), ("a.tex", b"\\documentclass{a}\\begin{document}x")])
    ),
    "many mains": lambda n: gzipped(
        tar_of(
            [
                (f"{k}.tex", b"\\documentclass{a}\\begin{document}" + b"\\input{0}" * 20)
                for k in range(n // 300)
            ]
        )
    ),
    "zip of bzip2": lambda n: zip_of(b"a" * (1_000 * n), "a.tex", zipfile.ZIP_BZIP2),
    "zip of many": many_members,
    "tar in tar": lambda n: nested_tar(40),
    "climbing paths": lambda n: climbing_tar(gzipped),
    "bulk of climbing paths": lambda n: tar_of([("2401/2401.00001.gz", climbing_tar(gzipped))]),
    "bulk with links": lambda n: climbing_tar(bytes),
    "huge size": huge_tar_size,
}  # fmt: skip


def _word(number: int) -> str:
    return "".join(chr(97 + int(digit)) for digit in f"{number:06d}")


_POSTS: _Makers = {
    "one line": lambda n: posts("a" * n),
    "long numbers": lambda n: posts("&#" + "9" * n + ";"),
    "quotes": lambda n: posts("<blockquote>" * 100 + "a<br>" * (n // 5)),
    "lists": lambda n: posts('<ol start="999999999"><li>' * 64 + "a<br>" * (n // 5)),
    "cells": lambda n: posts("<b> " * (n // 8) + "a" + "<td>" * (n // 8)),
    "inline": lambda n: posts("<code>" * (n // 12) + "a" + "</code>" * (n // 12)),
    "superscripts": lambda n: posts("<sup>a</sup>" * (n // 12)),
    "open tags": lambda n: posts('<a "' * (n // 4)),
    "open quotes": lambda n: posts("<a '\"" * (n // 5)),
    "comments": lambda n: posts("<!--" * (n // 4)),
    "formulas": lambda n: posts("\\begin{a}$$" * (n // 11)),
    "backticks": lambda n: posts("<code>" + "`" * n + "</code>"),
    "entities": lambda n: posts("&a;&amp" * (n // 7)),
    "attributes": lambda n: b"<posts><row " + b"a=''" * (n // 4) + b"/></posts>",
    "spaces": lambda n: b"<posts><row" + b" " * n + b"/></posts>",
    "rows without an end": lambda n: b"<posts>" + repeated(b"<row", n),
    "duplicates": lambda n: b"<posts>" + repeated(
        b'<row Id="7" PostTypeId="2" ParentId="3" Score="1" Body="a" />'
        b'<row Id="7" PostTypeId="2" ParentId="4" Score="1" Body="a" />'
        b'<row Id="-7" PostTypeId="1" Score="1" Body="a" />', n),
    "long titles": lambda n: b"<posts>" + repeated(
        b'<row Id="1" PostTypeId="1" Score="1" Body="" Title="' + b"a" * 100_000 + b'" />', n),
    "entities declared": lambda n: b'<!DOCTYPE a [<!ENTITY l "lol">]>' + posts("a"),
    "7z bomb": lambda n: seven_zip(b"<posts>" + b" " * (200 * n)),
    "7z bomb over the limit": lambda n: seven_zip(b"<posts>" + b" " * (400 * n)),
}  # fmt: skip

_REPOSITORIES: _Makers = {
    "climbing paths": lambda n: climbing_tar(bytes),
    "huge size": huge_tar_size,
    "empty files": lambda n: tar_of([(f"a/b/{k}.py", b"") for k in range(n // 512)]),
    "licences": lambda n: tar_of([(f"a/{k}/LICENSE", b"GNU " * 9) for k in range(n // 1_024)]),
    "long name": lambda n: tar_of([("a/b/" + "c" * n, b"x")]),
    "magic": lambda n: repeated(b"ustar", n),
    "zeros": lambda n: bytes(n),
    "tar in tar": lambda n: nested_tar(40),
}

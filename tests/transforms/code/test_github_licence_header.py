from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.code.licence_header import strip_licence_header, without_licence_header
from transforms.documents import documents

APACHE = """Copyright 2019 The Example Authors. All rights reserved.

Licensed under the Apache License, Version 2.0 (the "License");
you may not use this file except in compliance with the License.
You may obtain a copy of the License at

    http://www.apache.org/licenses/LICENSE-2.0

Unless required by applicable law or agreed to in writing, software
distributed under the License is distributed on an "AS IS" BASIS,
WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
See the License for the specific language governing permissions and
limitations under the License."""
BSD = """Copyright (c) 2010, Somebody,
              Somebody Else and others
All rights reserved.

Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are met:

1. Redistributions of source code must retain this list of conditions.

2. The documentation must acknowledge the project.

THIS SOFTWARE IS PROVIDED BY THE AUTHORS "AS IS" AND ANY WARRANTIES ARE DISCLAIMED. IN NO EVENT
SHALL THE AUTHORS BE LIABLE FOR DAMAGES OF WHATEVER KIND, EVEN IF ADVISED OF THEIR
POSSIBILITY."""
GPL = """This program is free software; you can redistribute it and/or modify
it under the terms of the GNU General Public License as published by
the Free Software Foundation; either version 2 of the License, or
(at your option) any later version.

You should have received a copy of the GNU General Public License
along with this program; if not, write to the Free Software
Foundation, Inc., 51 Franklin Street, Boston, MA 02110-1301, USA"""
STYLES = {
    "a.py": ("", "# ", ""),
    "b.py": ('"""\n', "", '\n"""'),
    "a.c": ("/*\n", " * ", "\n */"),
    "a.cc": ("", "// ", ""),
    "a.java": ("/**\n", " * ", "\n */"),
    "a.sql": ("", "-- ", ""),
    "a.lisp": ("", ";; ", ""),
    "a.tex": ("", "%% ", ""),
    "a.html": ("<!--\n", "  ", "\n-->"),
    "a.xml": ("<!--\n", "  ~ ", "\n  -->"),
    "a.hs": ("{-\n", "", "\n-}"),
    "a.ml": ("(* ", "", " *)"),
    "a.lua": ("--[[\n", "", "\n]]"),
    "a.f90": ("", "! ", ""),
    "a.vim": ("", '" ', ""),
    "a.bat": ("", "REM ", ""),
    "a.rb": ("=begin\n", "", "\n=end"),
    "a.ps1": ("<#\n", "", "\n#>"),
    "a.css": ("/*!\n", "", "\n*/"),
    "boxed.c": ("/" + "*" * 60 + "\n", "** ", "\n" + "*" * 60 + "/"),
    "unknown.ext": ("", "# ", ""),
    "no_extension": ("/*\n", " * ", "\n */"),
}


def comment(path: str, text: str) -> str:
    begin, prefix, end = STYLES[path]
    return begin + "\n".join((prefix + line).rstrip() for line in text.split("\n")) + end + "\n"


@pytest.mark.parametrize("path", STYLES)
@pytest.mark.parametrize("notice", [APACHE, BSD, GPL], ids=["apache", "bsd", "gpl"])
def test_a_notice_goes_and_the_rest_stays(path: str, notice: str) -> None:
    code = "code = 1 (c) 2020\n\n" + comment(path, "Copyright 2020 In the middle of a file.")
    whole = comment(path, notice)
    assert without_licence_header(whole + "\n" + code, path) == code
    assert without_licence_header(whole + code, path) == code
    assert without_licence_header(whole, path) == ""
    ordinary = comment(path, "What this file does, and how.")
    assert without_licence_header(ordinary + "\n" + whole + code, path) == ordinary + "\n" + code
    assert without_licence_header(whole + "\n" + ordinary + code, path) == ordinary + code
    assert without_licence_header(ordinary + code, path) == ordinary + code


@pytest.mark.parametrize("path", [path for path in STYLES if path not in ("a.ml", "boxed.c")])
def test_a_description_beside_a_notice_stays(path: str) -> None:
    around = comment(path, "Sorts things.\n\n" + APACHE + "\n\nBy hand.")
    assert without_licence_header(around + "x\n", path) == (
        comment(path, "Sorts things.\n\nBy hand.") + "x\n"
    )
    behind = comment(path, "Sorts things, this file.\n\n" + GPL)
    assert without_licence_header(behind + "x\n", path) == (
        comment(path, "Sorts things, this file.") + "x\n"
    )


@pytest.mark.parametrize(
    ("path", "before"),
    [
        ("a.py", "#!/usr/bin/env python\n"),
        ("a.py", "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n"),
        ("a.py", "# vim: set fileencoding=utf-8 :\n"),
        ("a.php", "<?php\n"),
        ("a.xml", '<?xml version="1.0"?>\n'),
        ("a.html", "<!DOCTYPE html>\n"),
        ("a.c", "/* -*- Mode: C; tab-width: 4 -*- */\n"),
        ("a.h", "#ifndef A_H\n#define A_H\n"),
        ("a.h", "#pragma once\n\n"),
        ("a.js", "'use strict';\n"),
        ("script", "#!/bin/sh\n"),
        ("a.bat", "@echo off\n"),
    ],
)
def test_lines_for_programs_stay_ahead(path: str, before: str) -> None:
    style = {"a.php": "a.c", "a.h": "a.c", "a.js": "a.c", "script": "a.py"}.get(path, path)
    text = before + comment(style, APACHE) + "code\n"
    assert without_licence_header(text, path) == before + "code\n"
    assert without_licence_header(text.replace("\n", "\r\n"), path) == (
        before.replace("\n", "\r\n") + "code\r\n"
    )


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "# Parses license files and copyright notices.\nimport os\n"),
        ("a.py", "# Tells whether the licence of a package permits its use.\n"),
        ("a.c", "/* See the manual for the license server's protocol. */\nint x;\n"),
        ("a.c", "/* Copyright 2020 nobody closed this\nint x;\n"),
        ("a.md", "# Copyright 2020 Title\n\nLicensed under the Apache License.\n"),
        ("a.txt", "Copyright (c) 2020 Somebody\n"),
        ("a.py", "copyright = 'Copyright 2020 Somebody'\n"),
        ("a.ipynb", '{"x": "Copyright 2020"}'),
        ("a.c", 'printf("Copyright (c) 2020"); /* Copyright 2020 */\n'),
    ],
)
def test_other_comments_and_code_stay(path: str, text: str) -> None:
    assert without_licence_header(text, path) == text


def test_odd_comments() -> None:
    assert without_licence_header("/* Copyright 2020 A */ int x;\n", "a.c") == " int x;\n"
    boxed = "/* Copyright 2020 A.           */\n/* All rights reserved. */\n/* Adds. */\nint x;\n"
    assert without_licence_header(boxed, "a.c") == "/* Adds. */\nint x;\n"
    text = "/* Copyright 2020 A\n * Adds numbers. */\nint x;\n"
    assert without_licence_header(text, "a.c") == "/*\n * Adds numbers. */\nint x;\n"
    text = "/* Adds numbers.\n * Copyright 2020 A */\nint x;\n"
    assert without_licence_header(text, "a.c") == "/* Adds numbers.\n*/\nint x;\n"
    text = '"""Adds numbers.\n\nCopyright 2020 A\nLicense: MIT\n"""\nimport os\n'
    assert without_licence_header(text, "a.py") == '"""Adds numbers.\n"""\nimport os\n'
    text = "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.0;\n"
    assert without_licence_header(text, "a.sol") == "pragma solidity ^0.8.0;\n"


def test_a_batch() -> None:
    files = [("a.py", "# Copyright 2020 A\nx = 1\n"), ("b.py", "x = 2\n"), ("c.py", "# (c) 2020 A")]
    metadata = [json.dumps({"path": path}) for path, _ in files]
    batch = documents(["d#0", "d#1", "d#2"], [text for _, text in files], metadata=metadata)
    after = strip_licence_header(batch)
    assert after["text"].to_pylist() == ["x = 1\n", "x = 2\n", ""]
    assert after["dropped_by"].to_pylist() == [None, None, "only_licence_header"]
    after.validate(full=True)
    assert strip_licence_header(batch.slice(1, 1)) == batch.slice(1, 1)


PIECES = st.sampled_from(
    [
        "# ", "/*", " * ", "*/", "//", '"""', "<!--", "-->", "\n", "\n\n", "\r\n", "x = 1",
        "#!/bin/sh", "Copyright 2020 A", "Licensed under the Apache License.", "What it does",
        "1. only", "é",
    ]
)  # fmt: skip


@settings(deadline=None, max_examples=500)
@given(st.lists(PIECES, max_size=40), st.sampled_from(["a.py", "a.c", "a.html", "a", "a.php"]))
def test_wild_texts_only_lose_text(pieces: list[str], path: str) -> None:
    text = "".join(pieces)
    stripped = without_licence_header(text, path)
    rest = iter(text)
    assert all(character in rest for character in stripped)
    if "2020" not in text and "Licensed" not in text:
        assert stripped == text

from __future__ import annotations

import json
from pathlib import Path

import pytest

from transforms.code.licences import keep_licences, licence_of_text
from transforms.documents import documents

ROOT = Path(__file__).resolve().parents[3]
THREE = ["apache", "bsd", "mit"]
MIT = (
    "Permission is hereby granted, free of charge, to any person obtaining a copy\nof this software"
)
NOTICE = ". The above copyright notice and this permission notice shall be included."
BSD = "Redistribution and use in source and binary forms, with or without modification, "


def _reason(licence: str | None, families: list[str]) -> str | None:
    batch = documents(["d#0"], ["x"], metadata=[json.dumps({"licence": licence})])
    return keep_licences(batch, families=families)["dropped_by"][0].as_py()


@pytest.mark.parametrize(
    "licence",
    [
        "mit", "MIT", "MIT-0", "X11", "apache-2.0", "Apache-2.0", "Apache License 2.0",
        "BSD-2-Clause", "bsd-3-clause", "BSD-4-Clause", "0BSD", "MIT OR GPL-3.0-only",
        "(Apache-2.0 AND MIT)", "Apache-2.0 WITH LLVM-exception", "MIT License", "Apache-2.0+",
        "MIT AND (GPL-2.0-only OR BSD-3-Clause)", "Apache-2.0 OR GPL-2.0-only AND MIT",
        "((mit or gpl-3.0) and apache-2.0)", "MIT\n OR  GPL-2.0",
    ],
)  # fmt: skip
def test_licences_that_are_kept(licence: str) -> None:
    assert _reason(licence, THREE) is None


@pytest.mark.parametrize(
    ("licence", "reason"),
    [
        ("gpl-3.0", "licence_gpl-3.0"),
        ("GPL-2.0-or-later", "licence_gpl-2.0-or-later"),
        ("isc", "licence_isc"),
        (None, "licence_unknown"),
        ("", "licence_unknown"),
        ("NOASSERTION", "licence_unknown"),
        ("MIT AND GPL-2.0", "licence_gpl-2.0"),
        ("MIT AND unknown", "licence_unknown"),
        ("GPL-2.0-only AND (MIT OR Apache-2.0)", "licence_gpl-2.0-only"),
        ("(MIT OR Apache-2.0) AND GPL-3.0-only", "licence_gpl-3.0-only"),
        ("(MIT OR GPL-3.0-only) AND LGPL-2.1-only", "licence_lgpl-2.1-only"),
        ("(MIT AND GPL-2.0-only) OR GPL-3.0-only", "licence_gpl-2.0-only"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "licence_gpl-2.0-only"),
        ("MIT WITH Commons-Clause", "licence_other"),
        ("MIT OR", "licence_other"),
        ("((MIT", "licence_other"),
        ("( )", "licence_unknown"),
        ("MIT OR " * 1_000 + "MIT", "licence_other"),
        ("BSD-Protection", "licence_other"),
        ("MITRE", "licence_other"),
        ("x" * 100, "licence_other"),
        ("my\nown 'licence'", "licence_other"),
    ],
)
def test_licences_that_are_dropped(licence: str | None, reason: str) -> None:
    assert _reason(licence, THREE) == reason


def test_families_are_a_choice() -> None:
    assert _reason("isc", [*THREE, "isc"]) is None
    assert _reason("mit", ["apache"]) == "licence_mit"
    with pytest.raises(ValueError, match="'gnu'; there are apache, bsd, mit, isc"):
        _reason("mit", ["gnu"])


def test_a_batch_keeps_its_rows_in_order() -> None:
    names = ["mit", "gpl-3.0", None, "mit", "gpl-3.0", "lgpl-2.1"]
    metadata = [json.dumps({"licence": name}) if name else None for name in names]
    batch = documents([f"d#{i}" for i in range(6)], list("abcdef"), metadata=metadata)
    after = keep_licences(batch, families=THREE)
    assert after["id"] == batch["id"]
    assert after["dropped_by"].to_pylist() == [
        None, "licence_gpl-3.0", "licence_unknown", None, "licence_gpl-3.0", "licence_lgpl-2.1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        (MIT + NOTICE, "mit"),
        (MIT, "mit-0"),
        (MIT + NOTICE + " Except as contained in this notice, the name", "x11"),
        (MIT + NOTICE + " It shall be used for Good, not Evil.", None),
        ("Commons Clause License Condition\n" + MIT + NOTICE, None),
        (BSD, "bsd-1-clause"),
        (BSD + "2. Redistributions in binary form must reproduce", "bsd-2-clause"),
        (BSD + "may be used to endorse or promote products", "bsd-3-clause"),
        (BSD + "All advertising materials mentioning features; endorse or promote", "bsd-4-clause"),
        (BSD + " for non-commercial purposes", None),
        ("This is free and unencumbered software released into the public domain.", "unlicense"),
        ("GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007", "gpl-3.0"),
        ("GNU LESSER GENERAL PUBLIC LICENSE\n Version 2.1, February 1999", "lgpl-2.1"),
        ("Mozilla Public License Version 2.0 ... GNU General Public License, Version 2", "mpl-2.0"),
        (MIT + NOTICE + " Parts are under the GNU General Public License.", "gpl AND mit"),
        ("All rights reserved.", None),
        ("", None),
    ],
)
def test_licences_by_their_texts(text: str, licence: str | None) -> None:
    assert licence_of_text(text) == licence


WHOLE_MIT = """MIT License

Copyright (c) 2019-2021, Ada Example <ada@example.org> and contributors.
All rights reserved.

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""
APACHE = (ROOT / "LICENSE").read_text(encoding="utf-8")
NOTICE_OF_APACHE = APACHE[APACHE.index("Licensed under the Apache License") :]


def test_the_licence_of_this_project() -> None:
    assert licence_of_text(APACHE) == "apache-2.0"


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        (WHOLE_MIT, "mit"),
        ("Example Kit - a kit in Python\n=====\n\n" + WHOLE_MIT, "mit"),
        (WHOLE_MIT.replace("Ada Example", "Ada Example,\n  Will Test, Grant Sample"), "mit"),
        (WHOLE_MIT.replace("distribute", "dis-\n tribute"), "mit"),
        (WHOLE_MIT.replace("License", "Licence").replace("sublicense", "sub-license"), "mit"),
        (WHOLE_MIT.replace("Ada Example", "\u5f20\u4e09"), "mit"),
        ("Copyright 2020 The Example Authors\n\n" + NOTICE_OF_APACHE, "apache-2.0"),
        ("Licensed under the Apache License, Version 2.0", "apache-2.0"),
        (APACHE + "\n" + WHOLE_MIT, "apache-2.0 AND mit"),
    ],
)
def test_whole_texts_are_known(text: str, licence: str) -> None:
    assert licence_of_text(text) == licence


@pytest.mark.parametrize(
    "restriction",
    [
        "This software must not be used to train models.",
        "Not for production.",
        "Companies with more than 50 employees need to buy a key.",
        "Evaluation copy",
        "Commons Clause",
        "Hobbyists are welcome, others ask first.",
        "Excludes the three largest shops.",
        "Nur f\u00fcr private Zwecke.",
        "Usage commercial interdit.",
        "\u7981\u6b62\u5546\u7528\u3002",
        "Copyright 2021 Example Works, internal use",
        "Copyright 2021 Example Works. Customers Alone",
        "(c) Example Works. Selling is out of the question.",
    ],
)
def test_a_restriction_in_any_words_makes_a_permissive_text_unknown(restriction: str) -> None:
    for text in (WHOLE_MIT, APACHE):
        middle = text.index("\n\n", len(text) // 2)
        for changed in (
            f"{restriction}\n\n{text}",
            f"{text}\n{restriction}\n",
            f"{text[:middle]}\n\n{restriction}{text[middle:]}",
        ):
            assert licence_of_text(changed) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("free of charge", "for no commercial end, free of charge"),
        ("any person", "any student"),
        ("hereby granted", "hereby not granted"),
        ("modify, ", ""),
        ("and/or sell", "but never sell"),
        ("contributors.", "contributors. This is a trial."),
    ],
)
def test_a_text_with_other_words_in_its_midst_is_unknown(before: str, after: str) -> None:
    assert before in WHOLE_MIT
    assert licence_of_text(WHOLE_MIT.replace(before, after)) is None


@pytest.mark.parametrize(
    "text",
    [
        "Business Source License 1.1\nLicensed Work: Example 2\nChange Date: 2031-01-01\n"
        "Change License: Apache License, Version 2.0\n\nYou may make non-production use.",
        "You may use the Software for any Permitted Purpose. On the second anniversary we grant\n"
        "a license under the Apache License, Version 2.0.",
        "Example Agreement\nAll rights reserved. Parts in lib/ are under the Apache License, "
        "Version 2.0.",
        "This is like the MIT License, but ask us first.\n" + MIT,
    ],
)
def test_a_text_that_names_a_licence_is_not_that_licence(text: str) -> None:
    assert licence_of_text(text) is None

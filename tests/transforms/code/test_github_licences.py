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
        "(Apache-2.0 AND MIT)", "Apache-2.0 WITH LLVM-exception", "MIT License",
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


def test_the_licence_of_this_project() -> None:
    assert licence_of_text((ROOT / "LICENSE").read_text()) == "apache-2.0"

from __future__ import annotations

import pytest

from pipeline.readers.containers.media_type import media_type


@pytest.mark.parametrize(
    ("header", "essence", "charset"),
    [
        ("text/html", "text/html", None),
        ("TEXT/Html;charset=UTF-8", "text/html", "UTF-8"),
        ("text/html\t; charset=utf-8;", "text/html", "utf-8"),
        ("text/html;;charset=utf-8", "text/html", "utf-8"),
        ('text/html; x="a;charset=no"; charset="utf\\-8"', "text/html", "utf-8"),
        ('text/html; charset="utf-8', "text/html", "utf-8"),
        ("text/html; charset=; charset=gbk; charset=big5", "text/html", "gbk"),
        ("text/html; charset = gbk", "text/html", None),
        ("text/html; charset=utf-8\0", "text/html", None),
        # A list: its last valid member counts. Only one of the same type hands its encoding on.
        ("text/html, text/html", "text/html", None),
        ("text/html;charset=gbk, text/html", "text/html", "gbk"),
        ("text/html;charset=gbk, x/x, text/html", "text/html", None),
        ("text/plain;charset=gbk, text/html", "text/html", None),
        ("text/html;charset=gbk, text/html;charset=big5", "text/html", "big5"),
        ("text/html, */*;charset=gbk", "text/html", None),
        ("text/html, nonsense, ,", "text/html", None),
        ('text/html;x=",text/plain";charset=gbk', "text/html", "gbk"),
        ("*/*", "", None),
        ("", "", None),
        ("html", "", None),
        ("text/html charset=utf-8", "", None),
        ("text /html", "", None),
        ("text/", "", None),
        ("/html", "", None),
    ],
)
def test_media_type_of_the_fetch_standard(header: str, essence: str, charset: str | None) -> None:
    assert media_type(header)[:2] == (essence, charset)


@pytest.mark.parametrize(
    "header",
    ["text/html charset=utf-8", "text/html; charset = 'utf-8'", "text/html;x,charset=utf-8"],
)
def test_what_a_header_seems_to_say_is_a_hint(header: str) -> None:
    assert media_type(header).charset is None
    assert media_type(header).hint == "utf-8"

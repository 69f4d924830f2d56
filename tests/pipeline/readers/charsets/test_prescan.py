"""The encoding that a page declares. Each page has another one where browsers do not look."""

from __future__ import annotations

import pytest

from pipeline.readers.charsets.labels import encoding_of
from pipeline.readers.charsets.prescan import PRESCAN_BYTES, declared_encoding, xml_encoding
from tests.support.growth import assert_linear

META = "<meta charset=koi8-r>"


@pytest.mark.parametrize(
    "page",
    [
        META,
        "<META CharSet='KOI8-R'/>",
        '<meta content="text/html; charset=koi8-r" http-equiv="content-TYPE">',
        "<meta http-equiv=Content-Type content='x charset charset = \"koi8-r\"'>",
        "<meta http-equiv=content-type content=text/html;charset=koi8-r;x>",
        "<!-- <meta charset=big5> -->" + META,
        "<!-- a > <meta charset=big5>\n--><!--><!-- -- > -->" + META,
        "<a title='<meta charset=big5>'>" + META,
        '<p data-x="a>b" title="<meta charset=big5>">' + META,
        "<div content='charset=big5' http-equiv=content-type>" + META,
        "<script>document.write('<meta charset=big5>')</script>" + META,
        "<script>var a = '<!-- <meta charset=big5>';</script >" + META,
        "<style>a::before { content: '<meta charset=big5>' }</STYLE>" + META,
        "<title><meta charset=big5></title>" + META,
        "<textarea><meta charset=big5></textarea><noscript>" + META,
        '<?xml version="1.0" encoding="big5"?>' + META,
        "<!doctype html><? <x ?></meta charset=big5>" + META,
        "<meta name=description content='charset=big5'>" + META,
        "<meta content='text/html; charset=big5'>" + META,
        "<meta charset=no-such-letters>" + META,
        "<meta charset=''>" + META,
        "<metadata charset=big5>" + META,
        "<meta charset=koi8-r charset=big5>",
        "<meta http-equiv=content-type content='charset=big5' charset=koi8-r>",
        "<meta charset=koi8-r http-equiv=content-type content='charset=big5'>",
        "<p>" + "a" * 5_000 + META,
        '<?xml version="1.0" encoding = "koi8-r" ?><html>',
        "<script>document.write('" + META + "')</script>",
    ],
)
def test_what_a_page_declares(page: str) -> None:
    assert declared_encoding(page.encode()) == "koi8-r"


@pytest.mark.parametrize(
    "page",
    [
        "",
        "<p>charset=big5",
        "<meta charset=big5",
        "<meta charset='big5>",
        "<meta charset=big5/>",
        "<meta content='text/html; charset=big5'>",
        "<meta http-equiv=content-type content='charset=\"big5'>",
        "<!-- <meta charset=big5>",
        "<title>" + "a" * PRESCAN_BYTES + "<meta charset=big5>",
        "<?xml encoding='big5\"?>",
        " <?xml encoding='big5'?>",
        "<?xml version='1.0'?><a encoding='big5'>",
    ],
)
def test_pages_that_declare_nothing(page: str) -> None:
    assert declared_encoding(page.encode()) is None


@pytest.mark.parametrize("label", ["utf-16", "UTF-16BE", "unicode", "ucs-2", " utf-16le "])
def test_what_is_read_as_ascii_is_not_utf16(label: str) -> None:
    assert declared_encoding(f"<meta charset='{label}'>".encode()) == "utf-8"
    assert xml_encoding(f"<?xml encoding='{label.strip()}'?>".encode()) == "utf-8"


def test_user_defined_letters_are_western() -> None:
    assert declared_encoding(b"<meta charset=x-user-defined>") == "windows-1252"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_an_xml_declaration_in_utf16(encoding: str) -> None:
    page = "<?xml version='1.0' encoding='koi8-r'?>".encode(encoding)
    assert declared_encoding(page) == encoding.replace("16-", "16")


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", ["<", "<meta ", "<!--", "<a b='", "<a/", "<a b =", "<?", "</script", "<title>", " "]
)
def test_any_markup_takes_linear_time(piece: str) -> None:
    assert_linear(lambda n: declared_encoding(piece.encode() * n + b"charset"), 20_000)


@pytest.mark.parametrize(
    ("label", "encoding"),
    [
        ("Latin1", "windows-1252"),
        ("ascii", "windows-1252"),
        ("\n ISO-8859-9\t", "windows-1254"),
        ("gb2312", "gbk"),
        ("x-sjis", "shift_jis"),
        ("ks_c_5601-1987", "euc-kr"),
        ("utf8", "utf-8"),
        ("iso_8859-8:1988", "iso-8859-8"),
        ("logical", "iso-8859-8-i"),
        ("iso-2022-cn", "replacement"),
        ("utf-7", None),
        ("", None),
    ],
)
def test_labels_of_the_standard(label: str, encoding: str | None) -> None:
    assert encoding_of(label) == encoding

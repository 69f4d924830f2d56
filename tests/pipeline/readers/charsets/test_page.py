"""Which encoding a page has, where several things say it or none does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers.charsets.fits import SURE_BYTES
from pipeline.readers.charsets.page import JUDGED_BYTES, decode_page

RUSSIAN = "Привет, мир! Это русский текст о том, как ловили рыбу на Волге."
GERMAN = "Grüße aus Köln, schöne Straße und große Öfen für alle, die es mögen."
CHINESE = "他在這裏恒心練習,墻邊有一隻貓。家裏的碁盤和化粧品都在這裏。"


@pytest.mark.parametrize(
    ("text", "encoding", "charset"),
    [
        ("naïve café", "utf-8", "iso-8859-1"),
        ("naïve café", "latin-1", "ISO-8859-1"),
        ("naïve “café”", "cp1252", "iso-8859-1"),
        ("こんにちは、世界。日本語の文章です。", "euc-jp", "euc-jp"),
        ("こんにちは、世界。日本語の文章です。", "cp932", "shift_jis"),
        ("こんにちは、世界。", "iso-2022-jp", "iso-2022-jp"),
        ("안녕하세요 세계", "iso2022_kr", "iso-2022-kr"),
        ("中文文本在这里，中文文本。", "gb18030", "gb2312"),
        ("Привет, мир", "cp1251", "windows-1251"),
        ("with a mark é", "utf-8-sig", "windows-1251"),
        ("with a mark é", "utf-16", "utf-8"),
        ("without a mark é", "utf-16-le", "utf-16le"),
        ("plain", "ascii", "no-such-charset"),
    ],
)
def test_what_is_said_is_no_guess(text: str, encoding: str, charset: str) -> None:
    assert decode_page(text.encode(encoding), charset) == (text, False, True)


@pytest.mark.parametrize(
    ("text", "encoding", "charset"),
    [
        ("こんにちは、世界。日本語の文章です。", "euc-jp", None),
        (RUSSIAN, "cp1251", "utf-8"),
        (RUSSIAN, "cp1251", "iso-8859-1"),
        (RUSSIAN, "koi8-r", "windows-1251"),
        (RUSSIAN, "cp1251", "koi8-r"),
        ("中文文本在这里，中文文本。" * 2, "gb18030", "iso-8859-1"),
        (GERMAN, "cp1252", "utf-16"),
        (GERMAN, "cp1252", None),
        (GERMAN * 4, "cp1252", "windows-1251"),
        (GERMAN * 4, "cp1252", "gbk"),
        (GERMAN * 4, "cp1252", "windows-1256"),
        ("caf\xe9", "cp1252", "utf-8"),
        ("é, such a letter", "cp1252", "utf-16"),
    ],
)
def test_what_fits_nothing_that_is_said_is_guessed(
    text: str, encoding: str, charset: str | None
) -> None:
    assert decode_page(text.encode(encoding), charset) == (text, True, True)


@pytest.mark.parametrize(
    ("text", "encoding", "charset"),
    [
        (RUSSIAN, "koi8-r", "gbk"),
        (RUSSIAN, "cp1251", "windows-1256"),
        ("他在學校學習中文,天氣很好。我們都喜歡這個城市的花園和河流。", "big5", "gb2312"),
        ("中文文本在这里，城市的花园和河流都很美丽。", "gbk", "big5"),
        ("こんにちは、世界。これは日本語の文章です。漢字もあります。", "euc_jp", "shift_jis"),
        ("오늘은 날씨가 좋습니다. 우리는 강을 따라 걸었습니다.", "euc_kr", "gb2312"),
    ],
)
def test_other_letters_than_a_label_says_are_found_in_a_long_text(
    text: str, encoding: str, charset: str
) -> None:
    n = 1 + 2 * SURE_BYTES // len(text)
    data = (text * n).encode(encoding)
    assert decode_page(data, charset) == (text * n, True, True)


def test_escape_sequences_say_what_no_label_does() -> None:
    text = "こんにちは、世界。日本語の文章です。"
    assert decode_page(text.encode("iso-2022-jp"), "utf-8") == (text, True, True)
    control = "a control \x1b[1m of a terminal é"
    assert decode_page(control.encode(), "utf-8") == (control, False, True)


def test_http_then_the_page_then_a_hint() -> None:
    danish = "Smørrebrød og grød på bordet, øl og rødgrød på gulvet."
    page = ("<meta charset=windows-1252>" + danish).encode("cp1252")
    assert decode_page(page, "windows-1257") == (page.decode("cp1257"), False, True)
    assert decode_page(page, hint="windows-1257") == (page.decode("cp1252"), False, True)
    page = danish.encode("cp1252")
    assert decode_page(page, hint="windows-1257") == (page.decode("cp1257"), False, True)


def test_a_page_of_xml_says_its_encoding_in_its_declaration() -> None:
    page = "<?xml version='1.0' encoding='koi8-r'?><meta charset='macintosh'>привет"
    data = page.encode("koi8-r")
    assert decode_page(data, is_xml=True) == (page, False, True)
    assert decode_page(data, is_xml=False).text != page


def test_the_page_of_another_script_is_not_taken_for_latin_letters() -> None:
    page = ("<meta charset=windows-1251>" + RUSSIAN).encode("cp1251")
    assert decode_page(page, "iso-8859-1") == (page.decode("cp1251"), False, True)


def test_what_browsers_do_not_read_is_guessed() -> None:
    page = "<meta charset=iso-2022-cn>" + GERMAN
    assert decode_page(page.encode("cp1252"), "hz-gb-2312") == (page, True, True)


def test_big5_of_the_web() -> None:
    data = bytes.fromhex("a54ca662b36ff9d8f9daa4dfbd6db2df2c92 5d9df6")
    assert decode_page(data, "big5").text == "他在這裏恒心練習,哋喺"


def test_one_bad_byte_in_utf8_costs_one_letter() -> None:
    data = GERMAN.encode() * 2 + b" caf\xe9 end"
    for charset in (None, "utf-8", "iso-8859-1", "utf-16"):
        assert decode_page(data, charset).text == GERMAN * 2 + " caf\ufffd end"
    few = "Länge".encode() + b"\xe9, \xe9"
    assert decode_page(few, "utf-8") == ("Länge\ufffd, \ufffd", False, True)
    assert decode_page(few + b"\xe9", "utf-8").is_guessed


def test_letters_that_nothing_explains_are_not_right() -> None:
    data = bytes(range(0x80, 0x100)) * 4
    assert not decode_page(data, "utf-8").is_right
    assert not decode_page(data).is_right


@pytest.mark.parametrize("ahead", ["", "<script>", "x" * (JUDGED_BYTES + 3)])
def test_a_long_page_is_judged_by_a_part_with_letters(ahead: str) -> None:
    page = ahead + RUSSIAN * (JUDGED_BYTES // len(RUSSIAN) + 1)
    assert decode_page(page.encode("cp1251"), "iso-8859-1") == (page, True, True)
    assert decode_page(page.encode("utf-16-le"), "utf-16") == (page, False, True)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300), st.one_of(st.none(), st.text(max_size=12)))
def test_any_bytes_have_a_text(data: bytes, charset: str | None) -> None:
    decode_page(data, charset).text.encode("utf-8", "surrogatepass")

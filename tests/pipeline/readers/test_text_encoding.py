"""Names of old encodings, and texts with bad bytes."""

from __future__ import annotations

import pytest

from pipeline.readers.text_encoding import codec_of, decoded_with, nearly_utf8


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("CP-1251", "cp1251"),
        ("Windows Code Page 1251", "cp1251"),
        ("Windows (CP-1250)", "cp1250"),
        ("Codepage 850", "cp850"),
        ("MS-DOS CP 866", "cp866"),
        ("ISO 8859-5", "iso8859-5"),
        ("ISO_8859_1", "iso8859-1"),
        ("iso88597", "iso8859-7"),
        ("ISO Latin-2", "iso8859-2"),
        ("latin10", "iso8859-16"),
        ("KOI8-R", "koi8-r"),
        ("koi-8 u", "koi8-u"),
        ("ISO-646-US (US-ASCII)", "ascii"),
        ("Unicode UTF-8", "utf-8"),
        ("Big-5", "big5hkscs"),
        ("GB 2312", "gb18030"),
        ("EUC-KR", "cp949"),
        ("Shift_JIS", "cp932"),
        ("tis-620", "tis-620"),
        ("MacRoman", "mac-roman"),
        ("hex", None),
        ("my own", None),
        ("", None),
    ],
)
def test_label_in_any_spelling_is_a_codec(label: str, codec: str | None) -> None:
    assert codec_of(label) == codec


def test_utf8_with_a_bad_byte_is_utf8() -> None:
    text = "der Müller"
    assert nearly_utf8(text.encode() + b"\xe4", trusted=False) == "der Müller\ufffd"
    assert nearly_utf8(text.encode() + b"\xe4", trusted=True) is None
    assert nearly_utf8("ü".encode() * 10 + b"\xe4", trusted=True) == "ü" * 10 + "\ufffd"
    assert nearly_utf8(text.encode("latin-1"), trusted=False) is None
    assert nearly_utf8("\ufffdü".encode(), trusted=True) == "\ufffdü"


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("big5hkscs", "天氣好,今天天氣好。"),
        ("cp949", "오늘은 날씨가 좋다."),
        ("euc_jp", "今日は天気がいいです。"),
    ],
)
def test_a_bad_byte_costs_one_letter(codec: str, text: str) -> None:
    width = len(text[0].encode(codec))
    data = text.encode(codec)
    assert decoded_with(data, codec) == text
    spoilt = data[: 2 * width] + b"\xff" + data[2 * width + 1 :]
    assert decoded_with(spoilt, codec) == text[:2] + "\ufffd" + text[3:]


def test_a_pair_without_a_letter_is_one_bad_letter() -> None:
    data = "天氣".encode("big5hkscs")
    assert decoded_with(data + b"\xc7\xff" + data, "big5hkscs") == "天氣\ufffd天氣"
    assert decoded_with(data + b"\xff", "big5hkscs") == "天氣\ufffd"

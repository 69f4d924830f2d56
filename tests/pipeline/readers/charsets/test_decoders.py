"""The Encoding Standard's decoders, by values of the standard and by Chromium."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator

import pytest

from pipeline.readers.charsets.decoders import decoded
from tests.support.browser import chromium
from tests.support.growth import assert_linear

PAIRS = ("big5", "euc-jp", "euc-kr", "gb18030", "gbk", "shift_jis")
SINGLE_BYTES = (
    *("ibm866", "iso-8859-2", "iso-8859-3", "iso-8859-4", "iso-8859-5", "iso-8859-6"),
    *("iso-8859-7", "iso-8859-8", "iso-8859-8-i", "iso-8859-10", "iso-8859-13", "iso-8859-14"),
    *("iso-8859-15", "iso-8859-16", "koi8-r", "koi8-u", "macintosh", "windows-874"),
    *("windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254"),
    *("windows-1255", "windows-1256", "windows-1257", "windows-1258", "x-mac-cyrillic"),
    "x-user-defined",
)


@pytest.mark.parametrize(
    ("encoding", "data", "text"),
    [
        ("big5", b"\xa7\xda\xb3\xdf\x92\x5d\xc7\xf9", "我喜哋Ё"),
        ("big5", b"\x87\x7a\xfe\xdd\xa3\xe1\x88\x62", "㡵砉€Ê̄"),
        ("big5", b"\xa1\xfe\xa2\x41\xa2\x40\xa2\x42", "／∕＼﹨"),
        ("euc-jp", b"\xad\xa1\xa1\xc1\xfc\xfe\xa1\xa1", "①～＂\u3000"),
        ("euc-jp", b"\x8e\xb1\x8f\xb0\xa1\x8f\xa2\xb7\x8f\xa2\xc0", "ｱ丂～\ufffd"),
        ("euc-kr", b"\x81\x41\xb0\xa1\xc8\xfe", "갂가힝"),
        ("shift_jis", b"\x80\x87\x40\x81\x60\xf0\x40\xb1", "\x80①～\ue000ｱ"),
        ("gbk", b"\x80\xa2\xe3\x81\x30\x81\x30\xa8\xbc", "€€\x80ḿ"),
        ("gb18030", b"\xa3\xa0\xa6\xd9\x81\x35\xf4\x37\x94\x39\xda\x33", "\u3000︐\ue7c7💩"),
        ("iso-2022-jp", b"a\x1b$B\x24\x22\x2d\x21\x1b(J\\~\x1b(I\x31\x1b(B~", "aあ①¥‾ｱ~"),
        ("koi8-u", b"\xae\xbe", "ўЎ"),
        ("windows-1252", b"\x80\x81\x9d", "€\x81\x9d"),
        ("windows-1253", b"\xaa\xd2\x81", "\ufffd\ufffd\x81"),
        ("x-user-defined", b"a\x80\xff", "a\uf780\uf7ff"),
        ("iso-8859-8-i", b"\xe0", "א"),
        ("utf-16le", b"a\0\0\xd8b\0c", "a\ufffdb\ufffd"),
        ("replacement", b"abc", "\ufffd"),
        ("replacement", b"", ""),
    ],
)
def test_letters_of_the_standard(encoding: str, data: bytes, text: str) -> None:
    assert decoded(data, encoding) == text


@pytest.mark.parametrize("encoding", PAIRS)
def test_a_wrong_byte_costs_one_letter_and_no_ascii(encoding: str) -> None:
    letters = {"big5": "天氣", "euc-kr": "날씨"}.get(encoding, "天気")
    word = letters.encode({"shift_jis": "cp932", "gbk": "gb18030"}.get(encoding, encoding))
    lead = word[:1]
    assert decoded(word + lead + b"<p>" + word, encoding) == f"{letters}\ufffd<p>{letters}"
    assert decoded(word + b"\xff" + word, encoding) == f"{letters}\ufffd{letters}"
    assert decoded(word + lead, encoding) == f"{letters}\ufffd"


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("big5", b"\x81\x81"),
        ("euc-jp", b"\xa9\xa1"),
        ("euc-kr", b"\xc9\xa1"),
        ("gbk", b"\x81\xff"),
        ("shift_jis", b"\x85\x9e"),
    ],
)
def test_a_pair_that_is_no_letter_costs_one(encoding: str, data: bytes) -> None:
    assert decoded(b"a" + data + b"b" + data, encoding) == "a\ufffdb\ufffd"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x8f\xa2\x41\xb0\xa1", "\ufffdA亜"),
        (b"\x8f\xa2\xff\xb0\xa1", "\ufffd亜"),
        (b"\x8f\xa2", "\ufffd"),
        (b"\x8e\xff\xb0\xa1", "\ufffd亜"),
    ],
)
def test_a_wrong_letter_of_three_bytes(data: bytes, text: str) -> None:
    assert decoded(data, "euc-jp") == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x81\x30\x41", "\ufffd0A"),
        (b"\x81\x30\x81\x41", "\ufffd0丄"),
        (b"\x81\x30\x81", "\ufffd"),
        (b"\x84\x31\xa5\x30a", "\ufffda"),
    ],
)
def test_a_wrong_letter_of_four_bytes(data: bytes, text: str) -> None:
    assert decoded(data, "gb18030") == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x1b$B\x1b(Ba", "\ufffda"),
        (b"\x1b$B\x30\x21\x30\x1b(Ba", "亜\ufffda"),
        (b"\x1b$B\x30\n\x30\x21", "\ufffd亜"),
        (b"\x1b$B\n\x30\x21\x30", "\ufffd亜\ufffd"),
        (b"\x1b$a\x0eb\xffc", "\ufffd$a\ufffdb\ufffdc"),
        (b"\x1b(I\x31\x80\x61", "ｱ\ufffd\ufffd"),
    ],
)
def test_wrong_bytes_between_escapes(data: bytes, text: str) -> None:
    assert decoded(data, "iso-2022-jp") == text


@pytest.mark.slow
@pytest.mark.parametrize("encoding", [*PAIRS, "iso-2022-jp"])
def test_any_bytes_take_linear_time(encoding: str) -> None:
    data = b"\xff\x81\xa2A\xa2\xb7\x1b$B\x30\x8f\xa2\xb7\x81\x30"
    assert_linear(lambda n: decoded(data * n, encoding), 2_000)


IN_CHROMIUM = """([encoding, data]) => {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    return new TextDecoder(encoding, { ignoreBOM: true }).decode(bytes);
}"""


@pytest.mark.slow
def test_chromium_reads_the_same() -> None:
    """Every byte or pair of bytes of every encoding, and what can follow what, each on a line.

    Chromium has faults of its own, which are left out: Big5's letters of two marks, the first
    letter of JIS X 0208, and what stands behind a wrong letter of JIS X 0212.
    """
    pieces = {encoding: [bytes([byte]) for byte in range(256)] for encoding in SINGLE_BYTES}
    for encoding in PAIRS:
        pairs = _pairs(range(0x80, 0x100), range(256))
        pieces[encoding] = [pair for pair in pairs if (encoding, pair[:1]) != ("big5", b"\x88")]
        pieces[encoding] += _by_chance(b"" if encoding in ("big5", "euc-jp") else b"\x88\x8f")
    pieces["euc-jp"] += [b"\x8f" + pair for pair in _pairs(range(0xA1, 0xFF), range(0xA1, 0xFF))]
    fours = [*_pairs(range(0x81, 0x85), range(0x30, 0x3A))]
    tails = [*_pairs(range(0x81, 0xFF), range(0x30, 0x3A))]
    pieces["gb18030"] += [begin + tail for begin in fours for tail in tails]
    rows = range(0x21, 0x7F)
    pieces["iso-2022-jp"] = [b"\x1b$B" + pair + b"\x1b(B" for pair in _pairs(rows, rows)]
    with chromium() as browser:
        page = browser.new_page()
        for encoding, parts in pieces.items():
            data = b"\n".join(parts)
            found = page.evaluate(IN_CHROMIUM, [encoding, base64.b64encode(data).decode()])
            mine = decoded(data, encoding)
            lines = zip(mine.split("\n"), found.split("\n"), strict=True)
            others = {line for line in lines if line[0] != line[1]} - {("\u3000", "\ufffd")}
            assert (encoding, others) == (encoding, set())


def _pairs(leads: range, trails: range) -> Iterator[bytes]:
    return (bytes((lead, trail)) for lead in leads for trail in trails)


def _by_chance(also: bytes) -> list[bytes]:
    chance = random.Random(7)
    letters = bytes({*range(256)} - {0x88, 0x8F}) + b"059\x81\xa2\xb7AB\xff\x80\xa0\xfd" * 20 + also
    return [bytes(chance.choices(letters, k=chance.randrange(3, 14))) for _ in range(4_000)]

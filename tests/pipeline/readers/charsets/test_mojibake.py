from __future__ import annotations

import pytest

from pipeline.readers.charsets.mojibake import encoded_once, is_mojibake

TEXTS = [
    "Příliš žluťoučký kůň úpěl ďábelské ódy, a nikdo nevěděl proč.",
    "Привет, мир! Это русский текст о том, как ловили рыбу на Волге.",
    "他在這裏恒心練習,墻邊有一隻貓。家裏的碁盤和化粧品都在這裏。",
    "“Déjà vu,” said she — ‘à la carte’ … «voilà» – trop tôt, à peine né.",
    "Sát Thủ: Mật Danh 47 bí mật được hé lộ khi “47” chính là một người.",
]


def _twice(text: str) -> str:
    """Encode a text twice; the five bytes that Windows-1252 lacks stay what they are."""
    return "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in text.encode())


@pytest.mark.parametrize("text", TEXTS)
def test_what_was_encoded_twice_is_found_again(text: str) -> None:
    assert encoded_once(_twice(text)) == text
    assert is_mojibake(_twice(text))
    assert encoded_once(text.encode().decode("latin-1")) == text
    assert encoded_once(f"{text} {_twice(text * 2)}") == f"{text} {text * 2}"


@pytest.mark.parametrize(
    "text", [*TEXTS, "plain", "", "Groß\xadmutter, Maß\xadnahme, Stoß\xadzeit"]
)
def test_right_letters_stay(text: str) -> None:
    assert encoded_once(text) is None
    assert not is_mojibake(text)


def test_what_lost_bytes_is_mojibake() -> None:
    text = _twice(TEXTS[1]).replace("\u0178", "?").replace("€", "").replace("¸", "?")
    assert is_mojibake(encoded_once(text) or text)


def test_another_script_in_latin_letters_is_mojibake() -> None:
    assert is_mojibake(TEXTS[1].encode("cp1251").decode("latin-1"))
    assert not is_mojibake("ÄÖÜ äöü ÀÉÈ àéè ñçã øåæ ßäö: letters, in a list. " + TEXTS[3] * 3)


def test_letters_that_are_lost_are_mojibake_where_they_are_many() -> None:
    german = "Größe aus Köln, schöne Straße und große Öfen für alle. "
    german = german.encode("latin-1").decode("ascii", "replace")
    assert is_mojibake(german)
    assert not is_mojibake(german[:14] * 2)  # too few to tell
    assert not is_mojibake(german + "plain words " * 100)
    assert not is_mojibake(TEXTS[2] * 6 + "\ufffd" * 9)  # emoji that a publisher lost


def test_letters_in_no_encoding_are_mojibake() -> None:
    text = "é à è ç ñ " * 3 + "plain words " * 10
    assert not is_mojibake(text)
    assert is_mojibake(text, is_right=False)
    assert not is_mojibake("plain words" * 100 + "é", is_right=False)

"""Texts on which tokenizers differ, to compare two that should be the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from tokenizer.byte_level.json_file import parse_json, spelled_bytes
from tokenizer.kinds import JSON, kind_of
from tokenizer.model_file import BYTE, SPACE_MARK, parse_model

PIECE_TEXTS = 100
"""Texts that are made of the model's own pieces."""

PIECES_A_TEXT = 400
"""Most pieces in one of these texts."""

SENTENCES = (
    "Wait... 12,345.67 people (3.5 %) said: “It’s 10:30—already?”", "l'été où naît l’œuvre",
    "Größe, Straße, Äpfel", "¿Qué pasó, niño?", "Żółć, źdźbło", "Příliš žluťoučký kůň",
    "Съешь ещё этих мягких булок", "Їжак і ґава", "Ѝ, ћирилица и љубав", "Καλημέρα, κόσμε",
    "नमस्ते दुनिया १२३", "สวัสดีชาวโลก", "שָׁלוֹם עוֹלָם", "السَّلامُ عليكم ١٢٣", "안녕하세요 세계",
    "吾輩は猫である。名前はまだ無い、", "天地玄黃，宇宙洪荒。", "\U00020000\U0002a6df", "Việt Nam",
    "👩‍👩‍👧 😀🏽 🇮🇹 ☃\ufe0f", "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋", "def f(x):\n    if x:\n\treturn -1\n",
    "<p class='a'>1 &lt; 2</p>\r\n", "https://example.org/a_b?c=%20&d=[1]", "{'a': [1, 2]}\n}\n",
    "a@b.c", "C:\\temp\\new", "aaaaaaaaaaaaa", "ababababab", "x" * 300, "1" * 40, "=" * 70,
    "Ａ\u0301 ｶﾞ ²\ufe0f ﬁ e\u0301\u0323 q\u0307\u0323\u0301 \u1112\u1161\u11ab 가\u11a8 ﾊﾟﾞ\u3099",
    "\u0301a \u0344 u\u0308\u0304 Å \u05e9\u05c1\u05b8 \u064b\u0651 ½ ㍿ İI\u0307 \U0001d4d0\u0300",
    "™\ufe0f ﷺ ᾳ Α\u0345 \uf93d",
    "\U0010ffff\uffff\ufdd0", "\ue000\uf8ff", "\u0378",
)  # fmt: skip

SPACES = ("", " ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", " \n ", "\u00a0", "\u2003", "\u3000",
          "\u2028", "\u200b", "\ufeff", SPACE_MARK.decode(), f" {SPACE_MARK.decode()}",
          f"{SPACE_MARK.decode()} ")  # fmt: skip

MARKS = ("<s>", "</s>", "<unk>", "<pad>", "<0x41>", "<0x0A>", "<|begin_of_text|>", "\x10_",
         "\x10\x10", f"\x10{SPACE_MARK.decode()}_", f"a{SPACE_MARK.decode()}b", "\ufffd",
         " \u2047 ")  # fmt: skip


def probe_texts(model: bytes) -> list[str]:
    """Return some hundred texts for a SentencePiece model or a ``tokenizer.json``.

    The same model has the same texts. There are runs of spaces, spaces and other white space at
    either end, every control character, U+2581, names of marks written as text, sentences in many
    scripts, and pieces of the model in its own order.
    """
    marks, pieces = (_of_json if kind_of(model) == JSON else _of_sentencepiece)(model)
    controls = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0xAD)]
    texts = ["", *(" " * n for n in range(1, 40)), *("a" + " " * n + "b" for n in range(2, 34))]
    texts += [f"{before}word{after}" for before, after in product(SPACES, repeat=2)]
    texts += [f"a{control}b {control}" for control in controls] + controls
    texts += [
        form for mark in (*MARKS, *marks) for form in (mark, f"a {mark} b", f"a{mark}b", f" {mark}")
    ]
    texts += [form for text in SENTENCES for form in (text, f" {text} ", f"{text}\n{text}")]
    return [*texts, *_texts_of_pieces(pieces)]


def _of_sentencepiece(model: bytes) -> tuple[list[str], list[str]]:
    """Return the names of a model's marks beside :data:`MARKS`, none, and the texts of pieces."""
    pieces = parse_model(model).pieces
    texts = [piece.text.decode() for piece in pieces if piece.kind != BYTE]
    return [], [text.replace(SPACE_MARK.decode(), " ") for text in texts]


def _of_json(data: bytes) -> tuple[list[str], list[str]]:
    """Return the names of a file's added tokens, and the texts of its others."""
    content = parse_json(data)
    vocabulary = content["model"].get("vocab") or {}
    if isinstance(vocabulary, dict):
        names = sorted(vocabulary, key=vocabulary.__getitem__)
    else:  # a unigram model's: pieces with their scores
        names = [name for name, _ in vocabulary]
    spelled = [(name, spelled_bytes(name)) for name in names]
    texts = [name if data is None else data.decode(errors="replace") for name, data in spelled]
    return [one["content"] for one in content.get("added_tokens") or []], texts


def _texts_of_pieces(pieces: Sequence[str]) -> Iterator[str]:
    each = min(-(-len(pieces) // PIECE_TEXTS), PIECES_A_TEXT)
    for number in range(PIECE_TEXTS):
        yield "".join(pieces[number::PIECE_TEXTS][:each])

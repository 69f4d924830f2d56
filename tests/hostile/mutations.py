# ruff: noqa: E501 (tables)
"""Mutations of files. A seed determines every mutation."""

from __future__ import annotations

import bz2
import random
from collections.abc import Callable
from typing import NamedTuple

from tests.hostile.bases import bases, gzipped, zstd

MAX_MUTANT_BYTES = 1 << 18

TOKENS: tuple[bytes, ...] = (
    b"\0", b"\0" * 513, b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800", b"\xf4\x90\x80\x80", b"\xc0\xaf",
    b"\r", b"\r\r\n", b"\x1a", b"\x85", "\u2028".encode(), b"\xef\xbb\xbf", b"&#x110000;", b"&#xD800;",
    b"&#" + b"9" * 5_000 + b";", b"&amp", b"&lol;", b"<!ENTITY lol \"lol\">", b"<!--", b"-->", b"<![CDATA[",
    b"NaN", b"1e999", b"-0", b"9" * 5_000, b"null", b"[" * 2_000, b'{"a":' * 2_000, b'"', b"'", b"\\",
    b"{{" * 500, b"}}" * 500, b"[[" * 500, b"]]" * 500, b"{|", b"|}", b"<ref>", b"</ref>", b"<nowiki>",
    b"<div>" * 2_000, b"</div>", b"<b id=%d>" * 100, b"<table><tr><td>" * 300, b"<blockquote>" * 100,
    b"<pre><code>", b"$$", b"\\begin{verbatim}", b"\\end{verbatim}", b"\\begin{comment}", b"\\iffalse ",
    b"\\fi ", b"\\else ", b"\\def\\a{\\a\\a}\\a ", b"\\def\\b#1{#1#1}\\b{\\b{\\b{x}}}", b"\\global" * 1_500,
    b"\\newcommand{\\c}[2][x]{#1#2}\\c[", b"\\input{a}", b"\\import{b/}{a}", b"\\let\\a=\\b ", b"{" * 3_000,
    b"}" * 3_000, b"\\verb|", b"%", b"\\begin{document}", b"\\end{document}", b"\\documentclass{a}",
    b"WARC/1.0\r\n", b"Content-Length: 999999999999\r\n", b"Content-Length: -1\r\n", b"\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip, br, deflate\r\n", b"HTTP/1.1 200 OK\r\n",
    b"\x1f\x8b\x08\x00", b"BZh91AY&SY", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"PK\x03\x04",
    b"PK\x05\x06", b"7z\xbc\xaf\x27\x1c", b"PAR1", b"ARROW1", b"\xff\xff\xff\xff", b"ustar", b"../../evil",
    b"<page>", b"</page>", b"<revision>", b'<text xml:space="preserve">', b"<row ", b'<row Id="1"', b"/>",
    b'<namespace key="' + b"7" * 5_000 + b'">x</namespace>', b"*** START OF THE PROJECT GUTENBERG EBOOK",
    b"Project Gutenberg", b"[Transcriber's Note:", b" " * 20_000, b"\n" * 20_000, b"\t", b"Copyright (c) 2001",
)  # fmt: skip
"""Byte strings with a meaning to a reader or a step, and a few that might have one."""


class Mutant(NamedTuple):
    """A damaged file, and the mutations that made it."""

    reader: str
    name: str
    data: bytes
    story: str


def mutant(seed: int, reader: str | None = None) -> Mutant:
    """Return the file of a seed, for ``reader`` or for the reader that the seed determines."""
    rng = random.Random(seed)
    names = list(bases())
    chosen = names[seed % len(names)] if reader is None else reader
    base = rng.choice(bases()[chosen])
    story = [base.name]
    payload = base.payload
    if rng.random() < 0.65:
        for _ in range(rng.choice((1, 1, 2, 4))):
            payload, what = _damaged(rng, payload, chosen)
            story.append(f"payload {what}")
    data = base.wrap(payload[:MAX_MUTANT_BYTES])
    if payload == base.payload or rng.random() < 0.3:
        for _ in range(rng.choice((1, 1, 2, 3))):
            data, what = _damaged(rng, data, chosen)
            story.append(what)
    if rng.random() < 0.15:
        data, what = _recontained(rng, data)
        story.append(what)
    return Mutant(chosen, base.name, data[: 2 * MAX_MUTANT_BYTES], ", ".join(story))


def _damaged(rng: random.Random, data: bytes, reader: str) -> tuple[bytes, str]:
    damage = rng.choice(_DAMAGES)
    return damage(rng, data, reader), damage.__name__.strip("_")


def _place(rng: random.Random, data: bytes) -> int:
    """Choose an offset, often near an end, where headers and directories are."""
    edge = rng.random()
    if edge < 0.2:
        return rng.randrange(min(len(data), 64) + 1)
    if edge < 0.4:
        return len(data) - rng.randrange(min(len(data), 64) + 1)
    return rng.randrange(len(data) + 1)


def _slice(rng: random.Random, data: bytes, most: int) -> tuple[int, int]:
    begin = _place(rng, data)
    return begin, min(len(data), begin + rng.randint(1, most))


def _truncate(rng: random.Random, data: bytes, reader: str) -> bytes:
    return data[: _place(rng, data)]


def _flip_bits(rng: random.Random, data: bytes, reader: str) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 64)) if data else 0):
        changed[min(_place(rng, data), len(data) - 1)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwrite(rng: random.Random, data: bytes, reader: str) -> bytes:
    begin, end = _slice(rng, data, rng.choice((4, 64, 1_024)))
    fill = rng.choice((bytes(end - begin), b"\xff" * (end - begin), rng.randbytes(end - begin)))
    return data[:begin] + fill + data[end:]


def _delete(rng: random.Random, data: bytes, reader: str) -> bytes:
    begin, end = _slice(rng, data, rng.choice((1, 16, 512, 8_192)))
    return data[:begin] + data[end:]


def _move(rng: random.Random, data: bytes, reader: str) -> bytes:
    begin, end = _slice(rng, data, 4_096)
    at = _place(rng, data)
    return data[:at] + data[begin:end] + data[at:]


def _repeat(rng: random.Random, data: bytes, reader: str) -> bytes:
    begin, end = _slice(rng, data, rng.choice((1, 3, 12, 40, 400)))
    times = rng.choice((2, 20, 1_000, 50_000))
    return data[:begin] + (data[begin:end] * times)[: MAX_MUTANT_BYTES // 2] + data[end:]


def _insert_token(rng: random.Random, data: bytes, reader: str) -> bytes:
    at = _place(rng, data)
    return data[:at] + rng.choice(TOKENS) + data[at:]


def _repeat_tokens(rng: random.Random, data: bytes, reader: str) -> bytes:
    """Insert a short phrase of tokens and letters, many times."""
    words = [token for token in TOKENS if len(token) < 40] + [b"a", b" ", b"\n", b"x1"]
    phrase = b"".join(rng.choice(words) for _ in range(rng.randint(1, 4)))
    at = _place(rng, data)
    times = rng.choice((50, 2_000, 20_000))
    return data[:at] + (phrase * times)[: MAX_MUTANT_BYTES // 2] + data[at:]


def _number(rng: random.Random, data: bytes, reader: str) -> bytes:
    """Replace a number that is written in digits."""
    begin = _place(rng, data)
    while begin < len(data) and not data[begin : begin + 1].isdigit():
        begin += 1
    end = begin
    while end < len(data) and data[end : end + 1].isdigit():
        end += 1
    new = rng.choice((b"0", b"-1", b"1", b"4294967296", b"9" * 18, b"9" * 400, b"", b"1e9"))
    return data[:begin] + new + data[end:]


def _splice(rng: random.Random, data: bytes, reader: str) -> bytes:
    """Insert a piece of another file, of any source and format."""
    other = rng.choice(bases()[rng.choice((reader, *bases()))])
    piece = rng.choice((other.payload, other.data()))
    begin, end = _slice(rng, piece, rng.choice((100, 4_000, MAX_MUTANT_BYTES)))
    at = _place(rng, data)
    return data[:at] + piece[begin:end] + data[at if rng.random() < 0.5 else len(data) :]


def _lines(rng: random.Random, data: bytes, reader: str) -> bytes:
    """Shuffle lines, join them, or change their ends."""
    lines = data.split(b"\n")
    rng.shuffle(lines)
    return rng.choice((b"\n", b"\r\n", b"\r", b"", b"\n\n")).join(lines)


_DAMAGES: tuple[Callable[[random.Random, bytes, str], bytes], ...] = (
    _truncate, _flip_bits, _flip_bits, _overwrite, _delete, _move, _repeat, _insert_token,
    _insert_token, _repeat_tokens, _number, _splice, _lines,
)  # fmt: skip


def _recontained(rng: random.Random, data: bytes) -> tuple[bytes, str]:
    """Put a file into a container that its name does not say, or damage its own container."""
    half = len(data) // 2
    ways: dict[str, Callable[[], bytes]] = {
        "gzip": lambda: gzipped(data),
        "bzip2": lambda: bz2.compress(data),
        "zstd": lambda: zstd(data),
        "gzip twice": lambda: gzipped(gzipped(data)),
        "zstd in bzip2": lambda: bz2.compress(zstd(data)),
        "two members": lambda: gzipped(data[:half]) + gzipped(data[half:]),
        "two formats": lambda: gzipped(data[:half]) + zstd(data[half:]),
        "garbage behind": lambda: data + rng.randbytes(300),
        "zeros behind": lambda: data + bytes(2_000),
        "twice": lambda: data + data,
        "gzip's magic": lambda: b"\x1f\x8b\x08\x00" + rng.randbytes(300) + data,
        "zstd's magic": lambda: b"\x28\xb5\x2f\xfd" + rng.randbytes(300) + data,
        "lz4's magic": lambda: b"\x04\x22\x4d\x18" + rng.randbytes(300) + data,
        "bzip2's magic": lambda: b"BZh91AY&SY" + rng.randbytes(300) + data,
        "skippable frame": lambda: b"\x5d\x2a\x4d\x18\xff\xff\xff\x7f" + data,
        "nothing": lambda: b"",
        "newlines": lambda: b"\n" * 5_000,
        "zeros": lambda: bytes(5_000),
    }
    what = rng.choice(list(ways))
    return ways[what](), what

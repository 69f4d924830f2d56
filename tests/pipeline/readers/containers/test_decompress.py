from __future__ import annotations

import bz2
import gzip
import io
import os
import random
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers.containers import decompress
from pipeline.readers.containers.cursor import CHUNK_BYTES, Damage
from pipeline.readers.containers.decompress import (
    MIN_BOMB_BYTES,
    decompressed,
    is_compressed,
)
from tests.support.samples.reader_samples import edited, edits, files_under, lying_in, members

COMPRESS = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def _text(seed: int, words: int) -> bytes:
    source = random.Random(seed)
    return b" ".join(b"%d" % source.randrange(10**6) for _ in range(words))


def _read(data: bytes) -> tuple[bytes, list[Damage]]:
    events = list(decompressed(io.BytesIO(data)))
    content = b"".join(event for event in events if isinstance(event, bytes))
    return content, [event for event in events if isinstance(event, Damage)]


class _Unseekable(io.RawIOBase):
    """A stream that returns few bytes at a time and cannot seek."""

    def __init__(self, data: bytes, at_once: int) -> None:
        self._inner, self._at_once = io.BytesIO(data), at_once

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(min(size, self._at_once))


@pytest.mark.parametrize("codec", COMPRESS)
@pytest.mark.parametrize("pieces", [0, 1, 3, 200])
def test_members_are_one_stream(codec: str, pieces: int) -> None:
    parts = [_text(seed, 3_000) for seed in range(pieces)]
    data = b"".join(map(COMPRESS[codec], parts))
    assert _read(data) == (b"".join(parts), [])
    assert is_compressed(data[:16]) == (codec != "plain" and pieces > 0)


def test_short_reads_of_a_stream_that_cannot_seek() -> None:
    parts = [_text(seed, 500) for seed in range(20)]
    stream = _Unseekable(members(parts), 7)
    assert b"".join(decompressed(stream)) == b"".join(parts)


@pytest.mark.slow
def test_real_files_against_the_standard_library(shared_data) -> None:
    for folder in ("wet", "warc"):
        for path in files_under(shared_data / "commoncrawl" / folder):
            raw = path.read_bytes()
            assert _read(raw) == (gzip.decompress(raw), [])


def test_zstd_with_a_dictionary_frame() -> None:
    samples = [_text(seed, 300) for seed in range(200)]
    dictionary = zstandard.train_dictionary(4_096, samples)
    compressor = zstandard.ZstdCompressor(dict_data=dictionary)
    frames = b"".join(map(compressor.compress, samples))
    for content in (
        dictionary.as_bytes(),
        zstandard.ZstdCompressor().compress(dictionary.as_bytes()),
    ):
        skippable = b"\x5d\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content
        assert _read(skippable + frames) == (b"".join(samples), [])


@pytest.mark.parametrize("codec", ["gzip", "bzip2"])
def test_a_small_file_of_much_output_comes_in_bounded_chunks(codec: str) -> None:
    dense = COMPRESS[codec](bytes(60_000_000))
    sizes = [len(chunk) for chunk in decompressed(io.BytesIO(dense))]
    assert sum(sizes) == 60_000_000
    assert max(sizes) <= 2 * CHUNK_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["gzip", "zstd", "bzip2"])
def test_a_bomb_is_given_up_in_bounded_chunks(codec: str) -> None:
    bomb = COMPRESS[codec](bytes(300_000_000))
    *chunks, damage = decompressed(io.BytesIO(bomb))
    assert isinstance(damage, Damage) and "250 times as large" in damage.error
    assert max(map(len, chunks)) <= 100_000_000
    assert MIN_BOMB_BYTES < sum(map(len, chunks)) < 200_000_000


@pytest.mark.parametrize("codec", ["gzip", "zstd", "bzip2"])
def test_reading_goes_on_behind_a_damaged_member(codec: str) -> None:
    parts = [_text(seed, 3_000) for seed in range(9)]
    packed = [COMPRESS[codec](part) for part in parts]
    begin = sum(map(len, packed[:4]))
    broken = bytearray(packed[4])
    broken[len(broken) // 2 :][:4] = b""
    broken[len(broken) // 2] ^= 0xFF
    content, (damage,) = _read(b"".join([*packed[:4], bytes(broken), *packed[5:]]))
    recovered = content[sum(map(len, parts[:4])) : -sum(map(len, parts[5:]))]
    assert content.startswith(b"".join(parts[:4]))
    assert content.endswith(b"".join(parts[5:]))
    assert damage.offset == begin
    assert damage.skipped_bytes == len(broken)
    assert damage.recovered_bytes == len(recovered)
    assert codec in damage.error


def test_what_a_damaged_member_still_gives_is_what_zlib_gets_of_it() -> None:
    whole = _text(1, 120_000)
    data = bytearray(gzip.compress(whole))
    at = len(data) * 2 // 3
    data[at : at + 40] = os.urandom(40)
    inflate = zlib.decompressobj(31)
    expected = bytearray()
    try:
        for byte in data:
            expected += inflate.decompress(bytes([byte]))
    except zlib.error:
        pass
    content, (damage,) = _read(bytes(data))
    pairs = zip(whole, expected, strict=False)
    sound = next((i for i, (a, b) in enumerate(pairs) if a != b), len(expected))
    assert sound > max(len(whole) // 2, CHUNK_BYTES)
    assert content.startswith(whole[: sound - 2 * 64])
    assert damage.recovered_bytes == len(content)


def test_truncated_file() -> None:
    parts = [_text(seed, 3_000) for seed in range(3)]
    data = members(parts)
    content, (damage,) = _read(data[:-100])
    assert content.startswith(b"".join(parts[:2]))
    assert b"".join(parts).startswith(content)
    assert "the file ends inside" in damage.error
    assert damage.offset + damage.skipped_bytes == len(data) - 100


def test_zero_bytes_behind_a_member_are_padding_and_others_are_damage() -> None:
    one, two = _text(1, 10), _text(2, 10)
    assert _read(gzip.compress(one) + bytes(5_000) + gzip.compress(two) + bytes(9)) == (
        one + two,
        [],
    )
    content, (damage,) = _read(gzip.compress(one) + b"junk" + gzip.compress(two))
    assert content == one + two
    assert damage.skipped_bytes == 4


def test_damage_in_a_stream_that_cannot_seek_ends_it() -> None:
    parts = [_text(seed, 3_000) for seed in range(3)]
    data = bytearray(members(parts))
    data[len(data) // 2] ^= 0xFF
    *content, damage = decompressed(_Unseekable(bytes(data), 1_000))
    assert b"".join(content).startswith(parts[0])
    assert len(b"".join(content)) == len(parts[0]) + damage.recovered_bytes
    assert damage.offset + damage.skipped_bytes == len(data)


def test_errors_of_the_stream_are_not_damage() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 2_000_000:
                raise OSError("the connection was reset")
            return super().read(size)

    data = members([os.urandom(500_000) for _ in range(9)])
    with pytest.raises(OSError, match="connection"):
        list(decompressed(Failing(data)))


def test_too_many_damages_give_up_the_rest(monkeypatch) -> None:
    monkeypatch.setattr(decompress, "MAX_DAMAGES", 5)
    data = b"junk".join(members([b"%d" % i]) for i in range(20))
    content, damages = _read(data)
    assert len(damages) == 5
    assert content == b"01234"
    assert damages[-1].offset + damages[-1].skipped_bytes == len(data)


@settings(deadline=None, max_examples=150)
@given(edits(), st.sampled_from(["gzip", "zstd", "bzip2"]))
def test_any_damage_keeps_the_members_before_it(changes, codec: str) -> None:
    parts = [_text(seed, 150) for seed in range(8)]
    packed = [COMPRESS[codec](part) for part in parts]
    data, intact = edited(b"".join(packed), changes)
    content, damages = _read(data)
    assert content.startswith(b"".join(parts[: lying_in(packed, intact)]))
    for damage in damages:
        assert 0 <= damage.offset < damage.offset + damage.skipped_bytes <= len(data)

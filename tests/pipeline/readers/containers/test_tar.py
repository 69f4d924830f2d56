from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers.containers.cursor import Cursor, Damage
from pipeline.readers.containers.tar import (
    MAX_EXTENSION_BYTES,
    Broken,
    Member,
    is_tar,
    tar_members,
)
from tests.support.samples.reader_samples import edited, edits, tar_of

FILES = {"a.tex": b"a" * 700, "b/" + "n" * 200 + "é.tex": b"b" * 1024, "c.tex": b"", "d": b"d" * 9}


def header(name: str, form: int = tarfile.USTAR_FORMAT, **fields: object) -> bytes:
    info = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(form)


def without_magic(data: bytes) -> bytes:
    """Return a header in the form before ustar."""
    block = data[:257] + bytes(255)
    total = sum(block) - sum(block[148:156]) + 8 * 32
    return block[:148] + b"%06o\0 " % total + block[156:]


def read(*chunks: bytes | Damage) -> list[Broken | tuple[str, bytes]]:
    """Return all members of an archive, after checking their numbers and offsets."""
    source = Cursor(iter(chunks))
    found: list[Broken | tuple[str, bytes]] = []
    last: Member | None = None
    number = end = 0
    for item in tar_members(source):
        if isinstance(item, Broken) and last and item.number == last.number:
            assert (item.name, item.offset) == (last.name, last.offset)
            found.pop()
            number -= 1
        else:
            assert item.offset >= end
        assert item.number == number
        number += 1
        if isinstance(item, Broken):
            last = None
            assert source.offset == item.offset + item.skipped_bytes
            found.append(item)
        else:
            last = item
            found.append((item.name, source.take(item.size) if item.kind == "file" else b""))
        end = source.offset
    return found


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "pax"])
def test_archives_are_read_as_tarfile_reads_them(form: int) -> None:
    data = tar_of(FILES, form)
    for size in (1, 511, 1 << 20):
        assert read(*pieces(data, size)) == list(FILES.items())
    assert read(data + data) == list(FILES.items()) * 2
    # The last member may have no padding.
    assert read(data.rstrip(b"\0")) == list(FILES.items())
    old = without_magic(header("old", size=3)) + b"old".ljust(512, b"\0")
    assert is_tar(old[:512])
    assert read(old) == [("old", b"old")]


def test_types_without_content_have_none_whatever_their_headers_say() -> None:
    types = {
        tarfile.DIRTYPE: "folder",
        tarfile.SYMTYPE: "link",
        tarfile.LNKTYPE: "link",
        tarfile.CHRTYPE: "device",
        tarfile.BLKTYPE: "device",
        tarfile.FIFOTYPE: "device",
    }
    data = b"".join(header("x", type=kind, size=5_000) for kind in types) + header("y", size=0)
    members = list(tar_members(Cursor(iter((data,)))))
    assert [(m.kind, m.size) for m in members if isinstance(m, Member)] == [
        *((kind, 0) for kind in types.values()),
        ("file", 0),
    ]


def test_a_size_in_base_256_or_a_pax_header_is_read() -> None:
    big = header("big", tarfile.GNU_FORMAT, size=1 << 35)
    (member, broken) = tar_members(Cursor(iter((big,))))
    assert isinstance(member, Member) and isinstance(broken, Broken)
    assert (member.size, broken.error) == (1 << 35, "the archive ends inside a member")
    for size, wanted in ((b"6", b"abcdef"), (b"9" * 5_000, b"")):
        record = b" size=" + size + b"\n"
        length = next(n for n in range(9_000) if len(str(n)) + len(record) == n)
        pax = str(length).encode() + record
        data = header("p", type=tarfile.XHDTYPE, size=len(pax)) + pax.ljust(5_120, b"\0")
        data = data[: 512 + -(-len(pax) // 512) * 512] + header("f", size=0)
        assert read(data + wanted) == [("f", wanted)]


def test_headers_behind_damage_are_found_at_any_offset() -> None:
    content = bytes(range(256)) * 2
    good = header("g", size=512) + content
    noise = b"\1" * 700
    lost = Broken(1, "", 1024, "no tar header here", 700)
    assert read(good + noise + good) == [("g", content), lost, ("g", content)]
    # Also after a damage of whole blocks in an archive without magic, and beyond the first window.
    old = without_magic(header("o", size=512)) + content
    for blocks in (2, 127, 128, 1_000):
        (first, after) = read(b"\1" * 512 * blocks + old)
        assert first == Broken(0, "", 0, "no tar header here", 512 * blocks)
        assert after == ("o", content)
    for size in (65_000, 65_023, 65_279, 65_280, 65_281, 65_535, 65_536, 65_537, 130_900):
        assert read(b"\1" * size + good)[1:] == [("g", content)], size


def test_a_gap_costs_the_members_that_it_cuts() -> None:
    data = tar_of({name: name.encode() * 300 for name in ("x", "y", "z")}, tarfile.USTAR_FORMAT)
    gap = Damage(0, "bad", 9, 0)
    x, y, z = ((name, name.encode() * 300) for name in ("x", "y", "z"))
    # A gap within y's content, after which z is whole; then one that begins in y's header.
    cut = Broken(1, "y", 1024, "bad", 612)
    assert read(data[:1636], gap, data[2048:]) == [x, cut, z]
    assert read(data[:1100], gap, data[2048:]) == [x, Broken(1, "", 1024, "bad", 76), z]
    # No header is put together from bytes on both sides of a gap.
    assert read(data[:1100], gap, data[1100:]) == [x, Broken(1, "", 1024, "bad", 1024), z]
    # Gaps between members, which cost no member; in padding; at the very end.
    assert read(data[:1024], gap, data[1024:]) == [x, Broken(1, "", 1024, "bad", 0), y, z]
    assert read(data[:900], gap, data[1024:]) == [x, Broken(1, "", 900, "bad", 0), y, z]
    assert read(data, gap) == [x, y, z, Broken(3, "", len(data), "bad", 0)]
    # After a gap, reading continues at the first header.
    assert read(data[:1636], gap, data[1700:]) == [x, cut._replace(skipped_bytes=960), z]


def test_extended_headers_that_are_too_large_or_cut_off() -> None:
    good = header("g", size=1) + b"g".ljust(512, b"\0")
    for size in (MAX_EXTENSION_BYTES + 1, 1 << 40):
        long = header("././@LongLink", tarfile.GNU_FORMAT, type=b"L", size=size)
        (lost, after) = read(long + b"n" * 1024 + good)
        assert lost == Broken(0, "", 0, f"an extended header of {size} bytes", 1536)
        assert after == ("g", b"g")
    long = header("././@LongLink", tarfile.GNU_FORMAT, type=b"L", size=600)
    gap = Damage(0, "bad", 9, 0)
    assert read(long + b"n" * 99, gap, good) == [Broken(0, "", 0, "bad", 611), ("g", b"g")]
    for cut in (long, long + b"n" * 500, long + b"n" * 600, long + b"n" * 1024):
        (lost,) = read(cut)
        assert lost == Broken(0, "", 0, "the archive ends inside a member", len(cut))


@settings(deadline=None, max_examples=150)
@given(edits(), st.integers(1, 3_000), st.booleans())
def test_any_damage_is_accounted_for(changes, chunk: int, with_gap: bool) -> None:
    whole = tar_of(FILES, tarfile.GNU_FORMAT)
    data, intact = edited(whole, changes)
    parts: list[bytes | Damage] = list(pieces(data, chunk))
    if with_gap:
        middle = len(parts) // 2
        parts.insert(middle, Damage(0, "gap", 1, 0))
        intact = min(intact, middle * chunk)
    source = Cursor(iter(parts))
    for _ in tar_members(source):
        pass
    assert source.offset == len(data)
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        kept = sum(member.offset_data + member.size <= intact for member in tar.getmembers())
    assert read(*parts)[:kept] == list(FILES.items())[:kept]

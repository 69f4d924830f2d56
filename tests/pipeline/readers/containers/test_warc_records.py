from __future__ import annotations

import hashlib
import io

import pytest
from fastwarc.warc import ArchiveIterator

from pipeline.readers.containers.decompress import decompressed
from pipeline.readers.containers.warc_records import Record, Unreadable, archive_records
from tests.support.samples.reader_samples import files_under, members, warc_record

MAX_RECORD_BYTES = 1 << 26


def _events(data: bytes, max_record_bytes: int = MAX_RECORD_BYTES) -> list[Record | Unreadable]:
    return list(archive_records(io.BytesIO(data), max_record_bytes=max_record_bytes))


def _payloads(data: bytes) -> list[bytes | str]:
    return [
        event.payload if isinstance(event, Record) and not event.dropped_by else event.dropped_by
        for event in _events(data)
    ]


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("version", [b"0.17", b"0.18", b"1.0", b"1.1"])
def test_versions_and_line_ends(line_end: bytes, version: bytes) -> None:
    one, two = warc_record(b"one\n\nWARC/1.0\n", line_end=line_end), warc_record(b"", "metadata")
    data = (one + two).replace(b"WARC/1.0" + line_end, b"WARC/" + version + line_end, 1)
    first, second = _events(data)
    assert (first.number, first.payload, first.dropped_by) == (0, b"one\n\nWARC/1.0\n", None)
    assert (second.number, second.payload, second.dropped_by) == (1, b"", None)
    assert first.headers["warc-target-uri"] == "http://a.example/"
    assert second.headers["warc-type"] == "metadata"


def test_header_lines() -> None:
    data = (
        b"WARC/1.0\r\nwarc-TYPE:  response \r\nX-Long: one\r\n two\r\n\tthree\r\nno colon\r\n"
        b"X-Long: again\r\n not added\r\nCONTENT-length:3\r\nX-Accent: \xc3\xa9\xff\r\n\r\nabc"
    )
    (record,) = _events(data)
    assert record.payload == b"abc"
    assert record.headers == {
        "warc-type": "response",
        "x-long": "one two three",
        "content-length": "3",
        "x-accent": "é\ufffd",
    }


@pytest.mark.parametrize("length", ["", "many", "-1", "2", "12", "999999", "9" * 30, "3 4"])
def test_wrong_lengths_cost_their_record_alone(length: str) -> None:
    wrong = warc_record(b"wrong", Content_Length=length)
    data = warc_record(b"one") + wrong + warc_record(b"two\r\n\r\n") + warc_record(b"three")
    assert _payloads(data) == [b"one", "damaged", b"two\r\n\r\n", b"three"]


def test_missing_length_and_header_without_end() -> None:
    no_length = b"WARC/1.0\r\nWARC-Type: response\r\n\r\nabc\r\n\r\n"
    no_end = b"WARC/1.0\r\nWARC-Type: response\r\n"
    data = no_length + warc_record(b"one") + no_end + warc_record(b"two") + no_end
    assert _payloads(data) == ["damaged", b"one", "damaged", b"two", "damaged"]
    assert _events(data)[0].headers == {"warc-type": "response"}


@pytest.mark.parametrize("stated", [None, "2000", "500000", "9" * 17])
def test_large_records_are_skipped(stated: str | None) -> None:
    headers = {"Content_Length": stated} if stated else {}
    large = warc_record(b"x" * 300_000, **headers)
    data = warc_record(b"one") + large + warc_record(b"two")
    first, second, third = (event for event in _events(data, 1_000) if isinstance(event, Record))
    assert (first.payload, third.payload) == (b"one", b"two")
    assert second.payload == b""
    expected = "damaged" if stated in ("500000", "9" * 17) else "record_too_large"
    assert second.dropped_by == expected


def test_junk_between_records_is_a_damage_and_the_records_stay() -> None:
    data = warc_record(b"one") + warc_record(b"two").rstrip() + b"\njunk" + warc_record(b"three")
    assert _payloads(b"\r\njunk\n" + data)[:2] == ["damaged", b"one"]
    assert _payloads(data) == [b"one", "damaged"]
    assert _payloads(warc_record(b"one") + b"junk\n" + warc_record(b"two")) == [
        b"one",
        "damaged",
        b"two",
    ]
    assert _payloads(data.replace(b"junk", b"junk\n")) == [b"one", "damaged", b"three"]


@pytest.mark.parametrize("data", [b"x" * 3_000_000, b"{}\n" * 10, b"\x1f", b"filedesc://x 1\n"])
def test_other_formats(data: bytes) -> None:
    (event,) = _events(data)
    assert isinstance(event, Unreadable)
    assert event.dropped_by == "not_a_warc"


@pytest.mark.parametrize("data", [b"", b"\r\n\n" * 1_000])
def test_nothing(data: bytes) -> None:
    assert _events(data) == []


def test_the_record_that_a_checksum_fails_on_is_damaged_and_its_neighbours_are_not() -> None:
    packed = [members([warc_record(b"payload %d" % i * 50)]) for i in range(5)]
    broken = bytearray(packed[2])
    broken[-6] ^= 1
    events = _events(b"".join([*packed[:2], bytes(broken), *packed[3:]]))
    dropped = [(type(event), event.number, event.dropped_by) for event in events]
    assert dropped == [
        (Record, 0, None),
        (Record, 1, None),
        (Record, 2, "damaged"),
        (Unreadable, 3, "damaged"),
        (Record, 3, None),
        (Record, 4, None),
    ]


def test_of_a_bad_member_of_many_records_the_last_whole_one_is_damaged() -> None:
    records = [warc_record(b"payload %d" % i * 50) for i in range(5)]
    broken = bytearray(members([b"".join(records)]))
    broken[-6] ^= 1
    events = _events(members([records[0]]) + bytes(broken) + members([records[1]]))
    assert [event.dropped_by for event in events] == [
        *[None] * 5,
        "damaged",  # the record that the damage cut off
        "damaged",  # the damaged bytes
        None,
    ]
    # With padding, the damage hits the padding, and the last record is whole.
    broken = bytearray(members([b"".join(records) + b"\r\n" * 300]))
    broken[-6] ^= 1
    events = _events(members([records[0]]) + bytes(broken) + members([records[1]]))
    assert [event.dropped_by for event in events] == [*[None] * 5, "damaged", "damaged", None]


ODD_FILES = {
    # fastwarc stops at the damage in these files, or skips it.
    "chatnoir-eu__chatnoir-resiliparse/clipped.warc.gz",
    "cllu__PyWARC/sample.warc.gz",  # bare LF, sound otherwise
    "facebookresearch__cc_net/sample.warc.txt",
    "richardlehane__webarchive/invalid-warcfile-duplicate-fields.warc",
    "richardlehane__webarchive/invalid-warcrecord-1.warc",
    "richardlehane__webarchive/invalid-warcrecord-3.warc",
    "richardlehane__webarchive/valid-warcfile-fields-continuation.warc",
    "richardlehane__webarchive/valid-warcfile-fields-metainfo.warc",
    "richardlehane__webarchive/valid-warcfile-fields-warcinfo.warc",
    "richardlehane__webarchive/valid-warcfile-upper-lower-case.warc",
    "richardlehane__webarchive/valid-warcfile-utf8.warc",
    "webrecorder__warcio/example-trunc.warc",
}


@pytest.mark.slow
def test_real_files_against_fastwarc(shared_data) -> None:
    folder = shared_data / "commoncrawl"
    compared = 0
    for path in files_under(folder):
        name = str(path.relative_to(folder / path.relative_to(folder).parts[0]))
        header_alone = "invalid-warcheaderfieldpolicy" in name or "warcfile-fields-" in name
        if name in ODD_FILES or header_alone or ".arc" in name:
            continue
        with path.open("rb") as stream:
            ours = list(archive_records(stream, max_record_bytes=MAX_RECORD_BYTES))
        with path.open("rb") as stream:
            theirs = [
                (record.headers.get("WARC-Record-ID"), hashlib.sha1(record.reader.read()).digest())
                for record in ArchiveIterator(stream, parse_http=False)
            ]
        assert [event.dropped_by for event in ours] == [None] * len(ours), name
        assert [event.number for event in ours] == list(range(len(ours)))
        assert theirs == [
            (event.headers.get("warc-record-id"), hashlib.sha1(event.payload).digest())
            for event in ours
        ], name
        compared += len(ours)
    assert compared > 6_000


def test_odd_files(shared_data) -> None:
    def kinds(name: str) -> list[str | None]:
        data = (shared_data / "commoncrawl" / "edge" / name).read_bytes()
        return [event.dropped_by for event in _events(data)]

    assert kinds("cllu__PyWARC/sample.warc.gz") == [None] * 101
    assert kinds("chatnoir-eu__chatnoir-resiliparse/clipped.warc.gz") == ["damaged", "damaged"]
    assert kinds("webrecorder__warcio/example-trunc.warc") == [None, None, "damaged", None]
    odd = "richardlehane__webarchive/invalid-warcrecord-"
    assert kinds(odd + "1.warc") == ["damaged", None, "damaged", None, None, None]
    assert kinds(odd + "3.warc") == [None, "damaged", None, None, "damaged", "damaged"]


def test_every_byte_of_every_file_is_accounted_for(shared_data) -> None:
    """All bytes outside of records and damaged places are line ends, after decompression."""
    for path in files_under(shared_data / "commoncrawl" / "edge"):
        raw = path.read_bytes()
        data = b"".join(
            chunk for chunk in decompressed(io.BytesIO(raw)) if isinstance(chunk, bytes)
        )
        at = 0
        for event in _events(raw):
            if isinstance(event, Record):
                assert data[at : event.offset].strip(b"\r\n") == b"", path
                at = event.end
            elif event.error.startswith("no WARC record"):
                at = event.offset + event.skipped_bytes
            elif event.dropped_by == "not_a_warc":
                at = len(data)
        assert data[at:].strip(b"\r\n") == b"", path

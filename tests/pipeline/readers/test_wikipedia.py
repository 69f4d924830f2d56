from __future__ import annotations

import bz2
import gzip
import io
import itertools
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers.wikipedia import read_wikipedia
from tests.support.samples.reader_samples import edited, edits, lying_in
from transforms.wikipedia.names import FILE_NAMES

LANGUAGES = list(FILE_NAMES)
HEADER = """<mediawiki xml:lang="en">
  <siteinfo><namespaces>
    <namespace key="-1" case="first-letter">Special</namespace>
    <namespace key="4" case="first-letter">Wikipédia</namespace>
    <namespace key="0" case="first-letter" />
  </namespaces></siteinfo>
"""


def rows_of(
    data: bytes | Any, name: str = "w/enwiki-x.xml", **changes: Any
) -> list[dict[str, Any]]:
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    options: dict[str, Any] = {
        "start": 0,
        "end": None,
        "batch_bytes": 1 << 20,
        "max_record_bytes": 1 << 24,
        "languages": LANGUAGES,
    }
    rows = []
    for batch in read_wikipedia(stream, name, **(options | changes)):
        batch.validate(full=True)
        rows += batch.to_pylist()
    return rows


def page(
    number: int, text: str, title: str = "", ns: int | None = 0, extra: str = "", model: str = ""
) -> str:
    namespace = "" if ns is None else f"<ns>{ns}</ns>"
    return f"""  <page>
    <title>{title or f"Page {number}"}</title>{namespace}
    <id>{number}</id>{extra}
    <revision>
      <id>{number + 1000}</id>
      <timestamp>2022-06-20T00:00:0{number % 10}Z</timestamp>
      <contributor><username>A</username><id>7</id></contributor>{model}
      <text bytes="9" xml:space="preserve">{text}</text>
    </revision>
  </page>
"""


PAGES = [page(number, f"Text é {number} " * (number % 7 + 1)) for number in range(1, 60)]
DUMP = (HEADER + "".join(PAGES) + "</mediawiki>\n").encode()


def stream_cuts(data: bytes, cuts: list[int]) -> bytes:
    edges = [0, *sorted(cuts), len(data)]
    return b"".join(bz2.compress(data[a:b]) for a, b in itertools.pairwise(edges) if a < b)


def multistream() -> bytes:
    """Compress as Wikimedia does: streams of the header, of ten pages each, and of the footer."""
    groups = ["".join(PAGES[at : at + 10]) for at in range(0, len(PAGES), 10)]
    return b"".join(bz2.compress(part.encode()) for part in [HEADER, *groups, "</mediawiki>\n"])


def test_a_page() -> None:
    text = "A &lt;ref&gt;&amp;lt;&lt;/ref&gt; &quot;b&quot; &#233;&#x2014;\r\nc"
    (row,) = rows_of((HEADER + page(12, text, "C&amp;A é") + "</mediawiki>").encode())
    assert row["text"] == 'A <ref>&lt;</ref> "b" é—\nc'
    assert row["id"] == f"w/enwiki-x.xml#12@{len(HEADER.encode()) + 2}"
    assert row["url"] == "https://en.wikipedia.org/wiki/C%26A_%C3%A9"
    assert row["language"] == "en"
    assert json.loads(row["metadata"]) == {
        "title": "C&A é",
        "page_id": 12,
        "revision_id": 1012,
        "timestamp": "2022-06-20T00:00:02Z",
    }


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (page(1, "x", ns=1), "not_an_article"),
        (page(1, "x", "Talk:Y", ns=None), "not_an_article"),
        (page(1, "x", "Wikipédia:Y", ns=None), "not_an_article"),
        (page(1, "x", "Alien: the film", ns=None), None),
        (page(1, "x", "Talk:Y", ns=0), None),
        (page(1, "#REDIRECT [[Y]]", extra='<redirect title="Y" />'), "redirect"),
        (page(1, "#przekieruj [[Y]]"), "redirect"),
        (page(1, "#ПЕРЕНАПРАВЛЕННЯ [[Y]]"), "redirect"),
        (page(1, "# redirect the river"), None),
        (page(1, "x", model="<model>css</model>"), "not_wikitext"),
        (page(1, "x", model="<model>wikitext</model>"), None),
        (page(1, " \n"), "empty"),
        (page(1, "").replace("></text>", " />"), "empty"),
        (page(1, "x").replace("<id>1</id>", ""), "bad_xml"),
        (page(1, "x").replace("<id>1</id>", f"<id>{'9' * 5_000}</id>"), "bad_xml"),
        (page(1, "a &nbsp; b"), "bad_xml"),
        (page(1, "a & b"), "bad_xml"),
        (page(1, "a &#0; b"), "bad_xml"),
        (page(1, "a &#xD800; b"), "bad_xml"),
        (page(1, "a <b>b</b>"), "bad_xml"),
        (page(1, "x").replace("</page>", ""), "damaged"),
    ],
)
def test_what_is_dropped(made: str, reason: str | None) -> None:
    (row,) = rows_of((HEADER + made).encode())
    assert row["dropped_by"] == reason
    assert bool(row["text"]) == (reason is None)


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("w/2022/plwiki-20220701-pages-articles-multistream.xml.bz2", "pl"),
        ("w/zh_min_nanwiki-latest.xml", "zh-min-nan"),
        ("w/enwiktionary-latest.xml", None),
        ("enwiki/dump.xml", None),
        ("w/wikidump.xml", None),
    ],
)
def test_language_of_the_file(name: str, language: str | None) -> None:
    (row,) = rows_of(page(1, "x").encode(), name)
    assert row["language"] == language
    assert row["dropped_by"] == (None if language == "pl" else "other_language")
    assert ("error" in json.loads(row["metadata"])) == (language is None)


def test_the_latest_of_several_revisions() -> None:
    old = page(1, "new").replace("2022", "2023").split("<revision>")[1].split("</revision>")[0]
    both = page(1, "old").replace("<revision>", f"<revision>{old}</revision><revision>")
    (row,) = rows_of(both.encode())
    assert row["text"] == "new"
    assert json.loads(row["metadata"])["timestamp"].startswith("2023")


def test_one_page_twice_has_two_ids() -> None:
    rows = rows_of((HEADER + PAGES[3] * 3).encode())
    assert len({row["id"] for row in rows}) == 3
    assert len({row["text"] for row in rows}) == 1


def test_a_page_too_large_is_passed_over_without_being_held() -> None:
    large = page(2, "x" * 3_000_000)
    rows = rows_of((HEADER + PAGES[0] + large + PAGES[2]).encode(), max_record_bytes=10_000)
    assert [row["dropped_by"] for row in rows] == [None, "record_too_large", None]
    assert json.loads(rows[1]["metadata"])["error"] == f"{len(large) - 3} bytes of XML"


def test_a_page_inside_a_page() -> None:
    rows = rows_of((PAGES[0].replace("</page>", "") + PAGES[1]).encode())
    assert [row["dropped_by"] for row in rows] == ["damaged", None]


@pytest.mark.parametrize("data", [b"", b" \n", HEADER.encode(), bz2.compress(HEADER.encode())])
def test_files_without_pages(data: bytes) -> None:
    assert rows_of(data) == []


def test_a_file_of_another_format() -> None:
    for data in (b"PK\x03\x04 junk", gzip.compress(b"{}")):
        (row,) = rows_of(data)
        assert row["dropped_by"] == "not_a_dump"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
@pytest.mark.parametrize("compress", [bytes, bz2.compress, gzip.compress])
def test_utf16(encoding: str, compress: Any) -> None:
    expected = [row["text"] for row in rows_of(DUMP)]
    text = DUMP.decode()
    data = compress((text if encoding == "utf-16" else "\ufeff" + text).encode(encoding))
    half = len(data) // 2
    assert [row["text"] for row in rows_of(data)] == expected
    parts = rows_of(data, end=half) + rows_of(data, start=half)
    assert [row["text"] for row in parts] == expected


@pytest.mark.parametrize("level", [0, 1, 14])
def test_no_entity_of_a_bomb_is_expanded(level: int) -> None:
    """The first, three letters and no bomb, is refused in the same words as the last."""
    entities = "".join(
        f'<!ENTITY lol{i} "{f"&lol{i - 1};" * 10}">' if i else '<!ENTITY lol0 "lol">'
        for i in range(15)
    )
    bomb = f"<!DOCTYPE mediawiki [{entities}]>\n" + HEADER + page(1, f"&lol{level};") + PAGES[1]
    rows = rows_of(bomb.encode())
    assert [row["dropped_by"] for row in rows] == ["bad_xml", None]
    error = f"&lol{level} is no reference of XML without a document type"
    assert json.loads(rows[0]["metadata"])["error"] == error


def test_an_external_entity_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    kind = f'<!DOCTYPE m [<!ENTITY x SYSTEM "{(tmp_path / "secret").as_uri()}">]>'
    (row,) = rows_of((kind + page(1, "a &x; b")).encode())
    assert (row["dropped_by"], row["text"]) == ("bad_xml", "")


def in_splits(data: bytes, cuts: list[int], **changes: Any) -> list[dict[str, Any]]:
    edges = [0, *sorted(cuts), None]
    return [
        row
        for start, end in itertools.pairwise(edges)
        for row in rows_of(data, start=start, end=end, **changes)
    ]


def test_every_place_to_split_a_plain_file() -> None:
    data = (HEADER + "".join(PAGES[:3]) + "</mediawiki>").encode()
    expected = rows_of(data)
    assert len(expected) == 3
    for cut in range(1, len(data) + 1):
        assert in_splits(data, [cut]) == expected


@pytest.mark.slow
def test_every_place_to_split_a_multistream_file() -> None:
    data = multistream()
    expected = rows_of(data)
    assert [row["text"] for row in expected] == [row["text"] for row in rows_of(DUMP)]
    for cut in range(1, len(data), 3):
        assert in_splits(data, [cut]) == expected


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_streams_and_splits_anywhere(data: st.DataObject) -> None:
    """Streams begin inside pages or inside tags, or every byte is a stream."""
    cuts = data.draw(st.lists(st.integers(0, len(DUMP)), max_size=12))
    near = data.draw(st.integers(0, len(DUMP) - 20))
    tag = DUMP.find(b"<page>", near)
    cuts += range(max(tag, 0), max(tag, 0) + data.draw(st.integers(0, 7)))
    packed = stream_cuts(DUMP, cuts)
    expected = rows_of(packed)
    assert [row["text"] for row in expected] == [row["text"] for row in rows_of(DUMP)]
    splits = data.draw(st.lists(st.integers(1, len(packed) + 5), max_size=6, unique=True))
    assert in_splits(packed, splits) == expected


def test_one_stream_and_gzip_belong_to_the_first_split() -> None:
    for data in (bz2.compress(DUMP), gzip.compress(DUMP)):
        expected = rows_of(data)
        assert len(expected) == len(PAGES)
        assert in_splits(data, [1, 50, len(data) - 1]) == expected
        assert rows_of(data, start=1) == []


def test_a_stream_that_cannot_seek() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise OSError("not seekable")

    data = multistream()
    assert rows_of(Pipe(data)) == rows_of(data)
    half = len(data) // 2
    assert rows_of(Pipe(data), end=half) + rows_of(Pipe(data), start=half) == rows_of(data)


@settings(max_examples=100, deadline=None)
@given(edits(), st.booleans(), st.data())
def test_damage(changes: list[Any], compressed: bool, data: st.DataObject) -> None:
    """All pages before the damage are read, no split raises, and ids are unique."""
    groups = ["".join(PAGES[at : at + 10]).encode() for at in range(0, len(PAGES), 10)]
    parts = [bz2.compress(part) for part in [HEADER.encode(), *groups]]
    if not compressed:
        parts = [HEADER.encode(), *(made.encode() for made in PAGES)]
    damaged, intact = edited(b"".join(parts), changes)
    expected = rows_of(b"".join(parts))
    rows = rows_of(damaged)
    sure = max(0, lying_in(parts, intact) - 1)
    count = len(expected) if len(parts) == sure + 1 else sure * (10 if compressed else 1)
    count = max(0, count - (10 if compressed else 1))
    assert [row["text"] for row in rows[:count]] == [row["text"] for row in expected[:count]]
    assert len({row["id"] for row in rows}) == len(rows)
    cut = data.draw(st.integers(1, len(damaged) + 1))
    split = in_splits(damaged, [cut])
    kept = [row for row in rows if not row["dropped_by"]]
    assert [row for row in split if not row["dropped_by"]] == kept


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes(data: bytes, in_a_page: bool) -> None:
    if in_a_page:
        data = b"<page>" + data + b"</page>"
    rows_of(data)
    rows_of(data, start=1, end=20)


def dumps(shared_data: Path) -> list[Path]:
    return sorted(path for path in (shared_data / "wikipedia").iterdir() if path.is_file())


def raw_xml(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".bz2":
        data = bz2.decompress(data)
    elif path.suffix == ".gz":
        data = gzip.decompress(data)
    return data.decode("utf-16").encode() if data[:2] in (b"\xff\xfe", b"\xfe\xff") else data


@pytest.mark.slow
def test_every_real_file_against_an_xml_parser(shared_data: Path) -> None:
    pages = articles = 0
    for path in dumps(shared_data):
        data = raw_xml(path)
        try:
            root = ET.fromstring(data)
        except ET.ParseError:
            root = ET.fromstring(b"<m>" + data + b"</m>")
        name = path.name if re.match("[a-z]{2}wiki-", path.name) else f"enwiki-{path.name}"
        with path.open("rb") as stream:
            rows = rows_of(stream, f"w/{name}")
        assert len({row["id"] for row in rows}) == len(rows)
        assert {row["language"] for row in rows} == {name[:2]}
        found = [made for made in root.iter() if made.tag.endswith("page")]
        assert len(rows) == len(found)
        for made, row in zip(found, rows, strict=True):
            fields: dict[str, list[ET.Element]] = {}
            for element in made.iter():
                fields.setdefault(element.tag.rpartition("}")[2], []).append(element)
            metadata = json.loads(row["metadata"])
            assert metadata["page_id"] == int(fields["id"][0].text or "")
            assert metadata["title"] == fields["title"][0].text
            outside = "ns" in fields and fields["ns"][0].text != "0"
            model = fields["model"][0].text if "model" in fields else "wikitext"
            if not row["dropped_by"]:
                assert row["text"] == fields["text"][0].text
                assert not outside and "redirect" not in fields and model == "wikitext"
            elif outside:
                assert row["dropped_by"] == "not_an_article"
            elif "redirect" in fields:
                assert row["dropped_by"] == "redirect"
            else:
                assert row["dropped_by"] in ("not_an_article", "redirect", "empty")
                assert "ns" not in fields or row["dropped_by"] != "not_an_article"
            pages += 1
            articles += not row["dropped_by"]
    assert (pages, articles) == (3180, 1704)


def test_real_files_of_other_languages(shared_data: Path) -> None:
    for name in ("smallwiki-latest-pages-articles.xml", "wikidump.xml"):
        with (shared_data / "wikipedia" / name).open("rb") as stream:
            assert {row["dropped_by"] for row in rows_of(stream, f"w/{name}")} == {"other_language"}


@pytest.mark.slow
def test_splits_of_a_real_dump_made_multistream(shared_data: Path) -> None:
    data = raw_xml(shared_data / "wikipedia" / "enwiki-minidump-pages-articles.xml.bz2")
    plain = rows_of(data)
    edges = [0, *(found.start() for found in re.finditer(rb"  <page>", data))][::4]
    packed = stream_cuts(data, edges[1:])
    whole = rows_of(packed)
    assert [row["text"] for row in whole] == [row["text"] for row in plain]
    for size in (20_011, 200_000):
        assert in_splits(packed, list(range(size, len(packed), size))) == whole
    for size in (100_003, 400_000):
        assert in_splits(data, list(range(size, len(data), size))) == plain

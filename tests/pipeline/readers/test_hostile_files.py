"""Small files that once crashed a reader or took hours, with the results that they give now."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator

import pytest

from pipeline.readers.batches import Row, batches
from pipeline.readers.containers.cursor import Damage
from pipeline.readers.containers.decompress import MAX_EXPANSION, decompressed
from pipeline.readers.containers.warc_records import parse_headers
from pipeline.readers.containers.zip_archive import TooManyMembersError, open_zip, read_member
from pipeline.readers.html.page_text import HtmlError, html_page
from pipeline.readers.paper import read_paper
from pipeline.readers.wiki_page import namespace_names
from tests.hostile.bases import gzipped
from tests.support.samples.reader_samples import read_rows
from transforms.stackexchange.html import MAX_INDENTS_PER_CHAR, html_to_text


@pytest.mark.parametrize("namespace", [b"7" * 5_000, b"1"])
def test_a_namespace_that_is_none_is_left_out(namespace: bytes):
    head = b'<namespace key="%s">&lol;</namespace>' % namespace
    assert namespace_names(head) == namespace_names(b"")


def test_json_is_read_to_the_same_depth_by_whoever_asks():
    depths = (99, 500, 985, 2_000)
    lines = [b'{"text":"a","timestamp":%s%s}' % (b"[" * d, b"]" * d) for d in depths]

    def deeper(frames: int) -> list[str | None]:
        if frames:
            return deeper(frames - 1)
        return [row["dropped_by"] for row in read_rows("json_lines", b"\n".join(lines))]

    assert deeper(0) == deeper(300) == [None, "bad_json", "bad_json", "bad_json"]


def test_offsets_are_right_behind_empty_lines():
    data = b"\n\n\n" + b'{"text":"a"}\n' + b"\n" * 300_000 + b'{"text":"b"}'
    rows = read_rows("json_lines", data)
    assert [row["id"] for row in rows] == ["s/f#3", f"s/f#{3 + 13 + 300_000}"]


def test_batches_count_metadata_and_addresses():
    rows = (Row(str(n), b"a", "u" * 500, json.dumps({"a": "b" * 500})) for n in range(100))
    assert max(batch.num_rows for batch in batches(rows, batch_bytes=10_000)) < 12


def test_a_header_of_many_lines_is_joined():
    headers = parse_headers(b"A: 1\r\n 2\r\n\t3\r\nB:\r\n 4\r\nA: 5\r\n 6\r\n")
    assert headers == {"a": "1 2 3", "b": "4"}


def test_formatting_that_is_left_open_is_refused():
    count = 5_000
    tags = "".join(f"<b id={n}>" for n in range(count))
    with pytest.raises(HtmlError, match="left open"):
        html_page("<p>" * count + tags + "</p>x" * count, main_content=False)
    closed = "".join(f"<p><b id={n}>x</b></p>" for n in range(count))
    assert html_page(closed, main_content=False).text.count("x") == count


def test_only_deflated_members_of_a_zip_are_read():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a", b"a" * 10_000_000)
        archive.writestr("b", b"b" * 9, zipfile.ZIP_DEFLATED)
    with pytest.raises(TooManyMembersError):
        open_zip(buffer.getvalue(), max_members=1)
    with open_zip(buffer.getvalue(), max_members=2) as archive:
        assert read_member(archive, "b", 3) == b"bbbb"
        with pytest.raises(zipfile.BadZipFile, match="method"):
            read_member(archive, "a", 10)


def test_a_bomb_is_given_up():
    member = gzipped(bytes(1 << 24))
    pieces: Iterator[bytes | Damage] = decompressed(io.BytesIO(member * 40))
    found = list(pieces)
    assert isinstance(found[-1], Damage)
    assert sum(isinstance(piece, Damage) for piece in found) == 1
    size = sum(len(piece) for piece in found if isinstance(piece, bytes))
    assert size < (MAX_EXPANSION + 1) * 40 * len(member) + (1 << 26)


def test_imports_within_imports_do_not_double_the_folders():
    files = {f"n{n}.tex": b"\\import{f/}{n%d}" % (n + 1) for n in range(28)}
    files["main.tex"] = b"\\documentclass{a}\\begin{document}\\import{f/}{n0}x\\end{document}"
    paper = read_paper(files, max_text_bytes=1 << 20)
    assert paper.file_count == 29


def test_a_paper_with_a_large_file_is_refused_before_it_is_scanned():
    main = b"\\documentclass{a}\\begin{document}x\\end{document}"
    assert read_paper({"a.tex": main * 99}, max_text_bytes=999).dropped_by == "record_too_large"


def test_posts_of_numbers_cells_and_quotes():
    assert html_to_text("a&#" + "9" * 5_000 + ";b") == "a\ufffdb"
    assert html_to_text("<tr> <b> <td>a<td>b</tr>") == "a | b"
    html = "<blockquote>" * 60 + "a<br>" * 20_000
    assert len(html_to_text(html)) < (MAX_INDENTS_PER_CHAR + 1) * len(html) + 1_000

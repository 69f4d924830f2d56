from __future__ import annotations

import gzip
import io
import json
import tarfile
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers.containers.warc_records import Record, archive_records
from pipeline.readers.html.page_text import check_extractor, html_page
from tests.support.growth import assert_linear
from tests.support.samples.reader_samples import files_under, http_response, read_rows, warc_record
from tests.support.word_agreement import common_words, word_f1

HTML = "<!DOCTYPE html><html><head><title> A\n title </title></head><body><p>{}</p></body></html>"
PAGE = HTML.format("Some words of a page.").encode()


def _row(payload: bytes, kind: str = "response", **headers: str) -> dict:
    (row,) = read_rows("warc", warc_record(payload, kind, **headers), main_content=False)
    return row


def test_a_page() -> None:
    row = _row(http_response(PAGE))
    assert row["id"] == "s/f#0"
    assert row["text"] == "Some words of a page."
    assert row["url"] == "http://a.example/"
    assert row["dropped_by"] is None
    assert json.loads(row["metadata"]) == {"title": "A title", "date": "2024-01-01T00:00:00Z"}


def test_an_address_in_angle_brackets() -> None:
    assert _row(http_response(PAGE), WARC_Target_URI="<http://b.example/>")["url"] == (
        "http://b.example/"
    )


@pytest.mark.parametrize(
    ("kind", "payload", "dropped_by"),
    [
        ("request", b"GET / HTTP/1.1\r\n\r\n", "not_a_page"),
        ("revisit", http_response(PAGE), "not_a_page"),
        ("metadata", PAGE, "not_a_page"),
        ("conversion", b"T\ntext", "not_a_page"),
        ("response", http_response(PAGE, status="404 Not Found"), "http_status"),
        ("response", http_response(PAGE, status="301"), "http_status"),
        ("response", http_response(b"%PDF", "application/pdf"), "not_html"),
        ("response", http_response(b"{}", ""), "not_html"),
        ("response", http_response(PAGE, ""), None),
        ("response", http_response(PAGE, "Text/HTML;charset=utf-8"), None),
        ("response", http_response(PAGE, "application/xhtml+xml"), None),
        ("response", http_response(b" words ", "text/plain"), None),
        ("response", http_response(b" \n", "text/plain"), "empty"),
        ("response", http_response(b""), "empty"),
        ("response", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", "empty"),
        ("response", b"no status", "bad_http"),
        ("response", b"", "bad_http"),
        ("response", http_response(b"<p>" + b"x" * (1 << 22)), "html_too_large"),
    ],
)
def test_records_that_are_and_are_not_pages(kind, payload: bytes, dropped_by) -> None:
    (row,) = read_rows("warc", warc_record(payload, kind), max_record_bytes=1 << 24)
    assert row["dropped_by"] == dropped_by
    assert bool(row["text"]) == (dropped_by is None)


@pytest.mark.parametrize("main_content", [True, False])
@pytest.mark.parametrize("end", ["</body></html>", "<br></body></html>"])
def test_xhtml_is_read_as_xml_where_it_says_so(end: str, main_content: bool) -> None:
    page = (
        '<html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="a.js"/></head><body>'
        f"<p>Some words<![CDATA[, ]]>and more.</p><textarea/><p>The end.</p>{end}"
    ).encode()

    def text(mime: str) -> str:
        payload = warc_record(http_response(page, mime), "response")
        (row,) = read_rows("warc", payload, main_content=main_content)
        return row["text"]

    comma = ", " if end.startswith("</") else ""  # only XML has such sections
    assert text("application/xhtml+xml; charset=utf-8") == f"Some words{comma}and more.\n\nThe end."
    assert text("text/html") == ""  # all is the title


def test_resources() -> None:
    assert _row(PAGE, "resource", Content_Type="text/html")["text"] == "Some words of a page."
    assert _row(PAGE, "resource", Content_Type="text/plain")["dropped_by"] == "not_html"
    assert _row(b"1.2.3.4", Content_Type="text/dns")["dropped_by"] == "not_html"


def _chunked(body: bytes) -> bytes:
    pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
    return b"".join(b"%x;x=y\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(body) + compressor.flush()


ENCODINGS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "DEFLATE": _raw_deflate,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip, br": lambda body: brotli.compress(gzip.compress(body)),
    "identity": lambda body: body,
    "utf-8": lambda body: body,
}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings(encoding: str, chunked: bool) -> None:
    headers = f"Content-Encoding: {encoding}\r\n".encode()
    headers += b"Transfer-Encoding: chunked\r\n" if chunked else b""
    encoded = ENCODINGS[encoding](PAGE)
    body = _chunked(encoded) if chunked else encoded
    assert _row(http_response(body, headers=headers))["text"] == "Some words of a page."
    # Crawlers decode bodies, but leave the headers that name the encoding.
    assert _row(http_response(PAGE, headers=headers))["text"] == "Some words of a page."


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_damaged_encodings_give_what_they_have(encoding: str) -> None:
    words = " ".join(str(i * 7919) for i in range(30_000))
    encoded = ENCODINGS[encoding](HTML.format(words).encode())
    headers = f"Content-Encoding: {encoding}\r\n".encode()
    row = _row(http_response(encoded[: len(encoded) * 2 // 3], headers=headers))
    assert row["dropped_by"] is None
    assert words.startswith(row["text"][:-10])
    assert len(row["text"]) > len(words) // 4


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_that_unpacks_to_much_is_too_large(encoding: str) -> None:
    body = ENCODINGS[encoding](b" " * 200_000_000)
    headers = f"Content-Encoding: {encoding}\r\n".encode()
    assert _row(http_response(body, headers=headers))["dropped_by"] == "html_too_large"


def test_a_broken_chunk_ends_the_body() -> None:
    body = _chunked(PAGE).removesuffix(b"0\r\n\r\n") + b"no size\r\n<p>more"
    row = _row(http_response(body, headers=b"Transfer-Encoding: chunked\r\n"))
    assert row["text"] == "Some words of a page."


def test_the_page_names_its_charset() -> None:
    head = '<meta http-equiv="Content-Type" content="text/html; charset=windows-1253">'
    row = _row(http_response((head + "<p>καλημέρα").encode("cp1253")))
    assert row["text"] == "καλημέρα"
    assert "encoding_guessed" not in json.loads(row["metadata"])


def test_a_guess_is_told() -> None:
    text = "Grüße aus Köln, schöne Straße und große Öfen."
    row = _row(http_response(f"<p>{text}".encode("latin-1")))
    assert row["text"] == text
    assert json.loads(row["metadata"])["encoding_guessed"] is True


def test_a_page_that_was_encoded_twice_is_mended() -> None:
    text = "Příliš žluťoučký kůň úpěl ďábelské ódy"
    row = _row(http_response(f"<p>{text}".encode().decode("latin-1").encode()))
    assert row["text"] == text
    assert json.loads(row["metadata"])["encoding_guessed"] is True


def test_a_page_in_wrong_letters_is_set_aside() -> None:
    text = "Это русский текст о том, как ловили рыбу на Волге".encode("cp1251").decode("latin-1")
    row = _row(http_response(f"<title>A title</title><p>{text}".encode()))
    assert row["dropped_by"] == "mojibake"
    assert json.loads(row["metadata"])["title"] == "A title"
    assert row["text"] == ""


PDF = b"%PDF-1.4\n1 0 obj <</Length 9>> stream\n"


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "", "html"])
@pytest.mark.parametrize(
    ("body", "found"),
    [
        (PDF, "application/pdf"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
        (gzip.compress(PAGE), "application/gzip"),
        (gzip.compress(gzip.compress(PAGE)), "application/gzip"),
        (brotli.compress(" ".join(map(str, range(900))).encode()), "application/octet-stream"),
    ],
)
def test_what_is_no_text_is_no_page(body: bytes, found: str, content_type: str) -> None:
    row = _row(http_response(body, content_type))
    assert row["dropped_by"] == "not_html"
    assert json.loads(row["metadata"])["found"] == found


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html charset=utf-8",
        "text/html, text/html",
        "*/*, text/html",
        "text/plain\r\nContent-Type: text/html",
        "nonsense\r\nContent-Type: text/html",
        "application/json\r\ncontent-type: html\r\nCONTENT-TYPE: text/html; charset=utf-8",
        "html",
    ],
)
def test_types_as_browsers_read_them(content_type: str) -> None:
    assert _row(http_response(PAGE, content_type))["text"] == "Some words of a page."


def test_the_last_type_counts() -> None:
    several = "text/html\r\nContent-Type: application/json"
    assert _row(http_response(PAGE, several))["dropped_by"] == "not_html"
    several = "text/html; charset=gbk\r\nContent-Type: text/html; charset=big5"
    page = "<p>他在這裏恒心練習".encode("big5hkscs")
    assert _row(http_response(page, several))["text"] == "他在這裏恒心練習"


def test_encodings_of_several_headers_are_undone_in_order() -> None:
    headers = b"Content-Encoding: gzip\r\nServer: x\r\nContent-Encoding: br\r\n"
    body = brotli.compress(gzip.compress(PAGE))
    assert _row(http_response(body, headers=headers))["text"] == "Some words of a page."
    assert _row(http_response(gzip.compress(PAGE), headers=headers * 2))["text"]
    headers += b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"
    assert _row(http_response(_chunked(body), headers=headers))["text"] == "Some words of a page."
    headers = b"Transfer-Encoding: gzip, chunked\r\nContent-Encoding: br\r\n"
    body = _chunked(gzip.compress(brotli.compress(PAGE)))
    assert _row(http_response(body, headers=headers))["text"] == "Some words of a page."


def test_xhtml_says_its_charset_in_its_declaration() -> None:
    page = "<?xml version='1.0' encoding='koi8-r'?><html><meta charset='big5'/><p>привет</p></html>"
    row = _row(http_response(page.encode("koi8-r"), "application/xhtml+xml"))
    assert row["text"] == "привет"


def test_pages_nested_deeply_are_errors_and_take_linear_time() -> None:
    def read(levels: int) -> None:
        payload = http_response(b"<div>" * levels + b"x")
        (row,) = read_rows("warc", warc_record(payload, "response"), main_content=True)
        assert row["dropped_by"] == "html_error"
        assert "within each other" in json.loads(row["metadata"])["error"]

    assert_linear(read, 5_000)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["<div>", "</p>", "<table><td>", "<title>", "<!--", "&#0;", "&#xD800;", "\0", "<"]
            ),
            st.text(max_size=10),
        ),
        max_size=30,
    ),
    st.booleans(),
)
def test_any_html_makes_a_row(pieces: list[str], main_content: bool) -> None:
    body = "".join(pieces).encode("utf-8", "surrogatepass")
    payload = http_response(body)
    (row,) = read_rows("warc", warc_record(payload, "response"), main_content=main_content)
    assert row["dropped_by"] in (None, "empty", "html_error", "mojibake", "not_html")


def _records(raw: bytes) -> list[Record]:
    events = archive_records(io.BytesIO(raw), max_record_bytes=1 << 26)
    return [event for event in events if isinstance(event, Record)]


@pytest.mark.slow
def test_every_real_page_has_the_words_of_its_wet_record(shared_data) -> None:
    """The WET files were made from the same pages, a few of them in the wrong charset.

    They lack all that stands in figures, so of pages with one they are a part. One page was encoded
    twice before it was published, and is so in the WET file.
    """
    pages = with_figures = others = mended = 0
    for path in files_under(shared_data / "commoncrawl" / "warc"):
        raw = path.read_bytes()
        wet = path.parent.parent / "wet" / path.name.replace(".gz", ".wet.gz")
        expected = {
            record.headers.get("warc-refers-to"): record.payload.decode()
            for record in _records(wet.read_bytes())
        }
        rows = read_rows("warc", raw, main_content=False, max_record_bytes=1 << 26)
        for row, record in zip(rows, _records(raw), strict=True):
            if record.headers["warc-type"] != "response":
                assert row["dropped_by"] == "not_a_page"
                continue
            pages += 1
            text = expected.get(record.headers["warc-record-id"])
            assert row["dropped_by"] == ("empty" if text is None else None)
            if text is None:
                continue
            found = row["text"]
            if b"<figure" in record.payload.lower():
                with_figures += 1
                found = common_words(found, text)
            is_mended = "encoding_guessed" in (row["metadata"] or "")
            mended += is_mended
            others += word_f1(found, text) < 0.97 and not is_mended
    assert pages == 1_749
    assert with_figures < pages // 4
    assert mended == 1
    assert others <= 7


@pytest.mark.slow
def test_main_text_agrees_with_what_readability_expects(shared_data) -> None:
    """The measure is word-level F1 against each page's expected main text, on average."""
    folder = shared_data / "commoncrawl" / "warc"
    expected = {}
    with tarfile.open(folder / "readability.expected.tar.gz") as tar:
        for member in tar:
            if member.name.endswith("expected.html"):
                html = tar.extractfile(member).read().decode()
                expected[member.name.split("/")[0]] = html_page(html, main_content=False).text
    raw = (folder / "readability.warc.gz").read_bytes()
    mean = {}
    ways = {
        "main": {"main_content": True},
        "all": {"main_content": False},
        "trafilatura": {"main_content": True, "extractor": "trafilatura"},
    }
    for way, parameters in ways.items():
        rows = read_rows("warc", raw, max_record_bytes=1 << 26, **parameters)
        scores = [
            word_f1(row["text"], expected[record.headers["x-wrapped-from"].split("/")[-2]])
            for row, record in zip(rows, _records(raw), strict=True)
            if "x-wrapped-from" in record.headers
        ]
        assert len(scores) == 129
        mean[way] = sum(scores) / len(scores)
    assert mean["main"] > 0.93
    assert mean["trafilatura"] > 0.88
    assert mean["all"] < mean["main"] - 0.1


TRAFILATURA = {"main_content": True, "extractor": "trafilatura"}
SENTENCES = "The lighthouse keeper wrote down the weather of every night he served. " * 8


def test_trafilatura_finds_the_article() -> None:
    html = f"""<html><head><title>Log</title></head><body><nav><a href="/">Home</a></nav>
    <article><p>{SENTENCES}</p></article><footer>All rights reserved</footer></body></html>"""
    payload = http_response(html.encode())
    (row,) = read_rows("warc", warc_record(payload, "response"), **TRAFILATURA)
    assert row["text"].split() == SENTENCES.split()
    assert json.loads(row["metadata"])["title"] == "Log"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("<div>" * 1_200, "within each other"),
        ("<p>" + "<a href=x>link</a> " * 20_000, "side by side"),
        ("<div><p>a</p></div>" * 30_000, "elements"),
        ("<div " + " ".join(f"a{i}=1" for i in range(20_000)) + ">", "attributes"),
    ],
)
def test_pages_that_would_take_trafilatura_too_long_are_errors(body: str, error: str) -> None:
    payload = http_response(f"<html><body>{body}".encode())
    (row,) = read_rows("warc", warc_record(payload, "response"), **TRAFILATURA)
    assert row["dropped_by"] == "html_error"
    assert error in json.loads(row["metadata"])["error"]


def test_an_extractor_that_cannot_work_is_a_mistake_in_the_recipe(monkeypatch) -> None:
    with pytest.raises(ValueError, match="set main_content to true"):
        check_extractor(main_content=False, extractor="trafilatura")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install '\.\[trafilatura\]'"):
        check_extractor(main_content=True, extractor="trafilatura")
    check_extractor(main_content=False)

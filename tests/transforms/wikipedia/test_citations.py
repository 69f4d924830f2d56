"""Cited urls: by hand, in any text, and in real dumps compared with a plain pattern."""

from __future__ import annotations

import bz2
import html
import re
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.documents import FilePath, documents
from transforms.wikipedia.citations import cited_urls, keep_cited


@pytest.mark.parametrize(
    ("wikitext", "expected"),
    [
        ("<ref>http://a.org/x</ref>", {"http://a.org/x"}),
        ("<ref name=a>[http://A.org/X y]</ref>", {"http://a.org/X"}),
        ("<REF>{{cite web|url=https://a.org/x|title=t}}</REF>", {"https://a.org/x"}),
        ("<ref>see http://a.org/x, p. 3</ref>", {"http://a.org/x"}),
        ("<ref>(http://a.org/x).</ref>", {"http://a.org/x"}),
        ("<ref>http://a.org/x_(y)</ref>", {"http://a.org/x_(y)"}),
        ("<ref>''[http://a.org/x]'' http://b.org''z''</ref>", {"http://a.org/x", "http://b.org"}),
        ("<ref>http://a.org/x#part</ref>", {"http://a.org/x"}),
        ("<ref>http://a.org/?b=1&amp;section=2&section=3</ref>",
         {"http://a.org/?b=1&section=2&section=3"}),
        # external links that are not citations
        ("[http://a.org/x y] http://b.org/", set()),
        ("{{Infobox|url=http://a.org/}}", set()),
        ("==External links==\n* [http://a.org/ A]", set()),
        ('<ref name="a" /> http://a.org/', set()),
        ("<ref><!-- http://a.org/ --></ref>", set()),
        ("<ref>http://localhost/x ftp://a.org/ http://</ref>", set()),
        ("<references>http://a.org/</references>", set()),
        # citation templates outside of references, nested ones within
        ("* {{cite book\n | url = http://a.org/x\n}}", {"http://a.org/x"}),
        ("{{Citation|title={{lang|fr|t}}|url=http://a.org/x}} http://b.org/", {"http://a.org/x"}),
        ("{{citizen|url=http://a.org/x}}", set()),
        # a reference without an end: it ends with the section, or where the next begins
        ("<ref>http://a.org/x\n==Next==\nhttp://b.org/</ref>", set()),
        ("<ref>http://a.org/x <ref>http://b.org/</ref>", {"http://b.org/"}),
        ("{{cite web|url=http://a.org/x\n== Next ==\nhttp://b.org/", {"http://a.org/x"}),
        # copies in archives
        ("<ref>{{cite web|url=http://a.org/x"
         "|archive-url=https://web.archive.org/web/20100101000000/http://A.org/x}}</ref>",
         {"http://a.org/x"}),
        ("<ref>https://web.archive.org/web/2010id_/http://a.org/x</ref>", {"http://a.org/x"}),
        ("<ref>http://archive.today/2012.12.13-012345/http://a.org/x</ref>", {"http://a.org/x"}),
        ("<ref>https://wayback.archive-it.org/all/20080816140547/http://a.org/x</ref>",
         {"http://a.org/x"}),
        ("<ref>http://www.webcitation.org/query?url=http%3A%2F%2Fa.org%2Fx&date=2010</ref>",
         {"http://a.org/x"}),
        ("<ref>http://www.webcitation.org/5abc http://archive.is/Ab3</ref>", set()),
    ],
)  # fmt: skip
def test_by_hand(wikitext: str, expected: set[str]) -> None:
    assert cited_urls(wikitext, "en") == expected


def test_templates_of_other_languages() -> None:
    wikitext = "{{Internetquelle|url=http://a.org/x}} {{Lien web|url=http://b.org/y}}"
    assert cited_urls(wikitext, "de") == {"http://a.org/x"}
    assert cited_urls(wikitext, "fr") == {"http://b.org/y"}


_PARTS = st.sampled_from(
    ["<ref>", "</ref>", "<ref/>", "{{cite", "{{", "}}", "|url=", "http://", "a.org", "/", "[", "]",
     "&#xD800;", "<!--", "-->", "http://[", "://web.archive.org/web/2010/", " ", "\n=="]
)  # fmt: skip


@given(st.lists(st.one_of(_PARTS, st.text(max_size=3))).map("".join))
def test_any_text_gives_whole_addresses(wikitext: str) -> None:
    for url in cited_urls(wikitext, None):
        assert urlsplit(url).hostname and not re.search(r"\s", url)
        assert url.encode().decode() == url


def test_real_dumps_against_a_plain_pattern(shared_data: Path) -> None:
    """Every plain ``url=`` of a reference is found, and every url found is in the article."""
    path = shared_data / "wikipedia" / "enwiki-minidump-pages-articles.xml.bz2"
    dump = html.unescape(bz2.decompress(path.read_bytes()).decode())
    expected, n_found = set(), 0
    for page in re.findall(r"<text[^>]*>(.*?)</text>", dump, re.DOTALL):
        page = re.sub(r"<!--.*?-->", "", page, flags=re.DOTALL)
        found = cited_urls(page, "en")
        n_found += len(found)
        for reference in re.findall(r"<ref\b[^<>/]*>([^<>]*)</ref>", page):
            expected |= {
                url.partition("#")[0].partition("''")[0].rstrip("?")
                for url in re.findall(r"\|\s*url\s*=\s*(http://[^\s|{}\[\]\"]+)", reference)
                if "archive" not in url and url.partition("/")[2].islower() and "&" not in url
            } - found
        lower = page.lower()
        assert all(urlsplit(url).netloc in lower for url in found)
    assert not expected
    assert n_found > 300


def test_keep_cited_compares_pages(tmp_path: Path) -> None:
    listed = tmp_path / "urls.txt"
    listed.write_text("http://a.org/x\nhttps://b.org/Y/\n")
    urls = ["https://A.org/x#top", "http://b.org/Y", "http://b.org/y", "http://a.org/", None]
    batch = documents(list("abcde"), ["text"] * 5, urls=urls)
    kept = keep_cited(batch, urls=FilePath(str(listed)))
    assert kept["dropped_by"].to_pylist() == [None, None, *["not_cited"] * 3]
    assert isinstance(kept, pa.RecordBatch)

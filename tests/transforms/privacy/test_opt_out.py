"""Opt-out lists: their entries, and the documents that they name."""

from __future__ import annotations

import pyarrow as pa
import pytest

from transforms.documents import documents
from transforms.privacy.opt_out import UnmatchedEntries, opt_out, parse_opt_out

IDS = ["web/a.gz#1", "web/a.gz#2", "web/a.gz#3", "web/b.gz#1", "web/b.gz#2", "web/b.gz#3"]
URLS = [
    "https://example.org/page?q=1#top",
    "http://www.example.org/other",
    "https://notexample.org/",
    None,
    "HTTPS://Shop.Example.COM:443/a/",
    "https://b\u00fccher.example/",
]


def left_out(entries: str) -> list[int]:
    batch = opt_out(documents(IDS, ["x"] * len(IDS), urls=URLS), parse_opt_out(entries.encode()))
    assert batch["dropped_by"].drop_null().unique().to_pylist() in ([], ["opted_out"])
    return [i for i, reason in enumerate(batch["dropped_by"].to_pylist()) if reason]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ("", []),
        ("# example.org\n\n  \n", []),
        ("web/a.gz#2\nweb/b.gz#1", [1, 3]),
        ("web/a.gz#20", []),
        ("example.org", [0, 1]),
        ("www.example.org.\r\n", [1]),
        ("Example.Org", [0, 1]),
        ("org", None),
        ("http://example.org/page?q=1", [0]),
        ("https://example.org/page", []),
        ("http://shop.example.com/a", [4]),
        ("https://example.org/page?q=1#section", [0]),
        ("xn--bcher-kva.example", [5]),
        ("b\u00fccher.example", [5]),
        ("\ufeffweb/a.gz#1", [0]),
        ("*.example.org", [0, 1]),
        (".www.example.org", [1]),
        ("https://example.org/x/../p%61ge?q=1", [0]),
    ],
)
def test_ids_urls_and_domains(entries, expected):
    if expected is None:
        with pytest.raises(ValueError, match=r"line 1: 'org' is neither"):
            parse_opt_out(entries.encode())
    else:
        assert left_out(entries) == expected


def test_documents_without_any_url_and_empty_batches():
    entries = parse_opt_out(b"example.org\nhttps://example.org/\nweb/a.gz#1\n")
    assert opt_out(documents(IDS, ["x"] * len(IDS)), entries)["dropped_by"].null_count == 5
    assert opt_out(documents([], []), entries).num_rows == 0
    nulls = pa.nulls(2, pa.string())
    assert entries.matches(pa.array(["web/a.gz#1", "b"]), nulls).tolist() == [True, False]


def test_mistakes_name_their_line():
    with pytest.raises(ValueError, match=r"line 3: 'no such thing'"):
        parse_opt_out(b"example.org\n# fine\nno such thing\n")
    with pytest.raises(ValueError, match=r"line 2: '\*shop.test'.*; shop.test covers itself"):
        parse_opt_out(b"example.org\n*shop.test\n")
    for entry in (b"https://*.shop.test/", b"https://shop.test/*"):
        with pytest.raises(ValueError, match=r"line 1: .* can match no document; shop.test covers"):
            parse_opt_out(entry)
    with pytest.raises(ValueError, match="not UTF-8"):
        parse_opt_out(b"example.org\n\xff\n")


def test_one_list_covers_another():
    few, more = parse_opt_out(b"a.org\nx/y#1"), parse_opt_out(b"x/y#1\nb.org\na.org")
    assert more.covers(few) and not few.covers(more) and few.covers(parse_opt_out(b""))


def test_entries_that_matched_nothing_are_known():
    data = b"# a list\nnone.test\nexample.org\nhttps://shop.example.com/%61\nhttps://a.test/b\n"
    data += b"web/a.gz#2\nweb/a.gz#9\nexample.com\nb\xc3\xbccher.example\nnone.test\n"
    unmatched = UnmatchedEntries(data)
    assert unmatched.n_entries == 9 and len(unmatched.entries()) == 9
    unmatched.see(pa.array(IDS[:4]), pa.array(URLS[:4], pa.string()))
    unmatched.see(pa.array(IDS[4:]), pa.array(URLS[4:], pa.string()))
    assert unmatched.entries() == ["web/a.gz#9", "https://a.test/b", "none.test", "none.test"]

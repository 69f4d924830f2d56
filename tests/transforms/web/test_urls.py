"""Hosts and pages of urls, compared with the standard library's parser where it applies."""

from __future__ import annotations

from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.kernels.key_sets import in_key_set, key_set
from transforms.web.urls import (
    domain_in,
    domains_of,
    hosts_of,
    in_domains,
    listed_pages_of,
    pages_of,
)


def host(url: str | None) -> str | None:
    return hosts_of(pa.array([url], pa.string()))[0].as_py()


def page(url: str | None) -> str | None:
    return pages_of(pa.array([url], pa.string()))[0].as_py()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Example.ORG/a", "example.org"),
        ("http://user:p%40ss@www.example.org:8080/", "www.example.org"),
        ("http://example.org.:80", "example.org"),
        ("//cdn.example.org/x", "cdn.example.org"),
        ("example.org/path", "example.org"),
        ("https://BÜCHER.de/", "xn--bcher-kva.de"),
        ("https://xn--bcher-kva.de/", "xn--bcher-kva.de"),
        ("https://xn--bcher-kva。de/", "xn--bcher-kva.de"),
        ("http://ex%61mple.org/", "example.org"),
        ("http://foo_bar.bücher.de", "foo_bar.xn--bcher-kva.de"),
        ("http://[2001:DB8::1]:80/x", "[2001:db8::1]"),
        ("http://127.0.0.1:8000", "127.0.0.1"),
        ("http://localhost/x", "localhost"),
        (r"http://example.org\evil", "example.org"),
        ("urn:isbn:0451450523", None),
        ("about:blank", None),
        ("localhost", None),
        ("http:///x", None),
        ("", None),
        (None, None),
    ],
)
def test_the_host_of_an_url(url: str | None, expected: str | None) -> None:
    assert host(url) == expected


LABEL = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,10}[A-Za-z0-9])?", fullmatch=True)
HOST = st.lists(LABEL, min_size=2, max_size=4).map(".".join)
PATH = st.from_regex(r"(/[A-Za-z0-9_.~%@:-]*){0,3}(\?[a-z=&/@:]*)?(#[a-z/?@:]*)?", fullmatch=True)


@settings(deadline=None)
@given(
    st.sampled_from(["http", "HTTPS", "ftp"]),
    st.sampled_from(["", "user@", "user:pass@"]),
    HOST,
    st.sampled_from(["", ":80", ":8080"]),
    PATH,
)
def test_hosts_are_those_of_the_standard_library(
    scheme: str, user: str, name: str, port: str, path: str
) -> None:
    url = f"{scheme}://{user}{name}{port}{path}"
    assert host(url) == urlsplit(url).hostname


@settings(deadline=None)
@given(st.lists(st.none() | st.text()))
def test_any_text_is_a_host_or_none(urls: list[str | None]) -> None:
    column = pa.array(urls, pa.string())
    for found in (hosts_of(column), pages_of(column)):
        found.validate(full=True)
        assert len(found) == len(urls)
    in_domains(hosts_of(column), key_set(pa.array(["example.org"])))


@pytest.mark.parametrize(
    "same",
    [
        [
            "http://Example.org/a/",
            "https://example.org/a#top",
            "example.org/a",
            "//u@example.org/a",
        ],
        ["http://example.org", "https://example.org:443/", "http://example.org:80#x"],
        ["http://a.test/caf\u00e9", "http://a.test/caf%C3%A9", "http://a.test/caf%c3%A9/"],
        ["http://a.test/~me", "http://a.test/%7Eme", "http://a.test/%7em%65"],
        ["http://a.test/x%2Fy", "http://a.test/x%2fy"],
        ["http://a.test?q=1", "http://a.test/?q=1", "http://a.test/?q=%31#top"],
        ["http://a.test/c", "http://a.test/b/../c", "http://a.test/./c", "http://a.test/%2e%2E/c"],
        ["http://a.test", "http://a.test/b/..", "http://a.test/.", "http://a.test/../../"],
        ["http://a.test/b/", "http://a.test/b/.", "http://a.test/b/c/d/../.."],
        ["http://a.test/x y", "http://a.test/x%20y"],
        ['http://a.test/?q="a|b"', "http://a.test/?q=%22a%7Cb%22"],
        ["http://a.test/a/b", r"http://a.test\a\b"],
    ],
)
def test_pages_are_compared_without_what_does_not_name_them(same: list[str]) -> None:
    assert len(set(map(page, same))) == 1


def test_other_paths_queries_and_ports_are_other_pages() -> None:
    base = "http://example.org"
    urls = [base, f"{base}/a", f"{base}/A", f"{base}/a?q=1", f"{base}:8080/a", f"{base}/a?q=2"]
    urls += [f"{base}/a%2Fb", f"{base}/a/b", f"{base}/a%3Fq=1", f"{base}/a%", f"{base}/a%25"]
    urls += [f"{base}/...", f"{base}/a?q=../b", f"{base}/b", f"{base}/a//b", f"{base}/.a"]
    assert len(set(map(page, urls))) == len(urls)


def test_a_domain_holds_itself_and_what_is_below() -> None:
    domains = key_set(
        domains_of(pa.array(["Example.org", "*.blog.test", ".xn--bcher-kva.de", "xxx"]))
    )
    hosts = hosts_of(
        pa.array(
            ["http://example.org", "http://a.b.example.org", "http://blog.test", "http://bücher.de",
             "http://site.xxx/", "http://notexample.org", "http://org", "http://example.org.test",
             "http://xxx.test", None]
        )
    )  # fmt: skip
    assert in_domains(hosts, domains).tolist() == [True] * 5 + [False] * 5


def test_entries_that_are_no_domain_are_null() -> None:
    entries = pa.array(["0.0.0.0 ads.test", "http://ok.test/x", "a,b", "#", "?"])
    assert domains_of(entries).to_pylist() == [None, "ok.test", "a,b", None, None]


@pytest.mark.parametrize(
    ("entry", "meant"),
    [
        ("||ads.test^", "ads.test"),
        ("*ads.test", "ads.test"),
        ("ads.*", None),
        ("a..test", None),
        ("http://*.ads.test/x", "ads.test"),
        ("*.", None),
        ("@@||Ads.test^$third-party", "ads.test"),
    ],
)
def test_entries_that_can_never_match_are_null(entry: str, meant: str | None) -> None:
    assert domains_of(pa.array([entry])).to_pylist() == [None]
    assert domain_in(entry) == meant


def test_urls_of_a_list_name_one_page() -> None:
    entries = ["http://a.test/*", "*.a.test/x", "http://*.a.test/", "||a.test/x", "a.test/b*c"]
    assert listed_pages_of(pa.array(entries)).to_pylist() == [None] * 4 + ["a.test/b*c"]
    assert listed_pages_of(pa.array(["http://[::1]/x"])).to_pylist() == ["[::1]/x"]


@settings(deadline=None)
@given(st.text(max_size=30))
def test_the_normal_form_of_a_page_is_its_own(rest: str) -> None:
    once = page(f"http://a.test/{rest}")
    assert once is not None and page(f"http://{once}") == once


@pytest.mark.slow
@settings(deadline=None)
@given(st.sets(HOST, max_size=30), st.lists(HOST, max_size=30))
def test_membership_is_that_of_python(blocked: set[str], others: list[str]) -> None:
    blocked = {name.lower() for name in blocked}
    names = [*blocked, *others, *(f"www.{name}" for name in blocked)]
    hosts = hosts_of(pa.array([f"http://{name}/" for name in names], pa.string()))
    keys = key_set(pa.array(sorted(blocked), pa.string()))
    lowered = hosts.to_pylist()
    parents = [{name.split(".", i)[-1] for i in range(name.count(".") + 1)} for name in lowered]
    assert in_domains(hosts, keys).tolist() == [bool(p & blocked) for p in parents]
    assert in_key_set(hosts, keys).tolist() == [name in blocked for name in lowered]
    assert np.array_equal(keys, np.sort(keys))

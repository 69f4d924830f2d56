"""The url filter: its lists, the forms of their files, and errors for bad files."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.documents import documents
from transforms.web.url_filter import filter_urls


def reasons(urls: list[str | None], **lists: object) -> list[str | None]:
    """Return the reasons for which urls are dropped. Lists that are not given are empty."""
    batch = documents([f"s/f#{i}" for i in range(len(urls))], ["text"] * len(urls), urls=urls)
    names = "blocked_domains", "blocked_urls", "blocked_words", "blocked_subwords", "soft_words"
    empty: dict[str, object] = {name: [] for name in names}
    after = filter_urls(batch, **{**empty, "min_soft_words": 2, **lists})
    assert after.drop_columns("dropped_by") == batch.drop_columns("dropped_by")
    return after["dropped_by"].to_pylist()


@pytest.fixture
def written(tmp_path: Path):
    def write(*lines: str) -> list[str]:
        path = tmp_path / f"list{len(list(tmp_path.iterdir()))}"
        path.write_text("\n".join(lines) + "\n")
        return [str(path)]

    return write


def test_domains_with_all_below_them(written) -> None:
    lists = written("# of adult sites", "bad.test", "www.worse.test  # a host", "", "*.any.test")
    urls = ["http://bad.test/", "https://A.bad.test:8443/x", "http://www.worse.test",
            "http://worse.test", "http://notbad.test", "http://any.test/x", None]  # fmt: skip
    blocked = "blocked_domain"
    expected = [blocked, blocked, blocked, None, None, blocked, None]
    assert reasons(urls, blocked_domains=lists) == expected


def test_urls_apart_from_scheme_fragment_and_slash(written) -> None:
    lists = written("host.test/~user", "https://host.test/page?id=1")
    urls = ["http://host.test/~user/", "https://HOST.test/~user#x", "http://host.test/~user/more",
            "http://host.test/page?id=1", "http://host.test/page?id=2",
            "http://host.test/page"]  # fmt: skip
    blocked = "blocked_url"
    expected = [blocked, blocked, None, blocked, None, None]
    assert reasons(urls, blocked_urls=lists) == expected


def test_words_are_whole_and_subwords_are_not(written) -> None:
    urls = ["http://a.test/Poker-game", "http://a.test/pokergame", "http://a.test/po-ker", None]
    words = reasons(urls, blocked_words=written("poker"))
    assert words == ["blocked_url_word", None, None, None]
    subwords = reasons(urls, blocked_subwords=written("poker", "rouge"))
    assert subwords == ["blocked_url_word"] * 3 + [None]


def test_soft_words_count_once_each(written) -> None:
    lists = written("game", "free", "mature")
    urls = ["http://a.test/free-game", "http://a.test/free/free/free", "http://mature.test/game"]
    assert reasons(urls, soft_words=lists) == ["blocked_url_word", None, "blocked_url_word"]
    assert reasons(urls, soft_words=lists, min_soft_words=1) == ["blocked_url_word"] * 3
    with pytest.raises(ValueError, match="min_soft_words: expected a number above 0"):
        reasons(urls, soft_words=lists, min_soft_words=0)


def test_the_first_reason_stays_and_several_lists_add_up(written) -> None:
    one, other = written("one.test"), written("other.test")
    urls = ["http://one.test/poker", "http://other.test", "http://third.test/poker"]
    found = reasons(urls, blocked_domains=one + other, blocked_words=written("poker"))
    assert found == ["blocked_domain", "blocked_domain", "blocked_url_word"]


WORD = st.from_regex("[a-z0-9]{1,4}", fullmatch=True)
URL = st.lists(st.sampled_from(["a", "bad", "Game", "x1", "-", "/", "%20", "é"]), max_size=12).map(
    lambda pieces: "http://h.test/" + "".join(pieces)
)


@settings(deadline=None, max_examples=50)
@given(st.lists(URL, max_size=8), st.sets(WORD, min_size=1, max_size=6))
def test_words_are_those_of_a_plain_implementation(
    tmp_path_factory, urls: list[str], words: set[str]
) -> None:
    path = tmp_path_factory.mktemp("lists") / "words"
    path.write_text("\n".join(words))
    split = [set(re.split("[^a-z0-9]+", url.lower())) for url in urls]
    joined = [re.sub("[^a-z0-9]+", "", url.lower()) for url in urls]
    hard = [bool(words & of_url) for of_url in split]
    soft = [len(words & of_url) >= 2 for of_url in split]
    parts = [any(word in url for word in words) for url in joined]
    for parameter, expected in (
        ("blocked_words", hard), ("soft_words", soft), ("blocked_subwords", parts)
    ):  # fmt: skip
        found = reasons(list(urls), **{parameter: [str(path)]})
        assert [reason is not None for reason in found] == expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the list has no entries"),
        (b"# nothing\n\n", "the list has no entries"),
        (b"caf\xe9.test\n", "line 1: not UTF-8"),
        (gzip.compress(b"a.test\n" * 99, mtime=0)[:-9], "damaged gzip"),
        (b"a.test\n0.0.0.0 ads.test\n", "'0.0.0.0 ads.test' is no domain"),
        (b"a.test\n||ads.test^\n", r"'\|\|ads.test\^' is no domain.*'ads.test' covers itself"),
        (b"*ads.test\n", r"'\*ads.test' is no domain.*'ads.test' covers itself"),
    ],
)
def test_a_bad_list_is_one_line_that_names_the_file(tmp_path, data: bytes, message: str) -> None:
    path = tmp_path / "list"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as raised:
        reasons(["http://a.test"], blocked_domains=[str(path)])
    assert str(raised.value).startswith((f"{path}: ", f"{path}, line 1: "))
    assert "\n" not in str(raised.value)


def test_batches_without_urls_and_without_rows(written) -> None:
    lists = written("bad.test")
    names = "blocked_domains", "blocked_urls", "blocked_words", "blocked_subwords", "soft_words"
    everywhere = dict.fromkeys(names, lists)
    assert reasons([], **everywhere) == []
    assert reasons([None, ""], **everywhere) == [None, None]

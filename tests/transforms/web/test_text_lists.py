"""One rule for all lists: what counts as an entry, and which files are none."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from transforms.decontamination.evaluation_sets import read_items
from transforms.documents import documents
from transforms.privacy.opt_out import parse_opt_out
from transforms.web import text_lists
from transforms.web.c4_rules import check_c4_rules
from transforms.web.text_lists import check_list, lines_of_file, numbered_entries, read_list
from transforms.web.url_filter import check_filter_urls
from transforms.wikipedia.citations import keep_cited

NO_LISTS: dict[str, list[str]] = {
    "blocked_domains": [], "blocked_words": [], "blocked_subwords": [], "soft_words": [],
}  # fmt: skip


@pytest.fixture
def written(tmp_path: Path) -> Callable[[bytes], str]:
    def write(data: bytes) -> str:
        path = tmp_path / "list"
        path.write_bytes(data)
        return str(path)

    return write


@pytest.mark.parametrize(
    "data",
    [
        b"a.test\r\nb.test\r\n",
        b"\xef\xbb\xbfa.test\n\n  b.test  ",
        gzip.compress(b"a.test\n", mtime=0) + gzip.compress(b"# c\nb.test", mtime=0),
        b"#a\na.test\n\t # b\n#\nb.test",
    ],
)
def test_entries_with_any_line_ends_marks_and_comments(written, data: bytes) -> None:
    path = written(data)
    check_list(path)
    assert read_list(path).to_pylist() == ["a.test", "b.test"]
    assert [entry for _, entry in numbered_entries(data)] == ["a.test", "b.test"]


def test_a_mark_behind_the_begin_of_a_line_is_part_of_its_entry(written) -> None:
    data = b"books/Poems #2.epub#0\nhttp://a.test/#b\n# c\nc #\n"
    entries = ["books/Poems #2.epub#0", "http://a.test/#b", "c #"]
    assert read_list(written(data)).to_pylist() == entries
    assert list(numbered_entries(data)) == [(1, entries[0]), (2, entries[1]), (4, entries[2])]
    assert list(lines_of_file(written(data)))[2] == (3, "# c")


def test_a_character_may_be_cut_by_a_piece(written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lists, "_PIECE_BYTES", 1)
    assert read_list(written("é\nü\n".encode())).to_pylist() == ["é", "ü"]
    with pytest.raises(ValueError, match="list, line 3: not UTF-8: unexpected end of data"):
        read_list(written(b"a\nb\n\xc3"))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "list: the list has no entries"),
        (b"# nothing\n\n", "list: the list has no entries"),
        (b"fine\ncaf\xe9.test\n", "list, line 2: not UTF-8"),
        (gzip.compress(b"a.test\n" * 99, mtime=0)[:-9], "list: damaged gzip"),
    ],
)
def test_what_is_no_list_is_told_in_one_line(written, data: bytes, told: str) -> None:
    for read in (read_list, check_list):
        with pytest.raises(ValueError, match=told) as raised:
            read(written(data))
        assert "\n" not in str(raised.value)


def test_every_step_takes_its_lists_by_the_rule(written) -> None:
    packed = gzip.compress(b"\xef\xbb\xbf# the list\r\n\r\nhttp://a.test/page\r\n", mtime=0)
    path = written(packed)
    batch = documents(["1", "2"], ["x", "y"], urls=["https://a.test/page", "https://b.test/"])
    assert keep_cited(batch, urls=path)["dropped_by"].to_pylist() == [None, "not_cited"]
    check_filter_urls(**NO_LISTS, blocked_urls=[path], min_soft_words=1)
    check_c4_rules(bad_words=path)
    assert len(parse_opt_out(packed).urls) == 1
    # A text has no comments: an evaluation set's item may begin with any character.
    assert [item.text for item in read_items(path, ())] == ["# the list", "http://a.test/page"]

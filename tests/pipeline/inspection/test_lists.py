"""Lists of the browser: bounded looks at a run, whatever they are asked for."""

from __future__ import annotations

from collections import Counter

import pytest

from pipeline.inspection.browser import counts, listing, order
from pipeline.inspection.browser.asked import KEPT, Asked, parse
from pipeline.inspection.browser.counts import Count
from pipeline.inspection.browser.listing import BEGIN, Place
from pipeline.inspection.browser.opened import OpenedRun
from pipeline.inspection.document_rows import DamagedFileError, Filter, Range
from pipeline.output.layout import DROPPED, PARTS
from tests.support.plain.shards import plain_documents, plain_dropped


@pytest.fixture(scope="module")
def documents(demo_run):
    """All kept documents, in the order of a list."""
    names = [file.name for file in OpenedRun(str(demo_run)).files(parse({}))]
    found = plain_documents(demo_run)
    return sorted(found, key=lambda one: (names.index(one.shard), one.number))


@pytest.fixture
def opened(demo_run):
    return OpenedRun(str(demo_run))


def test_an_address_is_what_is_asked_for():
    asked = parse({"language": " en ", "min_chars": "9", "max_perplexity": "1e3", "sort": "-chars",
                   "reason": "", "other": "x"})  # fmt: skip
    assert asked.wanted == Filter(
        language="en", ranges=(Range("chars", 9, None), Range("perplexity", None, 1000))
    )
    assert (asked.sort, asked.descending, asked.part, asked.parts) == ("chars", True, KEPT, PARTS)
    assert parse(dict(asked.given)) == asked and hash(asked) is not None
    assert asked.address("/a", page=2) == (
        "/a?language=en&sort=-chars&min_chars=9&max_perplexity=1e3&page=2"
    )
    assert parse({"reason": "too_short"}).parts == (DROPPED,)
    assert parse({"text": "a", "sort": "chars"}) == parse({"text": "a"})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"part": "x"}, "no part 'x'"),
        ({"sort": "id"}, "cannot be sorted by 'id'"),
        ({"min_chars": "inf"}, "min_chars: 'inf' is no number"),
        ({"text": "a", "reason": "too_short"}, "texts of dropped documents are not kept"),
        ({"contains": "a" * 501}, "longer than 500"),
    ],
)
def test_mistakes_are_told_in_a_line(given, told):
    with pytest.raises(ValueError, match=told):
        parse(given)


def test_ranges_have_their_ends_and_no_documents_without_the_number(opened, documents):
    of = {one.row["id"]: one.row for one in documents}
    first = next(row for row in of.values() if row["perplexity"] is not None)
    for column in ("chars", "perplexity"):
        value = repr(first[column])
        expected = {name for name, row in of.items() if row[column] == first[column]}
        found = collected(opened, parse({f"min_{column}": value, f"max_{column}": value}))[0]
        assert set(found) == expected
    scored = {name for name, row in of.items() if row["perplexity"] is not None}
    assert set(collected(opened, parse({"min_perplexity": "0"}))[0]) == scored != set(of)


def collected(opened: OpenedRun, asked: Asked) -> tuple[list[str], int]:
    """Return the ids on all pages, and how many of these were cut short."""
    place: Place | None = BEGIN
    found, cut_short = [], 0
    while place is not None:
        page = opened.page(asked, place, before=False)
        found += [one["id"] for one in page.documents]
        cut_short += page.is_cut_short
        place = page.after
    return found, cut_short


def test_a_search_in_texts_stops_and_goes_on(opened, documents, monkeypatch):
    monkeypatch.setattr(listing, "MAX_SEARCHED_CHARS", 60_000)
    monkeypatch.setattr(listing, "SEARCHED_CHARS", 9_000)
    expected = [one.row["id"] for one in documents if "garden" in one.text]
    found, cut_short = collected(opened, parse({"text": "garden"}))
    assert found == expected and len(expected) > 3 and cut_short > 3


def test_what_is_next_to_a_document_is_found_both_ways(opened, documents, monkeypatch):
    monkeypatch.setattr(listing, "MAX_SCANNED_ROWS", 5)
    monkeypatch.setattr(listing, "SEARCHED_CHARS", 9_000)
    asked = parse({"text": "garden", "min_chars": "400"})
    expected = [
        one.row["id"] for one in documents if "garden" in one.text and one.row["chars"] >= 400
    ]
    files = [file.name for file in opened.files(asked)]

    def walked(place: Place | None, backwards: bool) -> list[str]:
        found = []
        while place is not None:
            document, reached = opened.beside(asked, place, backwards=backwards)
            place = reached
            if document is not None:
                found.append(document["id"])
                row = document["number"]
                place = Place(files.index(document["shard"]), row if backwards else row + 1)
        return found

    assert walked(BEGIN, False) == expected and len(expected) > 3
    assert walked(Place(len(files), 0), True) == expected[::-1]


def test_an_order_is_of_the_rows_that_were_looked_at(opened, documents, monkeypatch):
    asked = parse({"sort": "-token_count", "source": "commoncrawl"})
    mine = [one for one in documents if one.shard.startswith("commoncrawl/")]
    whole = opened.sorted_page(asked, BEGIN, 0)[1]
    ranked = sorted(mine, key=lambda one: -one.row["token_count"])
    names = [file.name for file in opened.files(asked)]
    assert [(names[f], r) for f, r in zip(whole.files.tolist(), whole.rows.tolist(), strict=True)
            ] == [(one.shard, one.number) for one in ranked] and whole.rest is None  # fmt: skip
    monkeypatch.setattr(order, "MAX_SORTED_ROWS", 1)
    place, seen = BEGIN, []
    while place is not None:
        documents_shown, part = OpenedRun(opened.output).sorted_page(asked, place, 0)
        sizes = [one["token_count"] for one in documents_shown]
        assert sizes == sorted(sizes, reverse=True)
        seen += list(zip(part.files.tolist(), part.rows.tolist(), strict=True))
        assert part.rest is None or part.rest > place
        place = part.rest
    assert sorted(seen) == [(names.index(one.shard), one.number) for one in mine]


def test_counts_say_how_far_they_looked(opened, demo_run, documents, monkeypatch):
    assert opened.count(parse({})) == Count(len(documents), len(documents), True)
    asked = parse({"reason": "too_short"})
    dropped = plain_dropped(demo_run)
    n_short = sum(row["reason"] == "too_short" for row in dropped)
    assert opened.count(asked) == Count(n_short, len(dropped), True)
    monkeypatch.setattr(counts, "MAX_COUNTED_ROWS", 1)
    bounded = OpenedRun(str(demo_run)).count(asked)
    assert not bounded.is_whole and 0 < bounded.rows < len(dropped)

    def damaged(*arguments):
        raise DamagedFileError("a file")

    monkeypatch.setattr(counts, "row_groups", damaged)
    assert OpenedRun(str(demo_run)).count(asked) is None
    assert OpenedRun(str(demo_run)).choices() == {"language": [], "bucket": []}


def test_values_to_choose_from_are_those_of_all_rows_of_a_small_run(opened, demo_run, documents):
    rows = [*(one.row for one in documents), *plain_dropped(demo_run)]
    for name, found in opened.choices().items():
        assert found == sorted({row[name] for row in rows} - {None}) and len(found) > 1


def test_random_documents_are_of_those_asked_for(opened, documents):
    asked = parse({"bucket": "head", "source": "commoncrawl"})
    mine = [one.row for one in documents if one.shard.startswith("commoncrawl/")]
    expected = {row["id"] for row in mine if row["bucket"] == "head"}
    drawn = Counter(opened.random(asked)["id"] for _ in range(30))
    assert set(drawn) <= expected and len(drawn) > 5
    assert len({opened.random(parse({}))["id"] for _ in range(30)}) > 20
    assert opened.random(parse({"language": "none such"})) is None


def test_lists_show_the_first_words_of_kept_documents_and_the_words_around_hits(opened, documents):
    of = {one.row["id"]: one.text for one in documents}
    for one in opened.page(parse({}), BEGIN, before=False).documents:
        words = " ".join(of[one["id"]].split())
        assert one["preview"] and words.startswith(one["preview"])
        assert len(one["preview"]) > 40 or words == one["preview"]
    for one in opened.page(parse({"text": "garden"}), BEGIN, before=False).documents:
        shown = one["snippet"]
        assert shown["found"] == "garden" and one["preview"] is None
        assert "".join(shown.values()) in of[one["id"]]
    for one in opened.page(parse({"part": "dropped"}), BEGIN, before=False).documents:
        assert one["preview"] is None and one["snippet"] is None

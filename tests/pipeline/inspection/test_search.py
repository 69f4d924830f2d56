"""Search, compared with decoding every document and looking for the phrase with ``in``."""

from __future__ import annotations

import json
import random
import re
from itertools import pairwise

import pytest

from pipeline.commands.main import main
from tests.support.plain.shards import plain_documents, tokenizer_of


@pytest.fixture(scope="module")
def documents(demo_run):
    return plain_documents(demo_run)


def found_by(capsys, output, *arguments):
    status = main(["search", str(output), *map(str, arguments), "--limit", "0", "--json"])
    found = json.loads(capsys.readouterr().out)["documents"]
    assert status == (0 if found else 1)
    return found


def check(found, documents, spans_of):
    """Compare hits with the spans that a plain function finds in each document."""
    expected = {
        (d.shard, d.number): (d.row["id"], len(spans), spans[0][0])
        for d in documents
        if (spans := spans_of(d))
    }
    assert {
        (h["shard"], h["number"]): (h["id"], h["hits"], h["position"]) for h in found
    } == expected
    assert len(found) == len(expected)
    texts = {(d.shard, d.number): d.text for d in documents}
    for hit in found:
        around = hit["before"] + hit["found"] + hit["after"]
        assert around in texts[hit["shard"], hit["number"]]


def spans_of_phrase(phrase):
    return lambda document: [m.span() for m in re.finditer(re.escape(phrase), document.text)]


def phrases(documents, n):
    """Return parts of texts, which begin and end anywhere in a token, and phrases of no text."""
    chosen = random.Random(5)
    for document in chosen.choices(documents, k=n):
        start = chosen.randrange(len(document.text))
        yield document.text[start : start + chosen.choice((1, 2, 5, 12, 40))]
    yield from ("zzzqqq", "\ufffd", "</s>", "<s>", "\u2581")


@pytest.mark.slow
def test_a_phrase_is_found_wherever_it_stands(demo_run, documents, capsys):
    for phrase in phrases(documents, 25):
        check(found_by(capsys, demo_run, phrase), documents, spans_of_phrase(phrase))


def test_no_phrase_is_found_across_two_documents(demo_run, documents, capsys):
    for first, second in pairwise(documents[:4]):
        for between in ("", " "):
            phrase = first.text[-8:] + between + second.text[:8]
            assert found_by(capsys, demo_run, phrase) == []


def test_the_space_that_the_model_puts_ahead_of_a_text_is_not_found(demo_run, documents, capsys):
    beginning = documents[5].text[:25]
    found = found_by(capsys, demo_run, f" {beginning}")
    assert documents[5].row["id"] not in {hit["id"] for hit in found}


@pytest.mark.parametrize(
    "pattern", [r"^\w+ \w+$", r"[A-Z]{3,}", r"(?i)the\s+garden", r"\d{4}-\d\d"]
)
def test_a_regular_expression(demo_run, documents, capsys, pattern):
    compiled = re.compile(pattern, re.MULTILINE)
    found = found_by(capsys, demo_run, pattern, "--regex")
    check(found, documents, lambda d: [m.span() for m in compiled.finditer(d.text)])


def test_upper_and_lower_case(demo_run, documents, capsys):
    compiled = re.compile("the garden", re.IGNORECASE)
    found = found_by(capsys, demo_run, "THE Garden", "--ignore_case")
    check(found, documents, lambda d: [m.span() for m in compiled.finditer(d.text)])
    assert len(found) > len(found_by(capsys, demo_run, "THE Garden"))


def spans_of_ids(wanted):
    def spans(document):
        ids = document.ids
        return [(i, 0) for i in range(len(ids)) if ids[i : i + len(wanted)] == wanted]

    return spans


def test_tokens_by_id_and_by_text(demo_run, documents, capsys):
    chosen = random.Random(6)
    for document in chosen.choices(documents, k=10):
        start = chosen.randrange(len(document.ids))
        wanted = document.ids[start : start + chosen.choice((1, 2, 4))]
        found = found_by(capsys, demo_run, "--tokens", ",".join(map(str, wanted)))
        check(found, documents, spans_of_ids(wanted))
    end = [documents[0].ids[-1], documents[1].ids[0]]  # last token of a document, first of the next
    assert found_by(capsys, demo_run, "--tokens", ",".join(map(str, end))) == []
    wanted = tokenizer_of(demo_run).encode("the garden")
    found = found_by(capsys, demo_run, "--tokens", "the garden")
    check(found, documents, spans_of_ids(wanted))
    assert all(hit["found"] == " the garden" for hit in found) and found


def test_source_and_limit(demo_run, documents, capsys):
    found = found_by(capsys, demo_run, "e", "--source", "github")
    check(found, [d for d in documents if d.shard.startswith("github/")], spans_of_phrase("e"))
    assert main(["search", str(demo_run), "e", "--limit", "3", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["documents"]) == 3 and answer["more"]


def test_chunks_of_a_shard_are_searched_as_the_whole(demo_run, documents, capsys, monkeypatch):
    monkeypatch.setattr("pipeline.inspection.search.DECODED_TOKENS", 700)
    check(found_by(capsys, demo_run, "the"), documents, spans_of_phrase("the"))
    wanted = documents[0].ids[3:5]
    found = found_by(capsys, demo_run, "--tokens", ",".join(map(str, wanted)))
    check(found, documents, spans_of_ids(wanted))


@pytest.mark.slow
def test_real_texts_in_many_scripts(samples_run, capsys):
    documents = plain_documents(samples_run)
    for phrase in (*phrases(documents, 2), "ение", "größte", "\n\n", "—"):
        check(found_by(capsys, samples_run, phrase), documents, spans_of_phrase(phrase))


@pytest.mark.parametrize(
    "arguments",
    [
        [""],
        ["", "--tokens"],
        ["(", "--regex"],
        ["--tokens", "1,99999999"],
        ["--tokens", "1", "--regex"],
        ["a", "--source", "nothing"],
        ["a", "--limit", "-1"],
    ],
)
def test_mistakes_are_told_in_one_line(demo_run, capsys, arguments):
    assert main(["search", str(demo_run), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1


def test_options_may_stand_anywhere(demo_run, capsys):
    printed = set()
    for place in range(3):
        arguments = [str(demo_run), "the g.rden"]
        arguments.insert(place, "--regex")
        assert main(["search", *arguments]) == 0
        printed.add(capsys.readouterr().out)
    assert len(printed) == 1


def test_what_is_printed_marks_the_hit_and_steers_no_terminal(demo_run, capsys):
    assert main(["search", str(demo_run), "the garden", "--limit", "1"]) == 0
    printed = capsys.readouterr().out
    assert "«" in printed
    assert re.search(r"^\w+/\S+#\S+$", printed, re.MULTILINE), "an id alone"
    from pipeline.tables import printable

    assert printable("a\x1b[2Jb\n\tc\x9b") == "a\u241b[2Jb\n\tc\ufffd"

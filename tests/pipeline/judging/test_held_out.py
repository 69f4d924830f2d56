"""Held-out texts: documents, passages, and the passages that training text shares."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
import sentencepiece

from pipeline.inspection.piece_table import piece_table
from pipeline.judging import overlap
from pipeline.judging.held_out import PASSAGE_CHARS, HeldOut, cut_passages, read_held_out
from pipeline.judging.overlap import N_GRAM_WORDS, PassageIndex
from tests.support.judged_runs import TOKENIZER, write_texts


def words(first: int, n: int) -> str:
    return " ".join(f"w{number}x" for number in range(first, first + n))


def test_passages_end_with_lines_or_words_and_lose_no_text():
    lines = [words(50 * i, 50) for i in range(40)]
    passages = cut_passages("\n".join(lines))
    assert "\n".join(passages) == "\n".join(lines)
    assert max(map(len, passages)) <= PASSAGE_CHARS
    in_one_line = cut_passages(words(0, 2000))
    assert "".join(in_one_line) == words(0, 2000)
    assert all(passage.endswith(" ") for passage in in_one_line[:-1])
    assert list(map(len, cut_passages("x" * 4500))) == [2000, 2000, 500]
    assert cut_passages(" \n \n") == []


def test_files_of_each_form(tmp_path):
    write_texts(tmp_path / "a.jsonl", [words(100 * i, 20) for i in range(12)])
    held_out = read_held_out("a", str(tmp_path / "a.jsonl"))
    assert (held_out.n_documents, held_out.unit_name) == (12, "documents")
    assert held_out.passages[3] == words(300, 20)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(words(0, 8000).encode()))
    few = read_held_out("b", str(tmp_path / "b.txt*"))
    assert (few.n_documents, few.unit_name) == (1, "passages")
    assert few.unit.tolist() == list(range(len(few.passages)))
    assert "".join(few.passages) == words(0, 8000)


def test_mistakes_are_told_in_a_line(tmp_path):
    (tmp_path / "short.txt").write_text("Not much.")
    (tmp_path / "latin.txt").write_bytes("Gr\u00fc\u00dfe".encode("latin-1"))
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(b"x" * 99)[:-9])
    (tmp_path / "other.jsonl").write_text('{"body": "x"}\n')
    for name, text in (
        ("nothing.txt", "there is no such file"),
        ("short.txt", "1 passages of up to 2000 characters"),
        ("latin.txt", "not text in UTF-8"),
        ("cut.txt.gz", "not text in UTF-8"),
        ("other.jsonl", "no line has one of the fields text"),
    ):
        with pytest.raises(ValueError, match=text) as caught:
            read_held_out("x", str(tmp_path / name))
        assert "\n" not in str(caught.value)


def test_units_are_numbered_without_gaps_after_a_removal():
    document = np.array([0, 0, 1, *range(2, 14)])
    held_out = HeldOut("x", list("abcdefghijklmno"), document)
    left = held_out.without(document == 1)
    assert left.unit.tolist() == [0, 0, *range(1, 13)]
    assert left.passages == list("abdefghijklmno")


@pytest.fixture
def table():
    return piece_table(TOKENIZER.read_bytes())


def encoded(*texts: str) -> list:
    processor = sentencepiece.SentencePieceProcessor(model_proto=TOKENIZER.read_bytes())
    return [np.array(processor.encode(text), np.uint16) for text in texts]


def test_passages_that_share_thirteen_words_are_found(table, monkeypatch):
    held_out = [
        HeldOut("a", [words(0, 40), words(100, 40), words(200, 5)], np.array([0, 1, 2])),
        HeldOut("b", [words(300, 13), words(0, 40)], np.array([0, 1])),
    ]
    index = PassageIndex(held_out)
    index.see(table, encoded("before " + words(100, N_GRAM_WORDS - 1) + " after", words(200, 5)))
    assert [removed.any() for removed in index.removed()] == [False, False]
    monkeypatch.setattr(overlap, "DECODED_TOKENS", 10)  # so that each document is a batch
    punctuated = "Before. " + words(20, N_GRAM_WORDS).upper().replace(" ", ", ")
    index.see(table, encoded("nothing", punctuated, "nothing", words(299, 14)))
    assert [removed.tolist() for removed in index.removed()] == [
        [True, False, False],
        [True, True],
    ]


def test_words_that_go_on_in_the_next_document_are_not_shared(table):
    index = PassageIndex([HeldOut("a", [words(0, 20)], np.array([0]))])
    index.see(table, encoded(words(0, 7), words(7, 13 - 7)))
    assert not index.removed()[0].any()


def test_held_out_texts_without_long_passages_share_nothing(table):
    index = PassageIndex([HeldOut("a", ["short"] * 3, np.arange(3))])
    index.see(table, encoded("short", words(0, 30)))
    assert not index.removed()[0].any()

"""Token boundaries, compared with SentencePiece's own offsets."""

from __future__ import annotations

import hashlib
import json
import random

import numpy as np
import pytest
from sentencepiece import SentencePieceProcessor

from pipeline.commands.main import main
from pipeline.inspection.piece_table import (
    decode_tokens,
    document_text,
    load_piece_table,
    piece_table,
    text_starts,
)
from pipeline.inspection.search import search
from pipeline.inspection.token_view import tokens_of
from tests.support.plain.shards import plain_documents
from tests.support.runs import ROOT
from tests.support.samples.corpora import write_corpus
from tests.support.sentencepiece_models import texts
from tokenizer.train import train_tokenizer


def check_document(table, document):
    """Compare a document's tokens with SentencePiece's proto of its text.

    In the proto, of the bytes of a character only the last has a surface.
    """
    tokens = [t for t in tokens_of(table, np.array(document.ids, np.uint16)) if t.id not in (1, 2)]
    proto = table.processor.encode_as_proto(document.text)
    assert [(t.id, t.piece) for t in tokens] == [(p.id, p.piece) for p in proto.pieces]
    data = document.text.encode()
    at = 0
    for token, piece in zip(tokens, proto.pieces, strict=True):
        assert token.begin == at
        at = token.end
        if not table.processor.is_byte(token.id):
            assert (token.begin, token.end) == (piece.begin, piece.end)
        elif piece.begin < piece.end:
            assert token.end == piece.end and piece.begin <= token.begin
    assert at == len(data)


@pytest.mark.slow
def test_every_document_of_the_demo(demo_run):
    table = load_piece_table(json.loads((demo_run / "manifest.json").read_text()))
    for document in plain_documents(demo_run):
        check_document(table, document)


@pytest.mark.slow
def test_real_texts_in_many_scripts(samples_run):
    table = load_piece_table(json.loads((samples_run / "manifest.json").read_text()))
    documents = [d for d in plain_documents(samples_run) if len(d.ids) < 20_000]
    wikipedia = [d for d in documents if d.shard.startswith("wikipedia/")]
    for document in [*random.Random(1).sample(documents, 60), *wikipedia[:60]]:
        check_document(table, document)


def test_the_command_counts_and_shows_boundaries(demo_run, capsys):
    (document, *_) = plain_documents(demo_run)
    place = [str(demo_run), document.shard, str(document.number)]
    assert main(["tokens", *place, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [token["id"] for token in found["tokens"]] == document.ids
    assert found["token_count"] == document.row["token_count"]
    assert found["text_bytes"] == len(document.text.encode())
    assert found["bytes_a_token"] == found["text_bytes"] / found["token_count"]
    assert main(["tokens", *place]) == 0
    shown = capsys.readouterr().out.split("\n", 2)[2].removesuffix("\n")
    assert shown.startswith("<s>|") and shown.endswith("|</s>")
    assert shown.count("|") >= len(document.ids) - 1
    plain = shown.removeprefix("<s>").removesuffix("</s>").replace("|", "").replace("<0x0A>", "")
    assert plain == document.text.replace("|", "")
    assert main(["tokens", str(demo_run), document.shard, "--id", document.row["id"]]) == 0


def test_part_of_a_documents_tokens(demo_run):
    table = load_piece_table(json.loads((demo_run / "manifest.json").read_text()))
    ids = np.array(plain_documents(demo_run)[0].ids, np.uint16)
    assert tokens_of(table, ids, 3, 9) == tokens_of(table, ids)[3:9]


def test_another_tokenizer_is_refused(demo_run, tmp_path):
    """Another model at the same path would decode the ids to another text."""
    manifest = json.loads((demo_run / "manifest.json").read_text())
    model = tmp_path / "tokenizer.model"
    manifest["tokenizer"]["model"] = str(model)
    with pytest.raises(ValueError, match="tokenizer of the shards is not there"):
        load_piece_table(manifest)
    model.write_bytes((ROOT / "samples" / "models" / "en.sp.model").read_bytes())
    with pytest.raises(ValueError, match="not the tokenizer that made the shards"):
        load_piece_table(manifest)


def test_escapes_of_a_tokenizer_trained_here_are_not_shown():
    """A text with U+2581 is shown, searched and cut into tokens as SentencePiece decodes it."""
    marked = "a▁b ▁ c\x10_ \x10\x10\n▁▁x"
    table = piece_table(train_tokenizer([*texts(), "▁_a " * 50], 2_000))
    processor = table.processor
    documents = [processor.encode(text) for text in ("plain", marked, f"▁{marked}▁", "\x10", "▁")]
    for ids in documents:
        text = processor.decode(ids)
        assert document_text(table, np.array(ids)) == text
        tokens = tokens_of(table, np.array(ids))
        assert [token.id for token in tokens] == ids
        assert [token.begin for token in tokens[1:]] == [token.end for token in tokens[:-1]]
        assert (tokens[0].begin, tokens[-1].end) == (0, len(text.encode()))
    flat = np.array([number for ids in documents for number in ids], np.int32)
    bounds = np.cumsum([0, *map(len, documents)])
    decoded = decode_tokens(table, flat)
    starts, ends = text_starts(table, decoded, bounds), decoded.offsets[bounds[1:]]
    shown = [decoded.data[a:b].decode() for a, b in zip(starts, ends, strict=True)]
    assert shown == [processor.decode(ids) for ids in documents]


def test_a_search_finds_u2581_in_a_run_of_a_tokenizer_trained_here(tmp_path):
    model = train_tokenizer(texts(), 2_000)
    ids = SentencePieceProcessor(model_proto=model).encode("the bar ▁▂▃ rises")
    write_corpus(tmp_path, {"c4": [[[1, *ids, 2]]]}, {"c4": 1}, 100)
    path = tmp_path / "tokenizer.model"
    path.write_bytes(model)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["tokenizer"] |= {"model": str(path), "sha256": hashlib.sha256(model).hexdigest()}
    (hit,) = search(str(tmp_path), manifest, "bar ▁▂▃")
    assert (hit["before"], hit["found"], hit["after"]) == ("the ", "bar ▁▂▃", " rises")
    assert not list(search(str(tmp_path), manifest, "\x10"))

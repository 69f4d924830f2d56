"""Training with KenLM's programs: where they are searched, their errors, equal models."""

from __future__ import annotations

from pathlib import Path

import kenlm
import pyarrow as pa
import pytest

from pipeline.commands.main import main
from pipeline.errors import RunError
from pipeline.models import lm_training
from pipeline.models.lm_training import build_binary, count_ngrams, kenlm_tools, lines_for_pieces
from tests.support.runs import ROOT
from tokenizer.train import train_lm_pieces
from transforms.documents import FilePath, documents
from transforms.scoring.perplexity import score_perplexity, with_column

TEXT = (ROOT / "samples" / "texts" / "wikipedia-en.txt").read_text("utf-8")
TRAIN_LM = ["train-lm", "--recipe", str(ROOT / "recipes" / "demo.yaml"), "--language", "en"]


@pytest.fixture
def batch() -> pa.RecordBatch:
    texts = TEXT.split("\n\n")
    found = documents(list(map(str, range(len(texts)))), texts)
    return with_column(found, "language", ["en"] * len(texts))


def test_missing_programs_are_told_before_any_work(tmp_path, monkeypatch, capsys):
    output = tmp_path / "out"
    arguments = [*TRAIN_LM, "--output", str(output)]
    assert main([*arguments, "--kenlm", str(tmp_path)]) == 2
    monkeypatch.setattr(lm_training, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(arguments) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"error: {tmp_path} does not hold KenLM's programs lmplz and build_bin")
    assert "this machine does not have" in second
    assert all("'make kenlm-tools' builds them" in line for line in (first, second))
    assert not output.exists()


def test_programs_on_the_path_are_found(tmp_path, monkeypatch, kenlm_programs):
    monkeypatch.setattr(lm_training, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(kenlm_programs))
    assert kenlm_tools(None) == kenlm_programs


@pytest.mark.parametrize(("structure", "bits"), [("trie", 8), ("trie", 0), ("probing", 0)], ids=str)
def test_models_of_every_structure(tmp_path, batch, kenlm_programs, structure, bits):
    pieces = tmp_path / "en.sp.model"
    pieces.write_bytes(train_lm_pieces(lines_for_pieces([batch], 1 << 30), 400))
    arpas, binaries = set(), set()
    for attempt in ("first", "second"):
        arpa, binary = tmp_path / f"{attempt}.arpa", tmp_path / f"{attempt}.bin"
        count_ngrams(
            [batch], str(pieces), arpa, kenlm_programs, order=5, prune=(0, 0, 0, 1, 1),
            memory="100M",
        )  # fmt: skip
        build_binary(arpa, binary, kenlm_programs, structure=structure, quantise_bits=bits)
        arpas.add(arpa.read_bytes())
        binaries.add(binary.read_bytes())
    assert len(arpas) == len(binaries) == 1
    assert {path.suffix for path in tmp_path.iterdir()} == {".arpa", ".bin", ".model"}
    model = kenlm.Model(str(binary))
    assert model.order == 5
    lm, sp = FilePath(str(binary)), FilePath(str(pieces))
    found = score_perplexity(batch, language="en", lm=lm, pieces=sp)["perplexity"].to_pylist()
    other = with_column(batch, "text", [text[::-1] for text in batch["text"].to_pylist()])
    backwards = score_perplexity(other, language="en", lm=lm, pieces=sp)["perplexity"].to_pylist()
    assert all(a < b for a, b in zip(found, backwards, strict=True))


def test_text_that_names_kenlms_own_words(tmp_path, kenlm_programs):
    texts = [TEXT, "<s> a </s> <unk> b", "", "\n"]
    batch = documents(list("abcd"), texts)
    pieces = tmp_path / "en.sp.model"
    pieces.write_bytes(train_lm_pieces(lines_for_pieces([batch], 1 << 30), 300))
    arpa = tmp_path / "lm.arpa"
    count_ngrams([batch], str(pieces), arpa, kenlm_programs, order=3, prune=(0,), memory="50M")
    assert arpa.read_text("utf-8").startswith("\\data\\")


def test_what_the_programs_refuse_is_told_in_a_line(tmp_path, batch, kenlm_programs):
    pieces = tmp_path / "en.sp.model"
    pieces.write_bytes(train_lm_pieces(lines_for_pieces([batch], 1 << 30), 300))
    arpa = tmp_path / "lm.arpa"
    with pytest.raises(RunError, match=r"lmplz: .*non-decreasing"):
        count_ngrams(
            [batch], str(pieces), arpa, kenlm_programs, order=3, prune=(0, 2, 1), memory="50M"
        )
    arpa.write_text("no model\n")
    with pytest.raises(RunError, match="build_binary: "):
        build_binary(arpa, tmp_path / "b", kenlm_programs, structure="trie", quantise_bits=8)


def test_too_little_text_says_how_many_pieces_there_are(batch):
    with pytest.raises(ValueError, match=r"give [\d,]+ pieces, not 65,536"):
        train_lm_pieces(lines_for_pieces([batch], 1 << 30), 65_536)


def test_lines_for_pieces_are_normalised_and_end_with_the_budget(batch):
    texts = ["Été 1999!\n\n\u201cB\u201d", "second", "third"]
    batches = [documents([str(i)], [text]) for i, text in enumerate(texts)]
    assert list(lines_for_pieces(batches, 1 << 30)) == ["ete 0000!", '"b"', "second", "third"]
    assert list(lines_for_pieces(batches, 12)) == ["ete 0000!", '"b"']


def test_folder_of_programs_that_is_given_is_the_only_one(tmp_path: Path):
    with pytest.raises(RunError, match="does not hold"):
        kenlm_tools(str(tmp_path))

"""The tokenizer of a corpus is the one that made its shards, or is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from pipeline.output.layout import sealed
from tests.support.runs import ROOT
from tests.support.samples.corpora import write_corpus
from training.data.tokenizer_file import read_tokenizer
from training.options import TrainOptions, parse
from training.plan import make_plan

MODEL = ROOT / "samples" / "models" / "tokenizer.model"


def described(path: Path | str) -> dict[str, str]:
    return {"model": str(path), "sha256": hashlib.sha256(MODEL.read_bytes()).hexdigest()}


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_the_tokenizer_is_compared_with_its_digest(tmp_path, form) -> None:
    path = tmp_path / "t.model"
    where = described(form.format(path))
    with pytest.raises(ValueError, match=r"t\.model: the tokenizer of the shards is not there"):
        read_tokenizer(where)
    path.write_bytes(MODEL.read_bytes())
    assert read_tokenizer(where) == MODEL.read_bytes()
    path.write_bytes((ROOT / "samples" / "models" / "en.sp.model").read_bytes())
    with pytest.raises(ValueError, match=r"t\.model: not the tokenizer that made the shards"):
        read_tokenizer(where)


def test_masks_within_documents_need_the_tokenizer_of_the_shards(tmp_path) -> None:
    write_corpus(tmp_path, {"c4": [[range(100)]]}, {"c4": 1.0}, 1000)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    path = tmp_path / "t.model"
    manifest["tokenizer"] |= described(path)
    (tmp_path / "manifest.json").write_text(json.dumps(sealed(manifest)))
    given = ["--data", str(tmp_path), "--model", "10M", "--output", "run",
             "--sequence_length", "8", "--batch_tokens", "32"]  # fmt: skip
    within = parse(TrainOptions, [*given, "--within_documents"], "train")
    path.write_bytes((ROOT / "samples" / "models" / "en.sp.model").read_bytes())
    with pytest.raises(ValueError, match="not the tokenizer that made the shards"):
        make_plan(within, 1, "cpu")
    make_plan(parse(TrainOptions, given, "train"), 1, "cpu")
    path.write_bytes(MODEL.read_bytes())
    make_plan(within, 1, "cpu")

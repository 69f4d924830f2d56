"""Token ids on every document of the real samples, compared with SentencePiece's."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sentencepiece import SentencePieceProcessor

from pipeline.passes.plan import make_plan
from pipeline.passes.process import read_split
from pipeline.recipe.from_yaml import load_recipe
from tests.support.runs import ROOT
from tokenizer.encode import load_encoder

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "source",
    ["commoncrawl", "commoncrawl_warc", "c4", "github", "wikipedia", "books", "arxiv",
     "stackexchange"],
)  # fmt: skip
@pytest.mark.parametrize("model", ["mistral-tokenizer.model.v1", "en.sp.model"])
def test_ids_are_sentencepieces(source, model, shared_data, shared_models):
    path = str(ROOT / "recipes" / "samples.yaml")
    recipe = load_recipe(path, [f"data={shared_data}", f"models={shared_models}"], [source])
    encoder = load_encoder(str(shared_models / model))
    plain = SentencePieceProcessor(model_file=str(shared_models / model))
    n_documents = 0
    for split in make_plan(recipe).splits:
        if split.path.startswith("joined/"):
            continue  # the posts are in the splits of records
        for batch in read_split(split, recipe.sources[0], recipe.reading, ""):
            texts = batch["body_html" if split.holds == "records" else "text"].drop_null()
            ids, offsets = encoder.encode(texts, bos=False, eos=False)
            expected = plain.encode(texts.to_pylist(), num_threads=1)
            assert np.diff(offsets).tolist() == [len(one) for one in expected]
            flat = np.fromiter((i for one in expected for i in one), np.int64)
            assert np.array_equal(ids, flat)
            n_documents += len(texts)
    assert n_documents >= {"arxiv": 40, "books": 38}.get(source, 900)


def test_ids_of_odd_documents(shared_models):
    odd = ["", " ", "   ", "\n", "\n\n \n", "\t\t", " a  b   c ", "\x00", "\x01\x7f", "😀😀 👩‍👩‍👧",
           "▁", "a▁b ▁",
           "é" * 999, "x" * 5000, "1234567890", "\u2028\u0085", "<s></s><unk>", "�"]  # fmt: skip
    for model in ("mistral-tokenizer.model.v1", "en.sp.model"):
        plain = SentencePieceProcessor(model_file=str(shared_models / model))
        ids, offsets = load_encoder(str(shared_models / model)).encode(
            pa.array(odd), bos=True, eos=True
        )
        for i, text in enumerate(odd):
            one = ids[offsets[i] : offsets[i + 1]].tolist()
            assert one == plain.encode(text, add_bos=True, add_eos=True)

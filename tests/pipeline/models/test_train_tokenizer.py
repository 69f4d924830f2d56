"""The command that trains a tokenizer: its documents, its scores, resuming after a kill."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer

from pipeline.commands.main import main
from pipeline.models.model_card import read_card
from pipeline.models.sample import Sample, load_sample
from pipeline.models.train_tokenizer import Division, divide, held_out, training_texts
from pipeline.passes.plan import make_plan
from pipeline.passes.process import read_split
from pipeline.recipe.from_yaml import load_recipe
from tests.support.runs import ROOT, digests, kill_when, start
from tokenizer.convert import convert_model
from tokenizer.encode import BatchEncoder
from tokenizer.train import train_tokenizer

pytestmark = pytest.mark.slow

DEMO = str(ROOT / "recipes" / "demo.yaml")
SOURCES = ["c4", "books", "wikipedia"]
ARGUMENTS = ["train-tokenizer", "--recipe", DEMO, "--sources", ",".join(SOURCES), "--workers", "1",
             "--set", "tokenizer.model=/not/yet"]  # fmt: skip
SMALL = ["--sample_bytes", "1e5", "--vocabulary_size", "1500"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("trained") / "out"
    compare = str(ROOT / "samples/models/tokenizer.model")
    assert main([*ARGUMENTS, *SMALL, "--output", str(output), "--compare", compare]) == 0
    return output


def test_the_card_says_what_the_samples_hold(trained):
    card = read_card(str(trained / "tokenizer.model"), "tokenizer")
    assert card["parameters"]["vocabulary_size"] == 1_500
    assert card["scores"]["encoded_by"] == "table"
    assert card["scores"]["decoded_unchanged"] == card["scores"]["held_out_documents"] > 0
    plain = SentencePieceProcessor(model_file=str(trained / "tokenizer.model"))
    shares = {"c4": 0.15 / 0.24, "books": 0.045 / 0.24, "wikipedia": 0.045 / 0.24}
    for name, share in shares.items():
        source, scores = card["data"]["sources"][name], card["scores"]["by_source"][name]
        assert source["wanted_bytes"] == pytest.approx(1e5 * share, abs=1)
        sample = load_sample(str(trained), name)
        division = divide(sample, source["wanted_bytes"])
        texts = list(training_texts(sample, division))
        trained_bytes = sum(len(text.encode()) for text in texts)
        assert source["training_bytes"] - 3 <= trained_bytes <= source["training_bytes"]
        assert source["has_its_share"] == (source["training_bytes"] == source["wanted_bytes"])
        kept = [text for batch in held_out(sample, division) for text in batch["text"].to_pylist()]
        everything = pq.read_table(sample.path)["text"].to_pylist()
        assert everything[: len(texts) - 1] == texts[:-1] and everything[len(texts) :] == kept
        assert scores["documents"] == len(kept)
        assert bool(kept) == (len(everything) > 1)
        assert scores["tokens"] == sum(map(len, plain.encode(kept)))
        words = sum(len(text.split()) for text in kept)
        if words:
            assert scores["tokens_a_word"] == pytest.approx(scores["tokens"] / words)
            assert scores["compared_bytes_a_token"] > 1
    assert not card["data"]["sources"]["wikipedia"]["has_its_share"]
    assert {"de", "en", "fr"} & set(card["scores"]["by_language"])


def test_the_same_command_again_makes_nothing_new(trained, capsys):
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()}
    assert main([*ARGUMENTS, *SMALL, "--output", str(trained), "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert "compared_with" not in card["scores"]
    after = {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()}
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert changed == {"tokenizer.model.card.json", "tokenizer.model.card.md"}


def test_a_byte_level_tokenizer_is_trained_on_the_same_sample(trained, tmp_path, capsys):
    """The folder has the sample of the other kind already, which is compared as it is converted."""
    (tmp_path / "tokenizer.json").write_bytes(
        convert_model((trained / "tokenizer.model").read_bytes())
    )
    kind = ["--kind", "byte_level_bpe", "--pattern", "llama3"]
    compare = ["--compare", str(tmp_path)]
    assert main([*ARGUMENTS, *SMALL, *kind, *compare, "--output", str(trained)]) == 0
    assert "tokenizer.json.card.md, and .json" in capsys.readouterr().out
    card = read_card(str(trained / "tokenizer.json"), "tokenizer")
    other = read_card(str(trained / "tokenizer.model"), "tokenizer")
    assert card["data"] == other["data"]
    assert card["parameters"] == {
        "model_type": "byte_level_bpe", "pattern": "llama3", "vocabulary_size": 1500
    }  # fmt: skip
    assert set(card["versions"]) == {"llama-corpus", "tokenizers"}
    scores = card["scores"]
    assert scores["encoded_by"] == "table"
    assert scores["decoded_unchanged"] == scores["held_out_documents"] > 0
    tokenizer = Tokenizer.from_file(str(trained / "tokenizer.json"))
    sample = load_sample(str(trained), "c4")
    division = divide(sample, card["data"]["sources"]["c4"]["wanted_bytes"])
    kept = [text for batch in held_out(sample, division) for text in batch["text"].to_pylist()]
    found = scores["by_source"]["c4"]
    assert found["tokens"] == sum(len(one.ids) for one in tokenizer.encode_batch(kept))
    theirs = other["scores"]["by_source"]["c4"]
    assert found["compared_bytes_a_token"] == theirs["bytes_a_token"]
    assert found["compared_tokens_a_word"] == theirs["tokens_a_word"]
    assert list(scores["compared_with"]) == [str(tmp_path / "tokenizer.json")]
    before = (trained / "tokenizer.json").read_bytes()
    again = [*SMALL, "--kind", "byte_level_bpe", "--pattern", "gpt2", "--output", str(trained)]
    assert main([*ARGUMENTS, *again]) == 2
    assert "pattern was llama3, is now gpt2" in capsys.readouterr().err
    assert (trained / "tokenizer.json").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["work/candidates/**/*.parquet", "samples/*.json"])
def test_a_killed_command_goes_on_to_the_same_bytes(tmp_path, moment):
    arguments = [
        "train-tokenizer", "--recipe", DEMO, "--sources", "c4,books", "--workers", "1", *SMALL,
        "--set", "sources.c4.steps=[{tests.support.runs.slow: {seconds: 0.5}}]",
        "--set", "sources.books.steps=[{tests.support.runs.slow: {seconds: 0.3}}]",
    ]  # fmt: skip
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main([*arguments, "--output", str(whole)]) == 0
    process = start(*arguments, "--output", str(killed), module="pipeline.commands.main")
    kill_when(process, lambda: any(killed.glob(moment)))
    assert not (killed / "tokenizer.model.card.json").exists()
    kept = {path: path.stat().st_mtime_ns for path in killed.glob("samples/*.json")}
    assert main([*arguments, "--output", str(killed)]) == 0
    assert digests(killed) == digests(whole)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vocabulary_size", "32000"], r"the documents give .* pieces, not 32,000; take more"),
        (["--vocabulary_size", "2000"], "vocabulary_size was 1500, is now 2000"),
        (["--sample_bytes", "2e5"], "sample_bytes.c4 was"),
        (["--compare", "/no/such.model"], "no such model to compare with"),
        (["--compare", str(ROOT / "samples")], "no such model to compare with"),
        (["--sources", "c5"], "no source 'c5'"),
        (["--vocabulary_size", "200"], "bytes and marks alone are 259"),
        (["--sample_bytes", "0"], "a sample of 0 bytes"),
        (["--kind", "byte_level_bpe"], "needs a --pattern"),
        (["--pattern", "llama3"], "needs a --pattern, and no other kind has one"),
        (["--kind", "byte_level_bpe", "--pattern", "x"], "no pattern 'x': one of gpt2, llama3"),
    ],
)
def test_mistakes_are_told_in_one_line(trained, tmp_path, capsys, arguments, message):
    output = trained if "was" in message else tmp_path / "out"
    given = [*ARGUMENTS, *SMALL, "--output", str(output), *arguments]
    assert main(given) == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert error.startswith("error: ")
    assert re.search(message, error)


def test_divisions_of_few_documents(tmp_path):
    def division(sizes: list[int], share: int) -> Division:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet"
        pq.write_table(pa.table({"text": ["x" * size for size in sizes]}), path)
        return divide(Sample("c4", str(path), len(sizes), sum(sizes), False), share)

    assert division([], 100) == (0, 0)
    assert division([50], 100) == (50, 1)
    assert division([500], 100) == (100, 1)
    assert division([50, 500], 100) == (50, 1)  # one document is held out
    assert division([60, 60, 60], 100) == (100, 2)
    assert division([10] * 20, 1_000) == (180, 18)


def every_document(data: Path, models: Path) -> Iterator[tuple[str, pa.StringArray]]:
    """Yield the sources and texts of all documents of the real samples, as read."""
    settings = [f"data={data}", f"models={models}"]
    recipe = load_recipe(str(ROOT / "recipes" / "samples.yaml"), settings)
    for split in make_plan(recipe).splits:
        if split.path.startswith("joined/"):
            continue  # the posts are in the splits of records
        for batch in read_split(split, recipe.source(split.source), recipe.reading, ""):
            column = "body_html" if split.holds == "records" else "text"
            yield split.source, batch[column].drop_null()


@pytest.mark.slow
def test_every_real_document_comes_back_from_32000_pieces(shared_data, shared_models):
    taken: dict[str, int] = {}
    training = []
    for source, texts in every_document(shared_data, shared_models):
        if taken.get(source, 0) < 500_000:
            training += [text[:20_000] for text in texts.to_pylist()]
            taken[source] = taken.get(source, 0) + texts.nbytes
    model = train_tokenizer(training, 32_000)
    encoder = BatchEncoder(model)
    assert encoder.vocabulary_size == 32_000 and encoder.method == "table"
    n_documents = 0
    for _, texts in every_document(shared_data, shared_models):
        ids, offsets = encoder.encode(texts, bos=False, eos=False)
        flat, ends = ids.tolist(), offsets.tolist()
        rows = [flat[ends[i] : ends[i + 1]] for i in range(len(texts))]
        assert encoder.processor.decode(rows) == texts.to_pylist()
        n_documents += len(texts)
    assert n_documents > 10_000

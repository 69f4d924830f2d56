"""A run whose tokenizer is a ``tokenizer.json``, from the recipe to what looks at the shards."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tokenizers import Regex, Tokenizer, pre_tokenizers

from pipeline.commands.main import main
from pipeline.judging.candidates import candidates_of
from pipeline.judging.draws import encoder_of, tokens_of
from pipeline.judging.token_ngrams import sentences_of
from tests.support.byte_level import END, SEVERAL_SCRIPTS, train
from tests.support.runs import ROOT, run_demo
from tokenizer.shards import ShardReader
from training.data.mixture import Mixture
from training.document_mask import document_marks

pytestmark = pytest.mark.slow
PLACE = "c4/train-00000"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tokenizer trained on the demo's documents, with ids beyond 16 bits."""
    folder = tmp_path_factory.mktemp("tokenizer")
    lines = (ROOT / "samples" / "data" / "c4").rglob("*")
    texts = [path.read_text(errors="replace") for path in lines if path.is_file()]
    made = train("llama3", [*SEVERAL_SCRIPTS, *texts], 1000)
    content = json.loads(made.to_str())
    content["added_tokens"].append(
        {**content["added_tokens"][0], "id": 70_000, "content": "<|far|>"}
    )
    (folder / "tokenizer.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run") / "out"
    settings = [f"tokenizer.model={folder}", "tokenizer.bos=false", "tokenizer.eos=true"]
    assert run_demo(output, "--sources", "c4", *(o for s in settings for o in ("--set", s))) == 0
    return output


def test_the_shards_hold_the_librarys_ids(run: Path, folder: Path, tmp_path: Path) -> None:
    assert main(["verify", str(run)]) == 0
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["tokenizer"]["model"] == str(folder / "tokenizer.json")
    assert manifest["tokenizer"]["vocabulary_size"] == 70_001
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    to = tmp_path / "exported"
    assert main(["export", str(run), "--format", "hf", "--to", str(to)]) == 0
    described = json.loads((to / "export.json").read_text())["tokenizer"]
    assert (described["bos_id"], described["eos_id"]) == (None, tokenizer.token_to_id(END))
    (file,) = (to / "data" / "c4").glob("*.parquet")
    texts = pq.read_table(file)["text"].to_pylist()
    reader = ShardReader(run / "shards" / PLACE)
    assert len(texts) > 100
    for number, text in enumerate(texts):
        expected = [
            *tokenizer.encode(text, add_special_tokens=False).ids,
            tokenizer.token_to_id(END),
        ]
        assert reader[number].tolist() == expected
        assert reader[number].dtype == np.int32


def test_what_looks_at_a_run_decodes_them(run: Path, folder: Path, capsys) -> None:
    assert main(["show", str(run), PLACE, "3", "--json"]) == 0
    text = json.loads(capsys.readouterr().out)["text"]
    assert main(["tokens", str(run), PLACE, "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tokens"][-1]["shown"] == END
    assert found["text_bytes"] == len(text.encode())
    data = text.encode()
    for token in found["tokens"][:-1]:
        surface = data[token["begin"] : token["end"]].decode(errors="replace")
        assert token["shown"] in (surface, token["piece"], f"{token['piece']}\n")
    phrase = text[:30].split("\n")[0]
    for more in ([], ["--tokens"]):
        assert main(["search", str(run), phrase, "--json", *more]) == 0
        hits = json.loads(capsys.readouterr().out)["documents"]
        assert phrase in {hit["found"] for hit in hits}


def test_the_judge_reads_their_tokens(run: Path, folder: Path) -> None:
    (candidate,) = candidates_of([str(run)], "source")
    encoder = encoder_of(candidate)
    assert encoder.vocabulary_size == 70_001
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    found = tokens_of(candidate, np.arange(3))
    assert len(found) == 3
    for ids in found.values():
        text = encoder.decode(ids)
        assert sentences_of([text], encoder) == [" ".join(map(str, tokenizer.encode(text).ids))]
        assert tokenizer.encode(text).ids == ids.tolist()


def test_the_trainer_knows_the_marks(run: Path) -> None:
    assert document_marks(Mixture(str(run), sequence_length=8, seed=1)) == (None, 0)


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (pre_tokenizers.Whitespace(), "the pre-tokenizer Whitespace"),
        (
            pre_tokenizers.Sequence(
                [
                    pre_tokenizers.Split(Regex(r"\s*|\w+"), "isolated"),
                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
                ]
            ),
            "a pattern that matches nothing at all",
        ),
    ],
    ids=["another kind", "no automaton"],
)
def test_a_tokenizer_that_goes_to_the_library_is_named(
    before: pre_tokenizers.PreTokenizer,
    reason: str,
    folder: Path,
    run: Path,
    tmp_path: Path,
    capsys,
) -> None:
    """In a dry run, and ahead of whatever else is said of a run that is encoded again."""
    other = Tokenizer.from_file(str(folder / "tokenizer.json"))
    other.pre_tokenizer = before
    model = str(tmp_path / "other.json")
    other.save(model)
    settings = ["--set", f"tokenizer.model={model}", "--set", "tokenizer.bos=false"]
    line = f"other.json: {reason}: the library tokenizers encodes all text, which takes ten times"
    assert run_demo(tmp_path / "out", "--sources", "c4", "--dry_run", *settings) == 0
    assert line in capsys.readouterr().err
    (tmp_path / "full").write_text("not a folder")
    again = ["retokenize", str(run), "--tokenizer", model, "--output", str(tmp_path / "full")]
    assert main([*again, "--no_bos"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert line in said[0] and "is a file; give a folder" in said[1]

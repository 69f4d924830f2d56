"""A run's shards with another tokenizer: the bytes of a direct run, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.commands.main import main
from pipeline.passes.shards.finished_texts import BATCH_CHARS, bounded
from tests.support.byte_level import SEVERAL_SCRIPTS, train
from tests.support.runs import ROOT, run_demo
from tokenizer.losses import LOSES_MARKS, loss
from tokenizer.train import train_tokenizer

pytestmark = pytest.mark.slow
SOURCES = ["--sources", "c4,wikipedia"]
INDEXED = (
    "sources.wikipedia.steps=[{clean_wikitext: {drop_disambiguation: true, text_templates: {}}}, "
    "{deduplicate_documents: {keep: first, index: true}}]"
)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("tokenizers")
    trained = {
        "ours.model": train_tokenizer(SEVERAL_SCRIPTS * 3, 420),
        "gpt2.json": train("gpt2", SEVERAL_SCRIPTS, 400).to_str().encode(),
        "o200k.json": train("o200k", SEVERAL_SCRIPTS, 400).to_str().encode(),
        "qwen2.json": train("qwen2", SEVERAL_SCRIPTS, 400).to_str().encode(),
    }
    for name, data in trained.items():
        (folder / name).write_bytes(data)
    return {name: str(folder / name) for name in trained}


def direct(output: Path, tokenizer: str, *, bos: bool) -> Path:
    settings = [f"tokenizer.model={tokenizer}", f"tokenizer.bos={str(bos).lower()}", INDEXED]
    options = [option for one in settings for option in ("--set", one)]
    assert run_demo(output, *SOURCES, "--no_report", *options) == 0
    return output


@pytest.fixture(scope="module")
def first(tokenizers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return direct(tmp_path_factory.mktemp("first") / "out", tokenizers["ours.model"], bos=True)


def files_of(output: Path) -> dict[str, bytes]:
    """Return the bytes of all files but those with times and samples, which the report reads."""
    paths = (path for path in output.rglob("*") if path.is_file())
    named = {str(path.relative_to(output)): path for path in paths}
    return {
        name: path.read_bytes()
        for name, path in named.items()
        if not name.startswith(("observed/", "work/", ".lock"))
    }


@pytest.mark.parametrize("names", [["gpt2.json"], ["o200k.json", "ours.model"]])
def test_the_files_are_those_of_a_direct_run(
    names: list[str], first: Path, tokenizers: dict[str, str], tmp_path: Path
) -> None:
    """Each tokenizer takes the shards of the one before; the last of them are compared."""
    run = first
    for name in names:
        bos = name == "ours.model"
        to = tmp_path / name.removesuffix(".json")
        marks = [] if bos else ["--no_bos"]
        command = ["retokenize", str(run), "--tokenizer", tokenizers[name], "--output", str(to)]
        assert main([*command, *marks]) == 0
        assert main(["verify", str(to)]) == 0
        run = to
    expected = first if bos else direct(tmp_path / "direct", tokenizers[names[-1]], bos=bos)
    found, wanted = files_of(run), files_of(expected)
    assert sum(name.endswith(".bin") for name in found) >= 2
    assert any(name.startswith("indexes/wikipedia/") for name in found)
    assert found.keys() == wanted.keys()
    assert [name for name in found if found[name] != wanted[name]] == []


def test_what_loses_text_is_refused(
    first: Path, tokenizers: dict[str, str], demo_run: Path, tmp_path: Path, capsys
) -> None:
    to = str(tmp_path / "out")

    def said(*arguments: str) -> str:
        assert main(["retokenize", *arguments, "--no_bos"]) == 2
        assert not Path(to, "run.json").exists()
        return capsys.readouterr().err

    gpt2 = ["--tokenizer", tokenizers["gpt2.json"]]
    assert LOSES_MARKS in said(str(demo_run), *gpt2, "--output", to)
    assert "no manifest.json there" in said(str(tmp_path), *gpt2, "--output", to)
    assert "no such tokenizer" in said(str(first), "--tokenizer", "/no/such", "--output", to)
    assert main(["retokenize", str(first), *gpt2, "--output", to]) == 2
    assert "the tokenizer has no bos token" in capsys.readouterr().err
    for more in ([], ["--start_over"]):
        given = ["retokenize", str(first), *gpt2, "--output", str(first), "--no_bos", *more]
        assert main(given) == 2
        assert f"{first} is the run itself; give another --output" in capsys.readouterr().err
    taken = ["retokenize", str(demo_run), *gpt2, "--output", to, "--no_bos", "--marks_are_spaces"]
    assert main([*taken, "--json"]) == 0
    manifest = json.loads((demo_run / "manifest.json").read_text())
    counted = sum(one["train_documents"] for one in manifest["sources"].values())
    assert json.loads(capsys.readouterr().out)["documents"] >= counted > 100


def test_losses_of_every_kind_of_tokenizer(tokenizers: dict[str, str], shared_models: Path) -> None:
    def of(path: str | Path) -> str | None:
        return loss(Path(path).read_bytes())

    assert of(tokenizers["ours.model"]) is None
    assert of(tokenizers["gpt2.json"]) is None
    assert of(tokenizers["qwen2.json"]) == "text is brought into Unicode's form NFC"
    assert of(ROOT / "samples" / "models" / "tokenizer.model") == LOSES_MARKS
    assert of(shared_models / "mistral-tokenizer.model.v1") == LOSES_MARKS
    assert of(ROOT / "samples" / "models" / "en.sp.model") == (
        "unknown characters become the unknown token"
    )


def test_a_folder_stands_for_its_tokenizer_and_special_tokens_may_be_made(
    first: Path, tokenizers: dict[str, str], tmp_path: Path, capsys
) -> None:
    shutil.copyfile(tokenizers["gpt2.json"], tmp_path / "tokenizer.json")
    to = tmp_path / "out"
    command = ["retokenize", str(first), "--tokenizer", str(tmp_path), "--output", str(to)]
    assert main([*command, "--no_bos", "--special_tokens_in_text", "encode"]) == 0
    assert main(["verify", str(to)]) == 0
    described = json.loads((to / "manifest.json").read_text())["tokenizer"]
    assert described["model"] == str(tmp_path / "tokenizer.json")
    assert described["special_tokens_in_text"] == "encode"
    assert main([*command, "--no_bos"]) == 2
    assert "recipe.tokenizer.special_tokens_in_text is gone" in capsys.readouterr().err
    assert main([*command, "--no_bos", "--start_over"]) == 0
    described = json.loads((to / "manifest.json").read_text())["tokenizer"]
    assert "special_tokens_in_text" not in described


def test_large_documents_are_encoded_by_themselves() -> None:
    n_chars = [10, 20, BATCH_CHARS, BATCH_CHARS + 1, 5, BATCH_CHARS - 5, 1]
    rows = pa.record_batch({"chars": pa.array(n_chars, pa.int64())})
    parts = [part["chars"].to_pylist() for part in bounded(rows)]
    assert parts == [[10, 20], [BATCH_CHARS], [BATCH_CHARS + 1], [5, BATCH_CHARS - 5], [1]]

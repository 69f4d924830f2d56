"""Runs kept as text: their files, what looks at them, and the shards that come of them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.commands.main import main
from pipeline.errors import RecipeError
from pipeline.files.storage import json_bytes, sha256_of
from pipeline.inspection.verify import verify
from pipeline.output.layout import sealed
from pipeline.output.shares import mixed_sources
from pipeline.recipe.recipe import recipe_from_mapping
from tests.support.byte_level import SEVERAL_SCRIPTS, tiktoken_bytes, train
from tests.support.edited_recipes import edited, refused
from tests.support.runs import digests, kill_when, run_demo, start
from tokenizer.train import train_tokenizer
from training.data.mixture import Mixture

pytestmark = pytest.mark.slow
SIZE = ["--set", "shards.target_shard_text_bytes=160003"]
DIRECT = ["--set", "shards.target_shard_tokens=40000"]
"""A fourth of the bytes, so that a direct run has the same documents in its shards."""


def recipe(folder: Path) -> str:
    def change(raw: dict) -> None:
        raw["sources"]["wikipedia"]["domains"] = {"by": ["language"]}

    return edited(folder, change)


def run(output: Path, *more: str, workers: int = 1) -> Path:
    sources = ["--sources", "c4,wikipedia", "--no_report"]
    given = ["--recipe", recipe(output.parent), *sources, *more]
    assert run_demo(output, *given, workers=workers) == 0
    return output


def text_run(output: Path, *more: str, workers: int = 1) -> Path:
    """Run with shards of text, and a tokenizer that is not there."""
    text = ["--set", "shards.format=text", "--set", "tokenizer.model=/no/such"]
    return run(output, *text, *SIZE, *more, workers=workers)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return text_run(tmp_path_factory.mktemp("text") / "out")


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("tokens") / "out", *DIRECT)


def rows(output: Path, suffix: str) -> dict[str, list[dict]]:
    paths = sorted((output / "shards").rglob(f"*.{suffix}"))
    names = (path.relative_to(output).as_posix().removesuffix(f".{suffix}") for path in paths)
    return {name: pq.read_table(path).to_pylist() for name, path in zip(names, paths, strict=True)}


def test_the_rows_are_those_of_a_run_of_tokens_with_texts(text: Path, tokens: Path) -> None:
    of_text, of_tokens = rows(text, "text.parquet"), rows(tokens, "docs.parquet")
    assert of_text.keys() == of_tokens.keys()
    assert len(of_text) > 4
    for name, documents in of_text.items():
        for one in documents:
            assert len(one.pop("text")) == one["chars"] > 0
        expected = [
            {key: value for key, value in one.items() if not key.startswith("token_")}
            for one in of_tokens[name]
        ]
        assert documents == expected
    assert not [*(text / "shards").rglob("*.bin"), *(text / "shards").rglob("*.idx")]
    assert (text / "ledger.parquet").read_bytes() == (tokens / "ledger.parquet").read_bytes()
    path = next((text / "shards").rglob("*.text.parquet"))
    assert pq.ParquetFile(path).metadata.row_group(0).column(1).compression == "ZSTD"


def test_the_bytes_do_not_depend_on_workers_nor_on_a_stop(text: Path, tmp_path: Path) -> None:
    many = text_run(tmp_path / "many", workers=2)
    expected = digests(text)
    assert digests(many) == expected
    (many / "manifest.json").unlink()
    for ledger in (many / "ledger" / "c4").glob("*1.json"):
        ledger.unlink()
    assert digests(text_run(many)) == expected


def test_commands_look_at_it_or_say_what_to_do(text: Path, tokens: Path, tmp_path, capsys) -> None:
    def shown(command: str, *more: str) -> dict:
        assert main([command, str(text), *more, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    assert shown("verify")["ok"]
    assert sum(one["documents"] for one in shown("ls")) > 300
    assert shown("stats")["sources"]["c4"]["mixture"]["epochs"] is None
    first, *_ = rows(text, "text.parquet")["shards/c4/train-00000"]
    document = shown("show", "c4/train-00000", "0")
    assert (document["text"], document["tokens"]) == (first["text"], None)
    assert document["record"]["id"] == first["id"]
    assert "text" not in document["record"]
    last = rows(text, "text.parquet")["shards/wikipedia/train-00000"][-1]
    assert shown("show", "--id", last["id"])["text"] == last["text"]
    phrase = first["text"][20:60]
    (hit, *_) = shown("search", phrase, "--limit", "1")["documents"]
    assert (hit["id"], hit["position"], hit["found"]) == (first["id"], 20, phrase)
    by_pattern = shown("search", "(?i)GENEV.SE", "--regex", "--limit", "1")["documents"][0]
    assert by_pattern["found"].lower() == "genevese"
    drawn = shown("sample", "-n", "2", "--source", "c4")["documents"]
    texts = {
        one["id"]: one["text"] for group in rows(text, "text.parquet").values() for one in group
    }
    assert [texts[one["record"]["id"]] for one in drawn] == [one["text"] for one in drawn]
    assert shown("explain", first["id"])["kept"]
    assert shown("diff", str(text))["same"]
    assert main(["report", str(text)]) == 0
    assert "text.parquet" in (text / "DATACARD.md").read_text()
    capsys.readouterr()
    for refused_command in (
        ["tokens", str(text), "c4/train-00000", "0"],
        ["search", str(text), "1,2", "--tokens"],
        ["export", str(text), "--format", "hf", "--to", str(tmp_path / "export")],
        ["diff", str(text), str(tokens)],
        ["judge", str(text), "--by", "source", "--held_out", f"a={text}/DATACARD.md"],
    ):
        assert main(refused_command) == 2
        said = capsys.readouterr().err
        assert f"{text}: its shards are text; 'corpus retokenize" in said, refused_command
        assert said.count("\n") == 1
    with pytest.raises(ValueError, match=r"manifest.json: its shards are text; 'corpus retokenize"):
        Mixture(text, sequence_length=8, seed=0)


def test_damage_is_named_though_the_digests_were_made_to_fit(text: Path, tmp_path: Path) -> None:
    made = text_run(tmp_path / "out")
    manifest = json.loads((made / "manifest.json").read_text())
    part = manifest["shards"][0]["parts"]["train"]
    (name,) = part["files"]
    table = pq.read_table(made / name)
    longer = [one + "!" if i == 3 else one for i, one in enumerate(table["text"].to_pylist())]
    pq.write_table(table.set_column(1, table.schema.field("text"), pa.array(longer)), made / name)
    assert verify(str(made)) == [f"{name}: its SHA-256 is not the manifest's"]
    part["files"][name]["sha256"] = sha256_of(str(made / name))
    (made / "manifest.json").write_bytes(json_bytes(sealed(manifest)))
    assert verify(str(made)) == [
        f"{name}: 1 texts are not as long as their rows say",
        f"{name}: {part['characters'] + 1} characters: not the manifest",
        f"{name}: {part['text_bytes'] + 1} text_bytes: not the manifest",
    ]


def test_three_tokenizers_make_the_shards_of_direct_runs(text: Path, tmp_path: Path) -> None:
    llama3 = train("llama3", SEVERAL_SCRIPTS, 400)
    made = {
        "ours.model": train_tokenizer(SEVERAL_SCRIPTS * 3, 420),
        "gpt2.json": train("gpt2", SEVERAL_SCRIPTS, 400).to_str().encode(),
        "mine.llama3.tiktoken": tiktoken_bytes(llama3),
    }
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
        model = str(tmp_path / name)
        marks = [f"--no_{mark}" for mark in ("bos", "eos") if name != "ours.model"]
        to = tmp_path / name.split(".")[0]
        command = ["retokenize", str(text), "--tokenizer", model, "--output", str(to)]
        assert main([*command, *marks]) == 0
        assert verify(str(to)) == []
        given = [f"tokenizer.model={model}"]
        given += [f"tokenizer.{mark}=false" for mark in ("bos", "eos") if marks]
        settings = [option for one in given for option in ("--set", one)]
        direct = run(tmp_path / f"direct_{to.name}", *DIRECT, *settings)
        found, expected = digests(to), digests(direct)
        assert any(name.endswith(".bin") for name in found)
        assert found == expected


def gpt2_command(text: Path, to: Path, tokenizer: Path) -> list[str]:
    if not tokenizer.exists():  # a run notes when it was written
        tokenizer.write_bytes(train("gpt2", SEVERAL_SCRIPTS, 400).to_str().encode())
    command = ["retokenize", str(text), "--tokenizer", str(tokenizer), "--output", str(to)]
    return [*command, "--no_bos", "--no_eos"]


def test_a_killed_command_goes_on_with_what_is_whole(text: Path, tmp_path: Path, capsys) -> None:
    """It is killed in one process, and goes on in two, with a damaged shard that it makes again."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    one = gpt2_command(text, whole, tmp_path / "gpt2.json")
    assert main([*one, "--workers", "1"]) == 0
    again = gpt2_command(text, killed, tmp_path / "gpt2.json")
    process = start(*again, "--workers", "1", module="pipeline.commands.main")
    kill_when(process, lambda: len([*killed.glob("ledger/*/*.json")]) > 1)
    assert not (killed / "manifest.json").exists()
    damaged, *kept = sorted(killed.glob("ledger/*/*.json"))
    broken = killed / f"shards/{damaged.parent.name}/train-{damaged.stem}.bin"
    broken.write_bytes(b"x" + broken.read_bytes()[1:])
    files = [*kept, *(killed / f"shards/{p.parent.name}/train-{p.stem}.bin" for p in kept)]
    before = {path: path.stat().st_mtime_ns for path in files}
    assert main([*again, "--workers", "2"]) == 0
    assert digests(killed) == digests(whole)
    assert {path: path.stat().st_mtime_ns for path in files} == before
    capsys.readouterr()
    assert main(again) == 0
    assert "killed is complete already; nothing to do" in capsys.readouterr().out
    assert main([*again[:-1], "--workers", "1"]) == 2
    said = capsys.readouterr().err
    assert "holds a run of something else: recipe.tokenizer.eos was false, is now true" in said


def with_domains(text: Path, to: Path, **domains: object) -> Path:
    """Copy a run whose recipe has other domains of Wikipedia, by links."""
    shutil.copytree(text, to, copy_function=os.link)
    manifest = json.loads((text / "manifest.json").read_text())
    manifest["recipe"]["sources"]["wikipedia"]["domains"] |= domains
    (to / "manifest.json").unlink()
    (to / "manifest.json").write_bytes(json_bytes(sealed(manifest)))
    return to


def test_weights_that_do_not_fit_are_told_before_the_work(
    text: Path, tmp_path: Path, capsys
) -> None:
    """Those that an earlier version let pass. A cap of epochs needs the tokens: told behind it."""
    wrong = with_domains(text, tmp_path / "wrong", weights={"xx": 2.0})
    command = gpt2_command(wrong, tmp_path / "to", tmp_path / "gpt2.json")
    assert main(command) == 2
    assert "sources.wikipedia.domains.weights: no domain is xx" in capsys.readouterr().err
    assert not (tmp_path / "to").exists()
    capped = with_domains(text, tmp_path / "capped", max_epochs=1e-9)
    command = gpt2_command(capped, tmp_path / "to", tmp_path / "gpt2.json")
    assert main([*command, "--workers", "1"]) == 2
    assert "domains.max_epochs: 1e-09 epochs" in capsys.readouterr().err
    ledgers = {path: path.stat().st_mtime_ns for path in tmp_path.glob("to/ledger/*/*.json")}
    assert len(ledgers) == 3
    mended = with_domains(text, tmp_path / "mended", max_epochs=1e9)
    command = gpt2_command(mended, tmp_path / "to", tmp_path / "gpt2.json")
    assert main([*command, "--workers", "1"]) == 0
    assert verify(str(tmp_path / "to")) == []
    assert {path: path.stat().st_mtime_ns for path in ledgers} == ledgers


def test_a_text_that_is_lost_stops_the_command(text: Path, tmp_path: Path, capsys) -> None:
    """It is named, and the command goes on when the text is back."""
    damaged = tmp_path / "damaged"
    shutil.copytree(text, damaged)
    path = damaged / "shards/wikipedia/train-00000.text.parquet"
    whole, table = path.read_bytes(), pq.read_table(path)
    shorter = [one[:-1] if i == 3 else one for i, one in enumerate(table["text"].to_pylist())]
    pq.write_table(table.set_column(1, table.schema.field("text"), pa.array(shorter)), path)
    command = gpt2_command(damaged, tmp_path / "to", tmp_path / "gpt2.json")
    assert main([*command, "--workers", "1"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    n = len(shorter[3])
    assert f"{table['id'][3]}: {n:,} characters come back of {n + 1:,}; its text is lost" in said
    assert "the same command goes on from here" in said
    path.write_bytes(whole)
    assert main([*command, "--workers", "1"]) == 0
    assert verify(str(tmp_path / "to")) == []
    assert not (tmp_path / "to" / "error.txt").exists()


def test_a_mixture_of_shards_of_text_must_fit_their_domains(text: Path, tmp_path: Path) -> None:
    manifest = json.loads((text / "manifest.json").read_text())
    manifest["recipe"]["sources"]["wikipedia"]["domains"]["shares"] = {"xx": 1.0}
    with pytest.raises(RecipeError, match=r"wikipedia\.domains\.shares: no share of"):
        mixed_sources(recipe_from_mapping(manifest["recipe"]), manifest["shards"])


def test_a_size_in_bytes_of_text_is_for_text(tmp_path: Path) -> None:
    def change(raw: dict) -> None:
        raw["shards"]["target_shard_text_bytes"] = 1000

    refused(tmp_path, change, "shards.target_shard_text_bytes", "format: text")

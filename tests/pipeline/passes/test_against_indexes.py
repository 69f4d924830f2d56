"""Runs over one dump after another, against the indexes of those before, beside a joint run."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.commands.main import main as corpus
from pipeline.errors import RecipeError
from pipeline.inspection.explain import explain
from pipeline.inspection.verify import verify
from pipeline.recipe.from_yaml import load_recipe
from tests.support.dumps import N_DUMPS, card, write_dumps
from tests.support.dumps import write_recipe as recipe_of_dumps
from tests.support.runs import digests, run_demo
from tests.test_other_sources import kept
from tokenizer.shards import ShardReader
from transforms.registry import DEDUPLICATIONS

pytestmark = pytest.mark.slow

SHORT = {"drop_short": {"min_chars": 300}}
NEAR = {"min_overlap": 0, "shingle_words": 5, "bands": 28, "rows": 2, "prefer": "first",
        "max_neighbours": 1000, "max_partners": 1000}  # fmt: skip
STEPS = {
    "first": [SHORT, {"deduplicate_documents": {"keep": "first"}},
              {"deduplicate_lines": {"keep": "first"}}],
    "none": [SHORT, {"deduplicate_lines": {"keep": "none"}}],
    "near": [SHORT, {"deduplicate_near": NEAR}],
}  # fmt: skip
"""Bands decide what is near: any overlap is over `min_overlap`, as is any that minima estimate."""


def write_recipe(path: Path, dumps: Path, chosen: str, earlier: list[Path]) -> str:
    """Write the recipe of all sources over some dumps."""
    return recipe_of_dumps(path, dumps, chosen, STEPS, earlier)


@pytest.fixture(scope="module")
def dumps(tmp_path_factory) -> Path:
    """The dumps' folder."""
    return write_dumps(tmp_path_factory.mktemp("wet"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory, dumps) -> list[Path]:
    """Runs over one dump after another, and the joint one over all."""
    folder = tmp_path_factory.mktemp("dumps")
    made: list[Path] = []
    for dump in range(N_DUMPS):
        recipe = write_recipe(folder / f"{dump}.yaml", dumps, str(dump), made)
        made.append(folder / f"dump{dump}")
        assert run_demo(made[-1], "--recipe", recipe) == 0
    recipe = write_recipe(folder / "joint.yaml", dumps, f"[0-{N_DUMPS - 1}]", [])
    assert run_demo(folder / "joint", "--recipe", recipe) == 0
    return [*made, folder / "joint"]


def tokens(run: Path, source: str) -> dict[str, list[int]]:
    """Return the tokens that a run kept, by their documents' ids."""
    made = {}
    for identifier, row in kept(run, source).items():
        path, number = row["at"]
        reader = ShardReader(str(path).removesuffix(".docs.parquet"))
        made[identifier] = reader[number].tolist()
    return made


@pytest.mark.parametrize("source", ["first", "near"])
def test_what_is_kept_of_all_dumps_is_what_a_joint_run_keeps(runs, source):
    *one_by_one, joint = runs
    made = [tokens(run, source) for run in one_by_one]
    assert {i: t for one in made for i, t in one.items()} == tokens(joint, source)
    assert all(made)


def test_of_lines_without_any_copy_the_newest_dump_is_as_in_a_joint_run(runs):
    *_, newest, joint = runs
    expected = {i: t for i, t in tokens(joint, "none").items() if f"dump-{N_DUMPS - 1}." in i}
    assert tokens(newest, "none") == expected and expected


def test_the_indexes_matter(runs, dumps, tmp_path):
    alone = write_recipe(tmp_path / "alone.yaml", dumps, "2", [])
    assert run_demo(tmp_path / "out", "--recipe", alone) == 0
    for source in STEPS:
        assert len(tokens(tmp_path / "out", source)) > len(tokens(runs[2], source)) + 5


def test_a_merged_index_decides_as_those_it_is_made_of(runs, dumps, tmp_path, capsys):
    for source, steps in STEPS.items():
        for step in range(1, len(steps)):
            folders = [str(Path(card(run, source, step)).parent) for run in runs[: N_DUMPS - 1]]
            output = Path(card(tmp_path / "merged", source, step)).parent
            assert corpus(["index", "merge", *folders, "--output", str(output), "--json"]) == 0
            told = json.loads(capsys.readouterr().out)
            assert told["merged"] == [f"{folder}/card.json" for folder in folders]
    newest = str(N_DUMPS - 1)
    recipe = write_recipe(tmp_path / "last.yaml", dumps, newest, [tmp_path / "merged"])
    assert run_demo(tmp_path / "out", "--recipe", recipe) == 0
    for source in STEPS:
        assert tokens(tmp_path / "out", source) == tokens(runs[N_DUMPS - 1], source)
    went = gone(runs[N_DUMPS - 1], "near")
    for identifier in went[:3]:
        merged, apart = (
            explain(str(run), identifier) for run in (tmp_path / "out", runs[N_DUMPS - 1])
        )
        assert merged["fell_to"][0]["id"] == apart["fell_to"][0]["id"]


def gone(run: Path, source: str) -> list[str]:
    """Return the ids of the documents that the deduplications of a source dropped."""
    paths = sorted((run / "shards" / source).glob("dropped-*.parquet"))
    rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
    return [row["id"] for row in rows if row["step"] in DEDUPLICATIONS]


def as_compared(text: str) -> str:
    """Return of a text what surely counts where lines are compared: its letters."""
    return re.sub(r"[^a-z]", "", text.lower())


def test_what_was_dropped_for_an_earlier_run_names_the_index_and_the_document(runs, dumps):
    newest = N_DUMPS - 1
    earlier = {s: [card(run, s, 1) for run in runs[:newest]] for s in STEPS}
    fell = {s: [explain(str(runs[newest]), i) for i in gone(runs[newest], s)[:9]] for s in STEPS}
    documents = [
        one["fell_to"][0] for one in fell["first"] if one["dropped_by"] != "no_unique_line"
    ]
    assert documents and all(one.keys() == {"index"} for one in documents)
    assert {one["index"] for one in documents} <= set(earlier["first"])
    near = [one["fell_to"][0] for one in fell["near"] if "fell_to" in one]
    for one in near:
        assert one["index"] == earlier["near"][int(one["id"].split("dump-")[1][0])]
    assert len(near) > 3
    lines = [
        line
        for one in fell["none"]
        for decision in one["decisions"]
        for line in decision.get("removed_lines", ())
        if "index" in line
    ]
    for line in lines:
        dump = earlier["none"].index(line["index"])
        pages = gzip.decompress((dumps / f"dump-{dump}.warc.wet.gz").read_bytes()).decode(
            errors="replace"
        )
        assert as_compared(line["text"]) in as_compared(pages)
    assert len(lines) > 20


def test_cards_have_the_keys_of_the_run_alone_and_checksums(runs):
    counted = [json.loads(Path(card(run, "first", 1)).read_text()) for run in runs]
    n_keys = [one["keys"] for one in counted]
    assert n_keys[-1] <= sum(n_keys[:-1]) and all(n < n_keys[-1] for n in n_keys[:-1])
    assert all(one["unit"] == "DeduplicateDocuments" for one in counted)
    for run in runs:
        assert not verify(str(run))
    name = sorted(counted[0]["files"])[0]
    manifest = json.loads((runs[0] / "manifest.json").read_text())
    sealed = manifest["files"][f"indexes/first/step1/{name}"]
    assert counted[0]["files"][name]["sha256"] == sealed


def test_two_workers_and_a_run_that_goes_on_make_the_same_bytes(runs, dumps, tmp_path):
    recipe = write_recipe(tmp_path / "again.yaml", dumps, "2", runs[:2])
    again = tmp_path / "again"
    assert run_demo(again, "--recipe", recipe, workers=2) == 0
    made = digests(again)
    assert made == digests(runs[2])
    for name in ("manifest.json", "ledger.parquet", "ledger", "decisions/first", "indexes/first"):
        path = again / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert run_demo(again, "--recipe", recipe) == 0
    assert digests(again) == made


def write_card_with(path: Path, card_path: str, made_with: dict[str, int], **more: str) -> str:
    """Write a copy of a card that says something else."""
    read = json.loads(Path(card_path).read_text())
    path.write_text(json.dumps({**read, **more, "made_with": {**read["made_with"], **made_with}}))
    return str(path)


def test_a_card_that_is_none_or_of_another_kind_is_refused(runs, dumps, tmp_path):
    right = card(runs[0], "first", 1)

    def refused(given: str, expected: str, right: str = right) -> None:
        recipe = Path(write_recipe(tmp_path / "wrong.yaml", dumps, "2", runs[:1]))
        recipe.write_text(recipe.read_text().replace(right, given))
        with pytest.raises(RecipeError, match=expected):
            load_recipe(str(recipe))

    refused(str(tmp_path / "none.json"), "against: there is no file .*'index: true' writes it")
    refused(card(runs[0], "first", 2), "of .*DeduplicateLines.*, not of DeduplicateDocuments")
    refused(str(runs[0] / "run.json"), "it is no card of an index")
    right = card(runs[0], "near", 1)
    other = write_card_with(tmp_path / "other.json", right, {"bands": 14})
    refused(other, "made with .*'bands': 14.*, not with .*'bands': 28", right)
    older = write_card_with(tmp_path / "older.json", right, {}, format="llama-corpus keys, 1")
    refused(older, "it is the card of 'llama-corpus keys, 1', not of", right)


def test_damaged_keys_stop_the_run(runs, dumps, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(runs[0] / "indexes", copy / "indexes")
    for path in copy.rglob("*.keys"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(bytes(data))
    recipe = write_recipe(tmp_path / "damaged.yaml", dumps, "2", [copy])
    assert run_demo(tmp_path / "out", "--recipe", recipe) != 0
    assert "damaged index: its table is not as it was written" in capsys.readouterr().err

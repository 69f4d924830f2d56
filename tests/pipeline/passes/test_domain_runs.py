"""Runs of sources with domains: grouped shards, their counts, and mixtures of domains."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.commands.main import main as corpus
from pipeline.files.storage import json_bytes
from pipeline.inspection.verify import verify
from pipeline.output.layout import sealed
from tests.support.edited_recipes import edited
from tests.support.runs import digests, kill_when, run_demo, start

pytestmark = pytest.mark.slow

DOMAINS = {
    "commoncrawl": {"by": ["bucket", {"language_score": [0.9, 0.99]}]},
    "wikipedia": {"by": ["language"]},
    "stackexchange": {"by": ["metadata.site"]},
}
SIZES = ["--sources", "commoncrawl,wikipedia,stackexchange,c4",
         "--set", "shards.target_shard_tokens=30000"]  # fmt: skip


def recipe(folder: Path, **more: dict) -> str:
    def change(raw: dict) -> None:
        for source, domains in DOMAINS.items():
            raw["sources"][source]["domains"] = {**domains, **more.get(source, {})}

    return edited(folder, change)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("domains")
    assert run_demo(folder / "out", "--recipe", recipe(folder), *SIZES) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same sources without domains."""
    folder = tmp_path_factory.mktemp("plain")
    assert run_demo(folder / "out", "--recipe", edited(folder, lambda raw: None), *SIZES) == 0
    return folder / "out"


def manifest(output: Path) -> dict:
    return json.loads((output / "manifest.json").read_text())


def rows(output: Path, name: str) -> list[dict]:
    return pq.read_table(output / "shards" / f"{name}.docs.parquet").to_pylist()


def names(output: Path) -> set[str]:
    found = (output / "shards").rglob("*.docs.parquet")
    return {path.relative_to(output / "shards").as_posix().split(".docs")[0] for path in found}


def domain(row: dict) -> str:
    source = row["id"].split("/")[0]
    if source == "commoncrawl":
        score = row["language_score"]
        return f"{row['bucket']}/{0 if score < 0.9 else 1 if score < 0.99 else 2}"
    if source == "wikipedia":
        return row["language"]
    return json.loads(row["metadata"])["site"]


def test_shards_hold_the_documents_of_a_run_without_domains_grouped(made, plain) -> None:
    assert verify(str(made)) == []
    assert names(made) == names(plain)
    assert len(names(made)) > 9
    several = 0
    for name in names(made):
        there, before = rows(made, name), rows(plain, name)
        if name.startswith("c4/"):
            assert there == before
            continue
        expected = sorted(({**row, "domain": domain(row)} for row in before),
                          key=lambda row: row["domain"])  # fmt: skip
        for one in (*there, *expected):
            del one["token_offset"]
        assert there == expected
        several += len({row["domain"] for row in there}) > 1
    assert several >= 4


def test_bytes_of_other_sources_and_all_counts_stay(made, plain) -> None:
    with_domains, without = digests(made), digests(plain)
    assert with_domains.keys() == without.keys()
    for name, digest in without.items():
        if name.startswith(("shards/c4", "decisions", "joined")) or "/dropped-" in name:
            assert with_domains[name] == digest
    assert with_domains["ledger.parquet"] == without["ledger.parquet"]
    for name, counts in manifest(plain)["sources"].items():
        made_counts = manifest(made)["sources"][name]
        assert {key: made_counts[key] for key in counts} == counts
        if name == "c4":
            assert "domains" not in made_counts
            continue
        for part in ("train", "validation"):
            for key in ("documents", "tokens"):
                sizes = [one[f"{part}_{key}"] for one in made_counts["domains"].values()]
                assert sum(sizes) == counts[f"{part}_{key}"]


@pytest.mark.slow
def test_processes_and_kills_make_the_same_bytes(made, tmp_path) -> None:
    output = tmp_path / "out"
    command = ["--recipe", str(made.parent / "recipe.yaml"), "--output", str(output), *SIZES,
               "--workers", "2"]  # fmt: skip
    kill_when(start(*command), lambda: any(output.glob("shards/commoncrawl/*.bin")))
    assert not (output / "manifest.json").exists()
    assert run_demo(output, *command[:2], *SIZES, workers=2) == 0
    assert digests(output) == digests(made)


def test_weights_are_a_mixture(made, tmp_path, capsys) -> None:
    output = shutil.copytree(made, tmp_path / "out")
    weighted = recipe(tmp_path, wikipedia={"weights": {"en": 3}}, commoncrawl={"max_epochs": 9},
                      stackexchange={"shares": {"observatory.example.org": 0.25,
                                                "workshop.example.org": 0.75}})  # fmt: skip
    before = {name: d for name, d in digests(output).items() if name.startswith("shards/")}
    assert corpus(["mix", str(output), "--recipe", weighted, *SIZES, "--no_report"]) == 0
    printed = capsys.readouterr().out
    assert "recipe.sources.wikipedia.domains.weights is new" in printed
    assert "recipe.sources.commoncrawl.domains.max_epochs is new" in printed
    assert verify(str(output)) == []
    after = {name: d for name, d in digests(output).items() if name.startswith("shards/")}
    assert after == before
    sources = manifest(output)["sources"]
    wikipedia = sources["wikipedia"]["domains"]
    epochs = {name: one["epochs"] for name, one in wikipedia.items()}
    assert epochs["en"] == pytest.approx(3 * epochs["de"])
    assert epochs["fr"] == pytest.approx(epochs["de"])
    shares = [one["proportion"] for one in sources["stackexchange"]["domains"].values()]
    assert shares == [0.25, 0.75]
    for name in DOMAINS:
        sampled = [one["sampled_tokens"] for one in sources[name]["domains"].values()]
        assert abs(sum(sampled) - sources[name]["sampled_tokens"]) <= len(sampled)


def test_a_division_is_no_mixture(made, tmp_path, capsys) -> None:
    other = recipe(tmp_path, wikipedia={"by": ["language", "bucket"]})
    assert corpus(["mix", str(made), "--recipe", other, *SIZES]) == 2
    assert "recipe.sources.wikipedia.domains.by was" in capsys.readouterr().err


def test_a_domain_that_is_not_there_is_told(made, tmp_path, capsys) -> None:
    other = recipe(tmp_path, wikipedia={"weights": {"nl": 2}})
    before = digests(made)
    assert corpus(["mix", str(made), "--recipe", other, *SIZES]) == 2
    error = capsys.readouterr().err
    assert (
        error == "error: sources.wikipedia.domains.weights: no domain is nl; there are de, en, fr\n"
    )
    assert digests(made) == before


def test_domains_that_are_not_the_manifests_are_found(made, tmp_path) -> None:
    output = shutil.copytree(made, tmp_path / "out")
    changed = manifest(output)
    shard = next(one for one in changed["shards"] if one["source"] == "wikipedia")
    shard["parts"]["train"]["domains"][0]["tokens"] += 1
    (output / "manifest.json").write_bytes(json_bytes(sealed(changed)))
    name = f"shards/wikipedia/train-{shard['shard']:05d}.docs.parquet"
    assert f"{name}: its domains are not the manifest's" in verify(str(output))


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> object:
    assert corpus([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_commands_know_domains(made, capsys) -> None:
    listed = answer(capsys, "ls", str(made), "--domains")
    for name in names(made):
        of_shard = [one for one in listed if one["shard"] == name]
        counted = Counter(row.get("domain") for row in rows(made, name))
        assert {one["domain"]: one["documents"] for one in of_shard} == (
            {} if name.startswith("c4/") else dict(counted)
        )
    assert corpus(["ls", str(made), "--domains"]) == 0
    assert "observatory.example.org" in capsys.readouterr().out

    assert corpus(["stats", str(made)]) == 0
    printed = capsys.readouterr().out
    assert "Domains of wikipedia" in printed and "Domains of c4" not in printed

    drawn = answer(capsys, "sample", str(made), "--domain", "fr", "-n", "99")
    assert drawn["matching"] == len(drawn["documents"]) == 3
    assert {one["record"]["language"] for one in drawn["documents"]} == {"fr"}
    for more, text in ((["nl"], "has no domain 'nl'; there are: de, en, fr"),
                       (["fr", "--dropped"], "dropped documents have no domain")):  # fmt: skip
        assert corpus(["sample", str(made), "--source", "wikipedia", "--domain", *more]) == 2
        assert text in capsys.readouterr().err


def test_a_step_is_traced_to_domains(made, capsys) -> None:
    step = ["trace", str(made), "--step", "1", "--batch_tokens", "25600", "--sequence_length",
            "128", "--seed", "1"]  # fmt: skip
    spans = answer(capsys, *step)
    domains = {row["id"]: row.get("domain") for name in names(made) for row in rows(made, name)}
    assert {span["source"] for span in spans} == {*DOMAINS, "c4"}
    for span in spans:
        assert span["domain"] == domains[span["id"]]
    assert corpus(step) == 0
    assert "domain" in capsys.readouterr().out


def test_a_run_without_domains_says_that_it_has_none(plain, capsys) -> None:
    assert corpus(["ls", str(plain), "--domains"]) == 0
    words = " ".join(capsys.readouterr().out.split())  # a long path breaks the line
    assert words == f"{plain}: no source is divided into domains"


def test_report_and_card_show_domains(made, plain) -> None:
    for name in ("report.html", "DATACARD.md"):
        assert "observatory.example.org" in (made / name).read_text()
    assert "### Domains of wikipedia" in (made / "DATACARD.md").read_text()
    page = (made / "report.html").read_text()
    assert "Domains of divided sources" in page and 'id="chart-domains-wikipedia"' in page
    assert "### Domains of" not in (plain / "DATACARD.md").read_text()
    assert "Domains of divided sources" not in (plain / "report.html").read_text()

"""The command that lists cited urls, compared with a plain loop over the articles."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.commands.main import main
from pipeline.passes.plan import make_plan
from pipeline.passes.process import read_split
from pipeline.recipe.from_yaml import load_recipe
from tests.support.runs import ROOT, digests
from transforms.wikipedia.citations import cited_urls

RECIPE = str(ROOT / "recipes" / "from_scratch.yaml")
DUMPS = ["enwiki-minidump-pages-articles.xml.bz2", "dewiki-minidump-pages-articles.xml.bz2"]


@pytest.fixture
def settings(shared_data: Path, tmp_path: Path) -> list[str]:
    folder = tmp_path / "data" / "wikipedia"
    folder.mkdir(parents=True)
    for name in DUMPS:
        (folder / name).symlink_to(shared_data / "wikipedia" / name)
    return [f"data={folder.parent}", "made=/not/yet", "lid=/not/there"]


def plain_list(settings: list[str], language: str | None) -> list[str]:
    recipe = load_recipe(RECIPE, settings, ["wikipedia"], check_files=False)
    found = set()
    for split in make_plan(recipe).splits:
        for batch in read_split(split, recipe.sources[0], recipe.reading, ""):
            for row in batch.to_pylist():
                if row["dropped_by"] is None and language in (None, row["language"]):
                    found |= cited_urls(row["text"], row["language"])
    return sorted(found)


@pytest.mark.slow
def test_the_list_is_that_of_every_article(settings: list[str], tmp_path: Path) -> None:
    sets = [word for setting in settings for word in ("--set", setting)]
    command = ["cited-urls", "--recipe", RECIPE, *sets, "--workers", "1"]
    for language, more in ((None, []), ("de", ["--languages", "de"])):
        output = tmp_path / f"out-{language}"
        arguments = [*command, *more, "--output", str(output)]
        assert main(arguments) == 0
        lines = (output / "cited_urls.txt").read_text("utf-8").splitlines()
        assert lines == plain_list(settings, language) and len(lines) > 100
        before = digests(output)
        assert main(arguments) == 0
        assert digests(output) == before
        assert not (output / "work").exists()


def test_articles_of_the_opt_out_list_are_read_as_well(settings: list[str], tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("wikipedia.org\n")
    recipe = ["--recipe", RECIPE, "--set", f"opt_out={tmp_path / 'list.txt'}"]
    sets = [word for setting in settings for word in ("--set", setting)]
    output = ["--output", str(tmp_path / "out"), "--workers", "1", "--languages", "de"]
    assert main(["cited-urls", *recipe, *sets, *output]) == 0
    lines = (tmp_path / "out" / "cited_urls.txt").read_text("utf-8").splitlines()
    assert lines == plain_list(settings, "de")


def test_an_unknown_source_is_told(settings: list[str], tmp_path: Path, capsys) -> None:
    sets = [word for setting in settings for word in ("--set", setting)]
    arguments = ["cited-urls", "--recipe", RECIPE, *sets, "--output", str(tmp_path / "out")]
    assert main([*arguments, "--source", "wikipedias"]) == 2
    assert "did you mean 'wikipedia'?" in capsys.readouterr().err

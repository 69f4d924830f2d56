"""Checks of the files that a recipe names, before any work. Errors name the file and its key."""

from __future__ import annotations

import pytest

from pipeline.recipe.from_yaml import load_recipe
from tests.support.edited_recipes import edited, refused
from tests.support.runs import ROOT


def test_missing_model_is_named(tmp_path):
    def change(raw):
        raw["tokenizer"]["model"] = "/nowhere/tokenizer.model"

    refused(tmp_path, change, "/nowhere/tokenizer.model")


def language_model(**changes):
    models = ROOT / "samples" / "models"
    given = {"language": "en", "lm": models / "en.arpa.bin", "pieces": models / "en.sp.model"}
    return {"score_perplexity": {k: str(v) for k, v in {**given, **changes}.items()}}


def language(**changes):
    model = ROOT / "samples" / "models" / "lid.176.ftz"
    given = {"model": str(model), "languages": ["en"], "min_score": 0.5}
    return {"identify_language": {**given, **changes}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make_step", "expected"),
    [
        (lambda bad: language(model=bad), "identify_language.model: {bad}: not a whole fastText"),
        (lambda bad: language_model(lm=bad), "score_perplexity.lm: {bad}: not a KenLM model, or"),
        (lambda bad: language_model(pieces=bad), "score_perplexity.pieces: {bad}: not a SentenceP"),
        (
            lambda bad: {"bucket_by_perplexity": {"cutoffs": {"en": bad}, "keep": ["head"]}},
            "bucket_by_perplexity.cutoffs: cutoffs of en: {bad} is no card of a language model",
        ),
        (
            lambda bad: {"classify_top": {
                "model": str(ROOT / "samples/models/lid.176.ftz"), "label": "en", "card": bad,
                "keep_fraction": 0.1}},
            "classify_top.card: {bad}: has no percentiles of the label 'en'",
        ),
        (lambda bad: {"keep_cited": {"urls": bad}}, "keep_cited.urls: {bad}: the list has no"),
        (lambda bad: language(languages=["english"]), "has no label 'english'; it has "),
        (lambda bad: {"keep_licences": {"families": ["mitt"]}}, "keep_licences: no licence famil"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_model_is_named_with_its_key(tmp_path, make_step, expected):
    bad = tmp_path / "bad.model"
    bad.write_text("# no model\n")
    step = make_step(str(bad))
    expected = f"sources.c4.steps.{next(iter(step))}", expected.replace("{bad}", str(bad))
    refused(tmp_path, lambda raw: raw["sources"]["c4"].update(steps=[step]), *expected)


@pytest.mark.slow
def test_models_that_are_cut_are_refused(tmp_path):
    for name, make_step in [
        ("lid.176.ftz", lambda cut: language(model=cut)),
        ("en.arpa.bin", lambda cut: language_model(lm=cut)),
        ("en.sp.model", lambda cut: language_model(pieces=cut)),
    ]:
        whole = (ROOT / "samples" / "models" / name).read_bytes()
        for part in (0, 0.5):
            cut = tmp_path / name
            cut.write_bytes(whole[: int(part * len(whole))])
            steps = [make_step(str(cut))]
            refused(tmp_path, lambda raw, s=steps: raw["sources"]["c4"].update(steps=s), str(cut))


def test_a_tokenizer_that_is_none_is_refused(tmp_path):
    bad = tmp_path / "bad.model"
    bad.write_bytes((ROOT / "samples" / "models" / "tokenizer.model").read_bytes()[:5000])

    def change(raw):
        raw["tokenizer"]["model"] = str(bad)

    made = "'corpus train-tokenizer' makes it"
    refused(tmp_path, change, f"tokenizer.model: {bad}: a SentencePiece model that ends", made)
    bad = tmp_path
    refused(tmp_path, change, f"tokenizer.model: {tmp_path} is a folder, not a file", made)


@pytest.mark.slow
def test_files_of_a_step_in_a_list_a_mapping_or_left_out_are_checked_as_well(tmp_path, monkeypatch):
    (tmp_path / "own_lists.py").write_text(
        "from transforms.documents import FilePath\n"
        "def step(batch, *, lists: list[FilePath], one: FilePath | None = None,\n"
        "         each: dict[str, list[float] | FilePath] | None = None):\n"
        "    return batch\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "a.txt").touch()
    here, gone = str(tmp_path / "a.txt"), str(tmp_path / "b.txt")

    def with_step(**parameters):
        return lambda raw: raw["sources"]["c4"].update(steps=[{"own_lists.step": parameters}])

    recipe = load_recipe(edited(tmp_path, with_step(lists=[here], one=None)))
    assert here in recipe.files() and recipe.source("c4").steps[0].files() == [here]
    refused(tmp_path, with_step(lists=[here, gone]), gone)
    refused(tmp_path, with_step(lists=[here], one=gone), gone)
    recipe = load_recipe(edited(tmp_path, with_step(lists=[], each={"a": [1, 2], "b": here})))
    assert recipe.source("c4").steps[0].files() == [here]
    refused(tmp_path, with_step(lists=[], each={"b": gone}), gone)

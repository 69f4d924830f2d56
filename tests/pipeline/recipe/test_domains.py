"""The key ``domains`` of a source: what a recipe may say there, and what of it is the mixture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import RecipeError
from pipeline.recipe.domains import Curve, DomainColumn
from pipeline.recipe.from_yaml import load_recipe
from pipeline.recipe.mixture import mixture_of, with_mixture, without_mixture
from tests.support.edited_recipes import edited, refused

CURVE = {"column": "bucket", "C": 2, "p": 1.5, "lambda": 3}


def with_domains(domains: object):
    return lambda raw: raw["sources"]["wikipedia"].update(domains=domains)


@pytest.mark.slow
def test_columns_may_have_cutoffs(tmp_path: Path) -> None:
    by = ["language", "metadata.site", {"perplexity": [200, 300.5]}, {"metadata.score": [0]}]
    path = edited(tmp_path, with_domains({"by": by, "max_epochs": 4}))
    domains = load_recipe(path).source("wikipedia").domains
    assert domains is not None
    assert domains.columns == (
        DomainColumn("language", ()),
        DomainColumn("metadata.site", ()),
        DomainColumn("perplexity", (200.0, 300.5)),
        DomainColumn("metadata.score", (0.0,)),
    )
    assert (domains.weights, domains.shares, domains.max_epochs) == (None, None, 4.0)
    assert load_recipe(path).source("c4").domains is None


def test_weights_may_be_a_curve_beside_numbers(tmp_path: Path) -> None:
    weights = {"curve": CURVE, "unknown": 0}
    path = edited(tmp_path, with_domains({"by": ["bucket"], "weights": weights}))
    domains = load_recipe(path).source("wikipedia").domains
    assert domains is not None and domains.weights == {"unknown": 0.0}
    assert domains.curve == Curve("bucket", 2.0, 1.5, 3.0)


@pytest.mark.parametrize(
    ("domains", "expected"),
    [
        ({}, "wikipedia.domains: the key 'by' is missing"),
        ({"by": []}, "at least one column"),
        ({"by": ["langage"]}, "did you mean 'language'"),
        ({"by": ["site"]}, "a field of the metadata is written metadata.FIELD"),
        ({"by": ["perplexity"]}, "by[0]: perplexity is a number; give its cut-offs"),
        ({"by": [{"language": [1]}]}, "language is no number"),
        ({"by": [{"perplexity": [2, 1]}]}, "the cut-offs do not ascend"),
        ({"by": [{"perplexity": []}]}, "expected a list of numbers"),
        ({"by": [7]}, "expected a column"),
        ({"by": ["language"], "weight": {}}, "did you mean 'weights'"),
        ({"by": ["language"], "weights": {}}, "expected a mapping of domains to numbers"),
        ({"by": ["language"], "weights": {False: 1}}, "write the name in quotes"),
        ({"by": ["language"], "weights": {"en": -1}}, "weights.en: expected a number from 0 on"),
        ({"by": ["language"], "weights": {"en": 0}}, "all are 0"),
        ({"by": ["language"], "shares": {"en": 0.5, "de": 0.4}}, "add up to 0.9, not to 1"),
        ({"by": ["language"], "shares": {"en": 1}, "weights": {"en": 1}}, "found both"),
        (
            {
                "by": ["language"],
                "weights": {"curve": {"column": "bucket", "C": 1, "p": 1, "lambda": 1}},
            },
            "'bucket' is none of the columns of 'by', language",
        ),
        (
            {
                "by": ["bucket"],
                "weights": {"curve": {"column": "bucket", "C": 0, "p": 1, "lambda": 1}},
            },
            "curve.C: expected a number above 0",
        ),
        ({"by": ["language"], "max_epochs": 0}, "max_epochs: expected a number above 0"),
        ({"by": ["language"], "weights": "none.yaml"}, "there is no file none.yaml"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path: Path, domains: object, expected: str) -> None:
    refused(tmp_path, with_domains(domains), expected)


def test_weights_of_a_file_stand_in_the_recipe(tmp_path: Path) -> None:
    file = tmp_path / "weights.yaml"
    file.write_text("en: 2\n'no': 0.5\n")
    path = edited(tmp_path, with_domains({"by": ["language"], "weights": str(file)}))
    recipe = load_recipe(path)
    domains = recipe.source("wikipedia").domains
    assert domains is not None and domains.weights == {"en": 2.0, "no": 0.5}
    assert recipe.mapping["sources"]["wikipedia"]["domains"]["weights"] == {"en": 2, "no": 0.5}
    for text, expected in (("en: [", "not YAML"), ("en: 1\nen: 2\n", "is given twice")):
        file.write_text(text)
        with pytest.raises(RecipeError, match=rf"domains.weights: .*weights.yaml: .*{expected}"):
            load_recipe(path)


@pytest.mark.slow
def test_a_recipe_is_what_is_built_and_a_mixture(tmp_path: Path) -> None:
    def mapping(**more: object) -> dict:
        path = edited(tmp_path, with_domains({"by": ["language"], **more}))
        return json.loads(json.dumps(load_recipe(path).mapping))

    plain, weighted = mapping(), mapping(weights={"en": 2}, max_epochs=4)
    assert without_mixture(plain) == without_mixture(weighted)
    assert mixture_of(plain) != mixture_of(weighted)
    assert with_mixture(plain, mixture_of(weighted)) == weighted
    assert with_mixture(weighted, mixture_of(plain)) == plain
    assert without_mixture(plain)["sources"]["wikipedia"]["domains"] == {"by": ["language"]}
    assert mixture_of(mapping(weights=None)) == mixture_of(plain)

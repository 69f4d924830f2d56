"""Errors for missing options of a run on Dataflow, in one line, before any work."""

from __future__ import annotations

import importlib.util
import sys
import types

import pytest

import beam_runner
from pipeline.errors import RunError
from pipeline.runners.dataflow import check_options
from tests.support.runs import ROOT

COMPLETE = [
    "--project=p", "--region=r", "--temp_location=gs://b/tmp", "--sdk_container_image=image",
]  # fmt: skip


@pytest.fixture
def google(monkeypatch):
    """Pretend that Google's packages are installed. The checks only try to import them."""
    name = "apache_beam.runners.dataflow.internal.apiclient"
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))


def without(option: str) -> list[str]:
    return [argument for argument in COMPLETE if not argument.startswith(option)]


@pytest.mark.parametrize(
    ("arguments", "output", "expected"),
    [
        (without("--project"), "gs://b/o", "needs --project=PROJECT"),
        (without("--region"), "gs://b/o", "needs --region=REGION"),
        (without("--temp"), "gs://b/o", "needs --temp_location=gs://BUCKET/FOLDER"),
        (without("--sdk"), "gs://b/o", "give its image with --sdk_container_image"),
        (COMPLETE, "out/demo", "--output: Dataflow's workers cannot write to out/demo"),
        ([*without("--temp"), "--temp_location=/tmp"], "gs://b/o", "not /tmp"),
    ],
)
def test_what_is_missing_is_told(google, arguments, output, expected):
    with pytest.raises(RunError, match=r"^[^\n]+$") as error:
        check_options(["--runner=DataflowRunner", *arguments], output)
    assert expected in str(error.value)


def test_all_that_is_missing_is_told_at_once(google):
    with pytest.raises(RunError, match=r"--project=PROJECT and --region=REGION and --temp_loc"):
        check_options(["--runner=DataflowRunner"], "gs://b/o")


def test_complete_options_pass(google):
    check_options(["--runner=DataflowRunner", *COMPLETE], "gs://b/o")


@pytest.mark.skipif(
    importlib.util.find_spec("google.cloud") is not None, reason="Google's packages are here"
)
def test_missing_packages_are_told():
    with pytest.raises(RunError, match=r"pip install '\.\[gcp\]'"):
        check_options(["--runner=DataflowRunner", *COMPLETE], "gs://b/o")


def told(capsys, *arguments: str) -> str:
    """Run the command, which must refuse in one line; return the line."""
    assert beam_runner.main(["--runner=DataflowRunner", *arguments, *COMPLETE]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.mark.slow
def test_local_inputs_are_told(capsys):
    error = told(capsys, "--output", "gs://b/o")
    assert "sources.commoncrawl.input: Dataflow's workers cannot see" in error


def test_local_models_are_told(capsys):
    recipe = ["--set", "data=gs://b/data", "--output", "gs://b/o"]
    error = told(capsys, *recipe)
    assert "steps.identify_language: Dataflow's workers cannot see" in error
    assert str(ROOT / "recipes") in error and "lid.176.ftz" in error


def test_buckets_without_packages_are_told_on_any_runner(capsys):
    if importlib.util.find_spec("google.cloud") is not None:
        pytest.skip("Google's packages are here")
    assert beam_runner.main(["--output", "gs://b/o", "--set", "models=gs://b/models"]) == 2
    error = capsys.readouterr().err
    assert "gs:// cannot be read here: pip install '.[gcp]'" in error and error.count("\n") == 1

"""What a runner asks of a plan, and how much of a shuffle it holds."""

from __future__ import annotations

import argparse
import math

import pytest
from apache_beam.options.pipeline_options import DirectOptions

from pipeline.errors import RunError
from pipeline.recipe.from_yaml import load_recipe
from pipeline.recipe.recipe import Recipe
from pipeline.runners import choose, spark
from pipeline.runners.beam_options import check_beam_arguments
from pipeline.runners.choose import execution
from pipeline.runners.forked_workers import ForkServer
from tests.support.runs import ROOT

SPARK = [
    f"--spark_job_server_jar={__file__}", "--spark_master_url=local[2]",
    "--environment_type=LOOPBACK",
]  # fmt: skip


class Unasked:
    """A plan that nothing may be asked of."""

    def __getattr__(self, name: str) -> None:
        raise AssertionError(f"{name} was asked for")


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe(str(ROOT / "recipes" / "demo.yaml"))


def options(runner: str) -> argparse.Namespace:
    return argparse.Namespace(runner=runner, workers=1, memory_bytes=4e9)


def test_the_direct_runner_asks_nothing_of_the_plan(tmp_path, recipe):
    how = execution(options("DirectRunner"), [], str(tmp_path), recipe)
    how.make_pipeline(Unasked())
    assert how.shuffle_limit == 1_000_000_000


@pytest.mark.parametrize("name", ["directrunner", "DIRECTRUNNER", "fnapirunner"])
def test_a_runner_is_the_same_in_any_case(tmp_path, recipe, name):
    how = execution(options(name), [], str(tmp_path), recipe)
    assert how.holds_shuffle_in_memory and how.shuffle_limit == 1_000_000_000
    with pytest.raises(RunError, match="--num: there is no such option"):
        check_beam_arguments(["--num"], [], name)


def test_a_remote_runner_is_the_same_in_any_case(tmp_path, monkeypatch, recipe):
    monkeypatch.setattr(spark, "_check_java", lambda launcher: None)
    how = execution(options("sparkrunner"), SPARK, str(tmp_path), recipe)
    assert not how.holds_shuffle_in_memory
    with pytest.raises(AssertionError, match="shuffle_bytes was asked for"):
        how.make_pipeline(Unasked())
    with pytest.raises(RunError, match="did you mean 'SparkRunner'"):
        execution(options("SparkRuner"), [], str(tmp_path), recipe)


def test_spark_counts_the_plan_as_it_makes_a_pipeline(tmp_path, monkeypatch, recipe):
    monkeypatch.setattr(spark, "_check_java", lambda launcher: None)
    how = execution(options("SparkRunner"), SPARK, str(tmp_path), recipe)
    assert how.shuffle_limit == math.inf
    with pytest.raises(AssertionError, match="shuffle_bytes was asked for"):
        how.make_pipeline(Unasked())


def test_spark_does_not_count_the_plan_where_the_tasks_are_given(tmp_path, monkeypatch, recipe):
    monkeypatch.setattr(spark, "_check_java", lambda launcher: None)
    given = "--job_server_jvm_properties=-Dspark.default.parallelism=3"
    execution(options("SparkRunner"), [*SPARK, given], str(tmp_path), recipe).make_pipeline(
        Unasked()
    )


class Sized(Unasked):
    """A plan of which the amount of work is known."""

    def __init__(self, core_seconds: float) -> None:
        self.core_seconds = core_seconds


@pytest.mark.parametrize(
    ("workers", "core_seconds", "expected"),
    [
        (None, 0.9 * choose.WORTH_SECONDS, 1),
        (None, 1.1 * choose.WORTH_SECONDS, 3),
        (2, 0.9 * choose.WORTH_SECONDS, 2),
    ],
)
def test_small_work_stays_in_the_process_unless_workers_are_asked_for(
    tmp_path, monkeypatch, recipe, workers, core_seconds, expected
):
    monkeypatch.setattr(choose.os, "cpu_count", lambda: 3)
    started = []
    monkeypatch.setattr(ForkServer, "start", lambda server: started.append(server))
    given = argparse.Namespace(runner="DirectRunner", workers=workers, memory_bytes=4e9)
    how = execution(given, [], str(tmp_path), recipe)
    pipeline = how.make_pipeline(Sized(core_seconds))
    how.close()
    assert pipeline.options.view_as(DirectOptions).direct_num_workers == expected
    assert len(started) == (expected > 1)

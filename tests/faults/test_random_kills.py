"""Runs that are killed at random. In the end their files are those of an undisturbed run.

``FAULTS_SEEDS=100,101`` in the environment tries other seeds than the ones here.
``python -m tests.faults.random_kills`` tries any number.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.kills import TABLE_HEAD, case_of, table_line, try_case
from tests.support.spark_cluster import Cluster, spark_cluster

pytestmark = pytest.mark.slow

SEEDS = {"memory": "1", "processes": "13", "cluster": "909"}


@pytest.fixture
def cluster(spark_programs: None, tmp_path: Path) -> Iterator[Cluster]:
    """A standalone cluster."""
    with spark_cluster(tmp_path / "cluster") as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("runner", SEEDS)
def test_a_run_killed_at_random_comes_out_as_if_it_had_not_been(
    runner, whole_run, expected, tmp_path, capsys, request
):
    cluster = request.getfixturevalue("cluster") if runner == "cluster" else None
    for seed in os.environ.get("FAULTS_SEEDS", SEEDS[runner]).split(","):
        case = case_of(int(seed), [runner])
        run = whole_run._replace(output=tmp_path / seed)
        outcome = try_case(case, run, expected, cluster=cluster)
        with capsys.disabled():  # the kills are printed for a passing test, too
            print(f"\n{TABLE_HEAD}\n{table_line(len(outcome.killed), outcome)}")
        assert not outcome.problems, table_line(len(outcome.killed), outcome)
        assert outcome.killed, "the run was complete before it could be killed"

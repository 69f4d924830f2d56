"""A thousand mutated files through all readers: no crash, no hang, and all records counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.hostile.fuzz import Totals, fuzz
from tests.hostile.mutations import mutant

pytestmark = pytest.mark.slow

SEEDS = range(1_000)


@pytest.mark.slow
def test_mutated_files_break_no_promise(capsys):
    totals = Totals()
    keep = Path(ROOT) / "out" / "hostile"
    failures = [str(failure) for failure in fuzz(SEEDS, None, keep, totals)]
    with capsys.disabled():
        print(f"\nseeds {SEEDS.start} to {SEEDS.stop - 1}: {totals}")
    assert totals.files == len(SEEDS)
    assert not failures, "\n\n".join(failures)


def test_a_seed_always_makes_the_same_file():
    assert [mutant(seed) for seed in range(40)] == [mutant(seed) for seed in range(40)]
    assert len(Counter(mutant(seed).reader for seed in range(10))) == 10

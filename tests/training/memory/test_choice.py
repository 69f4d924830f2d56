"""Checkpointing, micro-batch and reduction, chosen by a device's memory."""

from __future__ import annotations

import pytest

from training.memory.choice import Choice, Wishes, choose, table
from training.memory.estimate import Setup, estimate
from training.model import MODELS

GB = 10**9


def chosen(
    size: str, n_processes: int, gigabytes: int | None, wishes: Wishes | None = None
) -> Choice:
    setup = Setup(MODELS[size], n_processes, 2048)
    share = -(-2048 // n_processes)
    return choose(setup, share, wishes or Wishes(), gigabytes and gigabytes * GB)


def test_what_is_chosen() -> None:
    assert chosen("10M", 1, None)[:4] == ("none", 8, 256, False)
    assert chosen("7B", 512, 80)[:4] == ("none", 4, 1, False)
    assert chosen("7B", 64, 80)[:4] == ("none", 7, 5, True)
    assert chosen("65B", 512, 80)[:4] == ("none", 1, 4, True)
    assert chosen("65B", 48, 80)[:4] == ("selective", 1, 43, True)
    assert chosen("33B", 8, 80)[:4] == ("full", 1, 256, True)


def test_copies_take_the_memory_of_fewer_processes() -> None:
    copies = Setup(MODELS["65B"], 512, 2048, checkpointing="full", copies=8)
    assert estimate(copies) == estimate(copies._replace(n_processes=64, copies=1))
    with pytest.raises(ValueError, match="weights on 512 processes in 64 copies takes"):
        choose(copies._replace(copies=64), 4, Wishes(), 80 * GB)


@pytest.mark.parametrize(("size", "n_processes"), [("7B", 8), ("13B", 64), ("65B", 48)])
def test_it_fits_and_more_would_not(size: str, n_processes: int) -> None:
    limit = 0.92 * 80 * GB
    choice = chosen(size, n_processes, 80)
    assert choice.memory.total <= limit
    share = -(-2048 // n_processes)
    if choice.micro_batch_samples < min(8, share):
        wishes = Wishes(choice.checkpointing, choice.micro_batch_samples + 1, True)
        with pytest.raises(ValueError, match="leave checkpointing and micro-batch to the trainer"):
            chosen(size, n_processes, 80, wishes)


def test_wishes_are_kept() -> None:
    assert chosen("7B", 64, 80, Wishes("full"))[:2] == ("full", 8)
    assert chosen("7B", 64, 80, Wishes(None, 2))[:2] == ("none", 2)
    assert chosen("7B", 64, 80, Wishes(None, None, True)).reduce_each


def test_what_does_not_fit_is_told_with_the_figures() -> None:
    with pytest.raises(ValueError, match=r"65,\d{3},\d{3},\d{3} weights on 8 processes takes") as e:
        chosen("65B", 8, 80)
    assert "weights 32.6, optimiser 65.3" in str(e.value) and "73.6 GB are there" in str(e.value)
    assert "\n" not in str(e.value)


def test_the_table_has_a_line_for_each_choice() -> None:
    lines = table(Setup(MODELS["7B"], 1, 2048), [8, 64]).splitlines()
    assert len(lines) == 2 + 2 * 3
    assert lines[4].split()[:2] == ["8", "full"]

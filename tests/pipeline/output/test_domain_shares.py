"""Shares of domains, from weights and shares, and under a cap of epochs."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RecipeError
from pipeline.output.domain_shares import domain_shares
from pipeline.recipe.domains import Curve, DomainColumn, Domains

TOKENS = {"de/head": 100, "de/tail": 300, "en/head": 200, "en/tail": 400}


def shares(tokens=None, sampled=1000.0, weights=None, shares=None, max_epochs=None):
    domains = Domains((), weights, shares, max_epochs)
    return domain_shares(domains, tokens or TOKENS, sampled, "sources.c4.domains")


def test_without_weights_sizes_decide() -> None:
    assert shares() == {"de/head": 0.1, "de/tail": 0.3, "en/head": 0.2, "en/tail": 0.4}


def test_weights_are_relative_to_sizes() -> None:
    of = shares(weights={"de/*": 2.0, "en/tail": 0.0, "de/head": 4.0})
    drawn = {"de/head": 400, "de/tail": 600, "en/head": 200, "en/tail": 0}
    assert of == pytest.approx({name: n / 1200 for name, n in drawn.items()})


def test_shares_are_taken_as_they_are() -> None:
    wanted = {"de/head": 0.0, "de/tail": 0.25, "en/head": 0.25, "en/tail": 0.5}
    assert shares(shares=wanted) == wanted


def test_what_is_over_the_cap_is_given_to_the_others_in_proportion() -> None:
    wanted = {"de/head": 0.4, "de/tail": 0.3, "en/head": 0.2, "en/tail": 0.1}
    of = shares(shares=wanted, max_epochs=2)
    assert of == pytest.approx(
        {"de/head": 0.2, "de/tail": 0.4, "en/head": 0.8 / 3, "en/tail": 0.4 / 3}
    )
    of = shares(shares=wanted, max_epochs=1.2)  # the second is over with what the first gives
    assert of == pytest.approx({"de/head": 0.12, "de/tail": 0.36, "en/head": 0.24, "en/tail": 0.28})


@given(
    st.lists(
        st.tuples(st.integers(0, 10**12), st.one_of(st.just(0.0), st.floats(1e-3, 1e3))),
        min_size=1,
        max_size=30,
    ),
    st.floats(0.1, 50),
    st.floats(0.01, 40),
)
def test_shares_add_up_and_none_is_over_the_cap(sizes, max_epochs, epochs) -> None:
    tokens = {f"d{i}": n for i, (n, _) in enumerate(sizes)}
    weights = {f"d{i}": weight for i, (_, weight) in enumerate(sizes)}
    drawn = sum(n for n, weight in sizes if weight)
    sampled = epochs * sum(tokens.values())
    if not sum(tokens.values()):
        assert set(shares(tokens, 1000, weights).values()) == {0.0}
        return
    if not drawn or sampled > 0.999999 * max_epochs * drawn:
        with pytest.raises(RecipeError):
            shares(tokens, sampled * 1.00001, weights, max_epochs=max_epochs)
        return
    plain = shares(tokens, sampled, weights)
    of = shares(tokens, sampled, weights, max_epochs=max_epochs)
    assert sum(of.values()) == pytest.approx(1)
    free = []
    for name, share in of.items():
        assert (share == 0) == (plain[name] == 0)
        cap = max_epochs * tokens[name] / sampled
        assert share <= cap * (1 + 1e-9)
        if share and share < cap * (1 - 1e-9):
            free.append(share / plain[name])
            assert share >= plain[name] * (1 - 1e-9)
    assert free == pytest.approx([free[0]] * len(free) if free else [])


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"weights": {"fr": 1.0}}, "weights: no domain is fr; there are de/head, de/tail"),
        ({"weights": {"fr/*": 1.0, "*": 1.0}}, "weights: no domain is fr/*; there are"),
        ({"weights": {"*": 0.0}}, "every domain has the weight 0"),
        ({"shares": {"de/head": 1.0}}, "shares: no share of de/tail, en/head, en/tail; 0 leaves"),
        ({"shares": {"*": 1.0}}, "shares: no share of de/head"),
        ({"max_epochs": 0.5}, "0.5 epochs of its domains are 500 tokens, but 1,000 are to be"),
        ({"tokens": {"de": 0, "en": 5}, "shares": {"de": 0.5, "en": 0.5}}, "de has no training"),
    ],
)
def test_mistakes_are_told_with_their_place(more, expected) -> None:
    with pytest.raises(RecipeError) as error:
        shares(**more)
    assert expected in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).startswith("sources.c4.domains")


def test_a_curve_weighs_buckets_by_their_percentile() -> None:
    tokens = {"en/0": 100, "de/0": 100, "en/1": 200, "en/10": 600, "en/unknown": 50}
    columns = (DomainColumn("language", ()), DomainColumn("bucket", ()))
    curve = Curve("bucket", C=2.0, p=1.5, lambda_=0.7)
    domains = Domains(columns, {"*/unknown": 0.0, "de/0": 0.5}, None, None, curve)
    of = domain_shares(domains, tokens, 1000.0, "d")
    wanted = {"de/0": 0.5 * 100, "en/unknown": 0.0}
    for name, x in (("en/0", 0.1), ("en/1", 0.3), ("en/10", 0.7)):
        wanted[name] = tokens[name] * 2 * x**1.5 * math.exp(0.7 * x)
    assert of == pytest.approx({n: w / sum(wanted.values()) for n, w in wanted.items()})
    without = Domains(columns, None, None, None, curve)
    with pytest.raises(RecipeError, match=r"d\.weights\.curve: en/unknown has no number"):
        domain_shares(without, tokens, 1000.0, "d")


def test_weights_may_name_ranges_that_no_document_is_in() -> None:
    columns = (DomainColumn("language", ()), DomainColumn("metadata.cluster_size", (2.0, 100.0)))
    tokens = {"de/0": 100, "en/0": 100, "en/1": 100}

    def of(weights: dict[str, float]) -> dict[str, float]:
        return domain_shares(Domains(columns, weights, None, None), tokens, 1000.0, "d")

    found = of({"*/0": 1.0, "*/1": 2.0, "*/2": 8.0, "de/2": 3.0})
    assert found == pytest.approx({"de/0": 0.25, "en/0": 0.25, "en/1": 0.5})
    for name in ("*/3", "fr/0", "2", "de/head", "*/*/0"):
        with pytest.raises(RecipeError, match="no domain is"):
            of({"*/0": 1.0, name: 2.0})

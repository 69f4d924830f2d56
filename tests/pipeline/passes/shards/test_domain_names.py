"""Names of the domains that documents belong to."""

from __future__ import annotations

import pytest

from pipeline.passes.shards.domain_names import MAX_VALUE_CHARS, domain_names
from pipeline.recipe.domains import DomainColumn
from transforms.documents import documents, with_column

BATCH = with_column(
    with_column(
        documents(
            ["a", "b", "c", "d"],
            ["", "", "", ""],
            metadata=['{"site": "x/y%", "n": 7}', '{"site": "", "n": 2.5}', "{}", None],
        ),
        "language",
        ["en", "de", None, "en"],
    ),
    "perplexity",
    [99.9, 100.0, None, 5000.0],
)


def names(*columns: tuple[str, tuple[float, ...]]) -> list[str]:
    return domain_names(BATCH, [DomainColumn(*column) for column in columns]).to_pylist()


def test_labels_and_fields_of_the_metadata() -> None:
    assert names(("language", ())) == ["en", "de", "unknown", "en"]
    assert names(("metadata.site", ())) == ["x%2Fy%25", "unknown", "unknown", "unknown"]
    assert names(("metadata.n", ()), ("language", ())) == [
        "7/en", "2.5/de", "unknown/unknown", "unknown/en",
    ]  # fmt: skip


def test_values_that_python_takes_for_equal_are_several() -> None:
    one = [f'{{"n": {value}}}' for value in ("1", "1.0", "true", "NaN")]
    batch = documents(list("abcd"), [""] * 4, metadata=one)
    plain, divided = (DomainColumn("metadata.n", cutoffs) for cutoffs in ((), (0.5,)))
    for rows, expected in ((slice(0, 3), ["1", "1.0", "true"]), (slice(2, 3), ["true"])):
        part = batch.slice(rows.start, rows.stop - rows.start)
        assert domain_names(part, [plain]).to_pylist() == expected
    last = batch.slice(3, 1)
    assert domain_names(last, [divided]).to_pylist() == ["unknown"]


def test_numbers_are_divided_at_cutoffs() -> None:
    assert names(("perplexity", (100.0, 200.0))) == ["0", "1", "unknown", "2"]
    twenty = tuple(250.0 * i for i in range(1, 20))
    assert names(("perplexity", twenty)) == ["00", "00", "unknown", "19"]
    assert names(("metadata.n", (2.5, 7.0))) == ["2", "1", "unknown", "unknown"]


@pytest.mark.parametrize(
    ("value", "cutoffs", "expected"),
    [
        ('["a"]', (), "a list or a mapping names no domain"),
        ('{"a": 1}', (), "a list or a mapping names no domain"),
        ('"a"', (1.0,), "'a' is no number"),
        ("true", (1.0,), "True is no number"),
        (f'"{"a" * (MAX_VALUE_CHARS + 1)}"', (), "a value of 201 characters"),
    ],
)
def test_values_that_name_no_domain_are_refused(value, cutoffs, expected) -> None:
    batch = documents(["a"], [""], metadata=[f'{{"x": {value}}}'])
    with pytest.raises(ValueError, match=f"metadata.x: {expected}"):
        domain_names(batch, [DomainColumn("metadata.x", cutoffs)])

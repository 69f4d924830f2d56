"""Rows and bars of the domains of a divided source."""

from __future__ import annotations

import pytest

from pipeline.report.charts import LABEL_CHARS, domains
from pipeline.report.domains import charted, domain_rows


def counts(tokens: dict[str, tuple[int, int]]) -> dict:
    """Return what a manifest says of a source, from its domains' own and sampled tokens."""
    sampled = sum(drawn for _, drawn in tokens.values())
    return {
        "domains": {
            name: {"train_tokens": own, "proportion": drawn / sampled, "sampled_tokens": drawn,
                   "epochs": drawn / own if own else None}
            for name, (own, drawn) in tokens.items()
        }
    }  # fmt: skip


def test_a_weight_is_what_is_drawn_over_what_there_is() -> None:
    rows = domain_rows(counts({"de": (300, 100), "en": (100, 100), "empty": (0, 0)}))
    assert [row["domain"] for row in rows] == ["de", "en", "empty"]
    assert [row["unique_share"] for row in rows] == [0.75, 0.25, 0.0]
    assert [row["weight"] for row in rows] == [pytest.approx(2 / 3), 2.0, None]
    assert domain_rows({}) == []


def test_small_domains_are_added_up_and_large_ones_left_out_stay() -> None:
    tokens = {f"d{i:03d}": (1000 + i, 10 * i) for i in range(100)}
    rows = domain_rows(counts({**tokens, "unwanted": (50_000, 0)}))
    shown = charted(rows, 30)
    assert len(shown) == 31 and shown[-1]["domain"] == "71 others"
    assert shown[0]["domain"] == "unwanted" and shown[1]["domain"] == "d099"
    for key in ("proportion", "unique_share", "train_tokens", "sampled_tokens"):
        assert sum(row[key] for row in shown) == pytest.approx(sum(row[key] for row in rows))
    others = shown[-1]
    assert others["epochs"] == others["sampled_tokens"] / others["train_tokens"]
    assert [row["domain"] for row in charted(rows[:31], 30)][-1] != "1 others"


def test_bars_stand_for_each_domain_though_names_are_shortened() -> None:
    names = [f"<b>-a-long-name-{i:02d}-with-one-end" for i in range(3)]
    chart = domains(domain_rows(counts(dict.fromkeys(names, (10, 5)))))
    assert [row.title for row in chart.rows] == names
    assert all(len(row.label) == LABEL_CHARS + 1 and "…" in row.label for row in chart.rows)
    for row in chart.rows:
        drawn, unique = row.bars
        assert drawn.text == "33.3%, 0.5 epochs" and unique.text == "33.3%"
        assert drawn.parts[0].share == unique.parts[0].share == 1

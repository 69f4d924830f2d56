"""Statistics observed while shards were built, added up by source.

:mod:`pipeline.passes.shards.observe_shard` writes them, one file a shard. They are read one after
another into tables of bounded size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.files import storage
from pipeline.output.layout import OBSERVED_FOLDER, observed_name
from pipeline.passes.first.frequent import FrequentItems
from pipeline.passes.shards.observe_shard import SAMPLES
from transforms.kernels.lines import document_keys

TABLE_ITEMS = 1 << 16
"""Removed lines, and domains, counted for each source; with more, the rarest are evicted."""


class Observations:
    """The statistics of one source."""

    def __init__(self) -> None:
        self.n_shards = 0
        self.steps: dict[str, dict[str, Any]] = {}
        self.worker_peak_bytes = 0
        self.letters: Counter[str] = Counter()  # of runs that counted them
        self._samples: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._lines = FrequentItems(TABLE_ITEMS, 2)
        self._lines_unlisted = 0  # most times that a line can be in the shards that do not list it
        self._domains: dict[str, FrequentItems] = {}  # by step
        self._steps_with_more_domains: set[str] = set()

    def add(self, observed: Mapping[str, Any]) -> None:
        """Add the statistics of one shard."""
        self.n_shards += 1
        self.worker_peak_bytes = max(self.worker_peak_bytes, observed["worker_peak_bytes"])
        self.letters.update(observed.get("letters", {}))
        for row in observed["steps"]:
            total = self.steps.setdefault(row["step"], {"step": row["step"]})
            total.update({k: total.get(k, 0) + v for k, v in row.items() if k != "step"})
        for sample in observed["samples"]:
            mine = self._samples.setdefault((sample["step"], sample["reason"]), [])
            mine.append(sample)
            mine.sort(key=lambda one: one["hash"])
            del mine[SAMPLES:]
        for listed in observed["removed_lines"].values():
            others = listed["others_at_most"]
            self._lines_unlisted += others
            _add(
                self._lines,
                listed["items"],
                [[i["count"], i["count"] + i["missed_at_most"] - others] for i in listed["items"]],
            )
        for step, listed in observed["domains"].items():
            if listed["others_at_most"]:
                self._steps_with_more_domains.add(step)
            _add(
                self._domains.setdefault(step, FrequentItems(TABLE_ITEMS, 3)),
                listed["items"],
                [[i["lines"], i["removed_lines"], i["documents"]] for i in listed["items"]],
            )

    def samples(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """Return the samples by step and reason."""
        by_step: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for (step, reason), samples in self._samples.items():
            by_step.setdefault(step, {})[reason] = samples
        return by_step

    def removed_lines(self, n: int) -> list[dict[str, Any]]:
        """Return the ``n`` lines removed most often, of those removed at least twice.

        The number of removals of each is between ``at_least`` and ``at_most``.
        """
        items, _ = self._lines.most_frequent(n)
        return [
            {
                "line": item.name,
                "at_least": item.counts[0],
                "at_most": item.counts[1] + self._lines_unlisted + item.missed,
            }
            for item in items
            if item.counts[0] > 1
        ]

    def domains(self, n: int) -> list[dict[str, Any]]:
        """Return the domains with most lines, for each step that removed lines.

        ``lines`` and ``documents`` count only documents that lost lines. Where ``exact`` is false,
        counts are lower bounds.
        """
        columns = ["lines", "removed_lines", "documents"]
        order = [*self.steps]
        return [
            {
                "step": step,
                "exact": step not in self._steps_with_more_domains and not table.evicted_at_most,
                "domains": [
                    {"domain": item.name, **dict(zip(columns, item.counts, strict=True))}
                    for item in table.most_frequent(n)[0]
                ],
            }
            for step, table in sorted(self._domains.items(), key=lambda pair: order.index(pair[0]))
        ]


def _add(table: FrequentItems, items: list[dict[str, Any]], counts: list[list[int]]) -> None:
    if items:
        names = [item["name"] for item in items]
        keys = document_keys(pa.array(names, pa.string()))
        table.add(keys, np.array(counts, np.int64), names.__getitem__)


def observations(output: str, manifest: Mapping[str, Any]) -> dict[str, Observations]:
    """Read the statistics of every source of a run. Shards whose file is missing are left out."""
    by_source = {name: Observations() for name in manifest["sources"]}
    there = storage.list_names(output, OBSERVED_FOLDER)
    for shard in manifest["shards"]:
        name = observed_name(shard["source"], shard["shard"])
        if name in there:
            observed = storage.read_json(storage.join(output, name))
            for sample in observed["samples"]:
                sample["shard"] = shard["shard"]
            by_source[shard["source"]].add(observed)
    return by_source

"""Time and memory of near-deduplication in whole runs over pages that are all alike.

    python benchmarks/dedup/near_memory.py [--pages 2000 20000 100000] [--runner DirectRunner]

The pages are those of ``near_partners.py``, of 200 words each, which share 90 % of their text. All
are similar, and none is a copy. One file holds them all.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.dedup.near_partners import STEP, pages_of_a_template
from benchmarks.run_cost import run_cost

SHARED = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pages", type=int, nargs="+", default=[2_000, 20_000, 100_000])
    parser.add_argument("--runner", default="DirectRunner", help="or SparkRunner, a local master")
    options = parser.parse_args()
    steps = json.dumps([{"deduplicate_near": vars(STEP)}])
    print(f"{options.runner}, two workers\n  pages       s  core-s  worker  driver    java (MB)")
    for n_pages in options.pages:
        with tempfile.TemporaryDirectory() as name:
            data = Path(name, "data", "c4")
            data.mkdir(parents=True)
            texts = pages_of_a_template(
                np.random.default_rng(0), n_pages * 5 // 6, SHARED, equal_lengths=False
            )
            with (data / "pages.jsonl").open("w") as file:
                file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
            cost = run_cost(
                "c4", data.parent, ROOT.parent / "shared" / "models", Path(name, "out"),
                runner=options.runner, settings={"sources.c4.steps": steps},
            )  # fmt: skip
        print(f"{len(texts):7,} {cost.seconds:7.1f} {cost.core_seconds:7.1f} "
              f"{cost.worker_peak_mb:7.0f} {cost.driver_peak_mb:7.0f} {cost.java_peak_mb:7.0f}",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

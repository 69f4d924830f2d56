"""Speed of every source on one core, and an estimate for the whole mixture.

    python benchmarks/sources.py [--data ../shared/data] [--models ../shared/models]

Each source of recipes/samples.yaml runs alone through both passes in one process, with tokens
written. Megabytes are counted in the raw input as it is stored. Core-hours are an estimate by size
alone: the sizes of the paper's table (arXiv 2302.13971, table 1, of the prepared text) and of
CommonCrawl's five dumps, divided by that speed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.in_process import make_recipe, run_pipeline
from benchmarks.measuring import check_samples, samples_parser
from pipeline.passes.plan import make_plan

RAW_TB = {
    "commoncrawl": 5 * 7.6,  # five dumps of WET, gzip
    "c4": 0.305,  # as published, gzip
    "github": 0.328,
    "wikipedia": 0.083,
    "books": 0.085,
    "arxiv": 0.092,
    "stackexchange": 0.078,
}


def seconds_of(source: str, data: Path, models: Path, folder: Path) -> tuple[float, float]:
    """Return the raw megabytes of a source and the processor time that both passes take."""
    recipe = make_recipe(data, models, source)
    times = []
    for _ in range(3):  # the first compiles kernels and loads models
        started = time.process_time()
        run_pipeline(recipe, folder / source)
        times.append(time.process_time() - started)
    plan = make_plan(recipe).splits
    raw = [split for split in plan if split.holds == "records"] or plan
    return sum(split.n_bytes for split in raw) / 1e6, min(times[1:])


def main() -> None:
    parser = samples_parser(__doc__)
    options = parser.parse_args()
    check_samples(options)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for source in [*RAW_TB, "commoncrawl_warc"]:
            mb, seconds = seconds_of(source, options.data, options.models, Path(name))
            rows.append((source, mb, mb / seconds))
    print(f"{'source':<18}{'raw MB':>8}{'MB/s a core':>13}{'raw TB':>9}{'core-hours':>12}")
    total = 0.0
    for source, mb, speed in rows:
        terabytes = RAW_TB.get(source)
        hours = terabytes * 1e6 / speed / 3600 if terabytes else 0.0
        total += hours
        sizes = f"{terabytes:>9.3f}{hours:>12,.0f}" if terabytes else ""
        print(f"{source:<18}{mb:>8.1f}{speed:>13.1f}{sizes}")
    print(f"{'all of the mixture':<48}{total:>12,.0f}")


if __name__ == "__main__":
    main()

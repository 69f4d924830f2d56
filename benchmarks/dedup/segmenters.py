"""Speed and memory of the libraries that find words of Chinese, Japanese and Thai.

    python benchmarks/dedup/segmenters.py [--data ../shared/data]

The texts are pages of the WET samples, by the language that fastText's model tells.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.compute as pc

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import best_seconds, wet_texts
from transforms.documents import documents
from transforms.scoring.language import identify_language
from transforms.segmentation import segmented

CODES = {"chinese": "zh", "japanese": "ja", "thai": "th"}
LEAST_SCORE = 0.75
MAX_BYTES = 2_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    options = parser.parse_args()
    texts = wet_texts(options.data)
    model = str(ROOT / "samples" / "models" / "lid.176.ftz")
    pages = identify_language(
        documents([str(i) for i in range(len(texts))], texts),
        model=model, languages=[], min_score=LEAST_SCORE,
    )  # fmt: skip
    pages = pages.filter(pc.is_null(pages["dropped_by"]))
    print("words      pages     MB    MB/s  words/page  MB of memory")
    for language, code in CODES.items():
        mine = pages.filter(pc.equal(pages["language"], code))["text"]
        sizes = pc.cumulative_sum(pc.cast(pc.binary_length(mine), pa.int64()))
        mine = mine.filter(pc.less(sizes, MAX_BYTES))
        before = psutil.Process().memory_info().rss
        made = segmented(mine, language)
        memory = (psutil.Process().memory_info().rss - before) / 1e6
        n_bytes = pc.sum(pc.binary_length(mine)).as_py() or 0
        n_words = pc.sum(pc.list_value_length(pc.utf8_split_whitespace(made))).as_py() or 0
        seconds = best_seconds(lambda mine=mine, name=language: segmented(mine, name))  # type: ignore[misc]
        print(f"{language:9} {len(mine):6} {n_bytes / 1e6:6.2f} {n_bytes / 1e6 / seconds:7.2f} "
              f"{n_words / max(len(mine), 1):11.0f} {memory:13.0f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

"""FineWeb's published pipeline, or its MinHash stages alone, by datatrove.

    python datatrove_side.py fineweb|minhash INPUT OUTPUT --workers N --tokenizer FILE [--lid FILE]

The peers' Python runs it. Steps, order and thresholds are those of the script that datatrove's
authors published as FineWeb's. What is replaced, as nothing can be downloaded: the language model
is a local file; the suffixes of domains are those that tldextract ships; tokens are counted by a
local tokenizer. ``done.json`` says when what was done, and what became of every page.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import struct
import time
from pathlib import Path
from typing import Any

STARTED = float(os.environ.get("PEERS_STARTED", time.time()))

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
    URLFilter,
)
from datatrove.pipeline.formatters import PIIFormatter
from datatrove.pipeline.readers import JsonlReader, WarcReader
from datatrove.pipeline.tokens import TokensCounter
from datatrove.pipeline.writers.jsonl import JsonlWriter
from datatrove.utils.hashing import HashConfig
from tldextract import TLDExtract

MINHASH = MinhashConfig(
    n_grams=5, num_buckets=14, hashes_per_bucket=8, hash_config=HashConfig(precision=64)
)
PAGE_SECONDS = 20
"""What a page may take trafilatura. A second by default, which a busy machine can take for any."""


def named(reader: Any, data: dict[str, Any], path: str, number: int | str) -> dict[str, Any]:
    """Call a page by its file and the number of its record, as both sides can."""
    return {
        "text": data["text"],
        "id": f"{Path(path).name}#{number}",
        "metadata": {"url": data["url"], "date": data["date"]},
    }


def filters(source: Path, output: Path, lid: Path) -> list[Any]:
    """Return FineWeb's steps from WARC to the pages that stay; each writes what it drops."""

    def removed(name: str) -> JsonlWriter:
        return JsonlWriter(str(output / "removed" / name))

    urls = URLFilter(exclusion_writer=removed("url"))
    urls.tldextractor = TLDExtract(suffix_list_urls=())
    english = LanguageFilter(languages="en", exclusion_writer=removed("language"))
    english.model.MODEL_URL = str(lid)
    return [
        WarcReader(str(source), glob_pattern="*.warc.gz", adapter=named),
        urls,
        Trafilatura(favour_precision=True, timeout=PAGE_SECONDS),
        english,
        GopherRepetitionFilter(exclusion_writer=removed("repetition")),
        GopherQualityFilter(exclusion_writer=removed("quality")),
        C4QualityFilter(filter_no_terminal_punct=False, exclusion_writer=removed("c4")),
        FineWebQualityFilter(exclusion_writer=removed("fineweb")),
        JsonlWriter(str(output / "filtered")),
    ]


def run(pipeline: list[Any], logs: Path, tasks: int, workers: int) -> None:
    """Run a pipeline on this machine."""
    LocalPipelineExecutor(
        pipeline=pipeline, tasks=tasks, workers=workers, logging_dir=str(logs)
    ).run()


def minhash(source: Path, output: Path, workers: int, tokenizer: Path, *, personal: bool) -> None:
    """Run the four stages; the last counts tokens, too, and ``personal`` data go."""
    signatures, buckets, remove = (str(output / n) for n in ("signatures", "buckets", "remove"))
    run([JsonlReader(str(source)), MinhashDedupSignature(signatures, config=MINHASH)],
        output / "logs" / "1", workers, workers)  # fmt: skip
    run([MinhashDedupBuckets(signatures, buckets, config=MINHASH)],
        output / "logs" / "2", MINHASH.num_buckets, workers)  # fmt: skip
    run([MinhashDedupCluster(buckets, remove, config=MINHASH)], output / "logs" / "3", 1, 1)
    last = [
        JsonlReader(str(source)),
        MinhashDedupFilter(remove, exclusion_writer=JsonlWriter(str(output / "removed" / "near"))),
        *([PIIFormatter()] if personal else []),
        TokensCounter(str(tokenizer)),
        JsonlWriter(str(output / "kept")),
    ]
    run(last, output / "logs" / "4", workers, workers)


def ids(folder: Path) -> list[str]:
    """Return the ids of the documents that a step has written."""
    found = []
    for path in sorted(folder.rglob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            found += [json.loads(line)["id"] for line in file]
    return found


def outcomes(output: Path) -> dict[str, str]:
    """Return what became of each document that got as far as a filter."""
    steps = sorted(path for path in (output / "removed").glob("*"))
    found = {name: step.name for step in steps for name in ids(step)}
    return found | dict.fromkeys(ids(output / "kept"), "kept")


def pairs(output: Path) -> list[tuple[int, ...]]:
    """Return the pairs that share a bucket, as stage 2 has them: task and number, of either."""
    found: set[tuple[int, ...]] = set()
    for path in (output / "buckets").glob("*.dups"):
        found.update(struct.iter_unpack("<4I", path.read_bytes()))
    return sorted(found)


def extraction(output: Path) -> dict[str, int]:
    """Return how many pages came to trafilatura, and what became of them there."""
    stats = json.loads((output / "logs" / "0" / "stats.json").read_text())
    (found,) = [one["stats"] for one in stats if "Trafilatura" in one["name"]]
    names = ("total", "forwarded", "timeout", "clean_error", "broken_process")
    return {name: int(found.get(name, 0)) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["fineweb", "minhash"])
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--lid", type=Path)
    options = parser.parse_args()
    seconds = {}
    source = options.input
    if options.what == "fineweb":
        steps = filters(source, options.output, options.lid)
        run(steps, options.output / "logs" / "0", options.workers, options.workers)
        seconds["filters"] = time.time() - STARTED
        source = options.output / "filtered"
    minhash(source, options.output, options.workers, options.tokenizer,
            personal=options.what == "fineweb")  # fmt: skip
    seconds["all"] = time.time() - STARTED
    done: dict[str, Any] = {
        "seconds": seconds,
        "outcomes": outcomes(options.output),
        "pairs": pairs(options.output),
    }
    if options.what == "fineweb":
        done["extraction"] = extraction(options.output)
    (options.output / "done.json").write_text(json.dumps(done))


if __name__ == "__main__":
    main()

"""Estimates for CommonCrawl dumps from the measured figures: core-hours, shuffle, files, money.

``python benchmarks/scale.py --paper`` prints them, each line with its arithmetic. Sizes of a dump
and list prices are assumptions, which ``--assume NAME=VALUE`` changes.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipeline.runners.execution import PARTITION_BYTES


@dataclass(frozen=True)
class Assumptions:
    """Sizes of a dump of 2019, and prices in dollars (Dataflow, batch, us-central1, as listed)."""

    dumps: float = 5
    files_per_dump: float = 64_000  # WET files
    stored_bytes_per_dump: float = 7.6 * 2**40  # with gzip
    text_bytes_per_dump: float = 24e12
    pages_per_dump: float = 2.9e9
    utilisation: float = 0.8  # share of the paid core time that does work
    vcpus: float = 1_000  # cores that work at a time
    memory_gb_per_vcpu: float = 4  # n2d-standard
    disk_gb_per_vcpu: float = 12.5  # 50 GB on a machine of four
    vcpu_hour: float = 0.056
    memory_gb_hour: float = 0.003557
    disk_gb_hour: float = 0.000054
    shuffle_gb: float = 0.011
    bucket_gb_month: float = 0.020
    rented_core_hour: float = 0.04  # a core of a rented machine, memory included


def with_changes(changes: list[str]) -> Assumptions:
    """Apply ``NAME=VALUE`` changes to the assumptions. Exits with a message for an unknown name."""
    known = {field.name for field in fields(Assumptions)}
    assumed = Assumptions()
    for change in changes:
        name, _, value = change.partition("=")
        if name not in known:
            sys.exit(f"--assume {change}: known are {', '.join(sorted(known))}")
        assumed = replace(assumed, **{name: float(value)})
    return assumed


def print_warc(figures: dict[str, Any], assumed: Assumptions) -> None:
    """Print the core-hours of dumps of WARC. ``figures`` are those of scale.py."""
    _, smallest, *_, largest = figures["sizes"]
    pages = largest["pages"] - smallest["pages"]
    page_seconds = (largest["core_seconds"] - smallest["core_seconds"]) / pages
    page_kb = (largest["text_bytes"] - smallest["text_bytes"]) / pages / 1e3
    hours = assumed.pages_per_dump * page_seconds / 3600
    print(
        f"Between {smallest['size']}x and {largest['size']}x a page takes {1e3 * page_seconds:.2f} "
        f"core-milliseconds, for {page_kb:.0f} kB of HTML.\n{assumed.pages_per_dump / 1e9:g} "
        f"billion pages are {hours:,.0f} core-hours a dump, {hours * assumed.dumps:,.0f} for "
        f"{assumed.dumps:g}."
    )


def print_paper(figures: dict[str, Any], assumed: Assumptions) -> None:
    """Print a Markdown table for one dump and for all dumps. ``figures`` are those of scale.py."""
    _, smallest, *_, largest = figures["sizes"]
    core_seconds_per_mb = (largest["core_seconds"] - smallest["core_seconds"]) / (
        (largest["text_bytes"] - smallest["text_bytes"]) / 1e6
    )
    *_, counted = (one for one in figures["sizes"] if one["line_shuffle_bytes"] is not None)
    lines_per_byte = counted["line_shuffle_bytes"] / counted["text_bytes"]
    decisions_per_byte = counted["decision_shuffle_bytes"] / counted["text_bytes"]
    page_bytes = (counted["line_shuffle_bytes"] + counted["decision_shuffle_bytes"]) / counted[
        "pages"
    ]
    recipe = yaml.safe_load((ROOT / "recipes" / "llama.yaml").read_text())
    source = recipe["sources"]["commoncrawl"]
    (window_files,) = (step["deduplicate_lines"]["window_files"] for step in source["steps"]
                       if "deduplicate_lines" in step)  # fmt: skip
    file_bytes = assumed.stored_bytes_per_dump / assumed.files_per_dump
    file_tokens = file_bytes * source["expected_tokens_per_input_byte"]
    shard_files = max(1, int(recipe["shards"]["target_shard_tokens"] // file_tokens))
    window_bytes = assumed.text_bytes_per_dump / assumed.files_per_dump * window_files
    partitions = math.ceil(window_bytes * lines_per_byte / PARTITION_BYTES)

    print(
        f"Between {smallest['size']}x and {largest['size']}x ({figures['runner']}, "
        f"{figures['processor']}) a MB of text takes {core_seconds_per_mb:.4f} core-seconds;\n"
        f"a byte of text shuffles {lines_per_byte:.4f} bytes of fingerprints and "
        f"{decisions_per_byte:.4f} of decisions, a page {page_bytes:,.0f} bytes of both.\n"
    )
    print(f"| | how | a dump | {assumed.dumps:g} dumps |\n| --- | --- | ---: | ---: |")

    def row(name: str, how: str, value: float, unit: str = "", digits: int = 0) -> float:
        amounts = (f"{amount:,.{digits}f}{unit}" for amount in (value, value * assumed.dumps))
        print(f"| {name} | {how} | {' | '.join(amounts)} |")
        return value

    def dollars(name: str, how: str, value: float) -> float:
        return row(name, how, value, " $")

    text_tb = assumed.text_bytes_per_dump / 1e12
    core_hours = row(
        "core-hours", f"{text_tb:g} TB x {core_seconds_per_mb:.4f} s a MB / 3600",
        text_tb * 1e6 * core_seconds_per_mb / 3600,
    )  # fmt: skip
    paid = row(
        "core-hours paid for", f"/ {assumed.utilisation:g} in use", core_hours / assumed.utilisation
    )
    row("hours", f"/ {assumed.vcpus:,.0f} cores at a time", paid / assumed.vcpus, digits=1)
    shuffle_tb = row(
        "TB shuffled", f"{text_tb:g} TB x ({lines_per_byte:.4f} + {decisions_per_byte:.4f})",
        text_tb * (lines_per_byte + decisions_per_byte), digits=2,
    )  # fmt: skip
    row(
        "TB shuffled, by pages", f"{assumed.pages_per_dump / 1e9:g} billion x {page_bytes:,.0f}",
        assumed.pages_per_dump * page_bytes / 1e12, digits=2,
    )  # fmt: skip
    spool_tb = row(
        "TB of fingerprints kept while the pass runs", f"{text_tb:g} TB x {lines_per_byte:.4f}",
        text_tb * lines_per_byte, digits=2,
    )  # fmt: skip
    windows = row(
        "windows", f"{assumed.files_per_dump:,.0f} files / {window_files:,}",
        math.ceil(assumed.files_per_dump / window_files),
    )  # fmt: skip
    row(
        "partitions", f"windows x {window_bytes / 1e9:,.0f} GB x {lines_per_byte:.4f} / "
        f"{PARTITION_BYTES >> 20} MiB", windows * partitions,
    )  # fmt: skip
    row(
        "shards", f"files / {shard_files} ({recipe['shards']['target_shard_tokens']:,} tokens / "
        f"({file_bytes / 1e6:.0f} MB x {source['expected_tokens_per_input_byte']}))",
        math.ceil(assumed.files_per_dump / shard_files),
    )  # fmt: skip
    bill = [
        dollars("Dataflow: processors", f"x {assumed.vcpu_hour} $", paid * assumed.vcpu_hour),
        dollars(
            "Dataflow: memory", f"x {assumed.memory_gb_per_vcpu:g} GB x {assumed.memory_gb_hour} $",
            paid * assumed.memory_gb_per_vcpu * assumed.memory_gb_hour,
        ),
        dollars(
            "Dataflow: disk", f"x {assumed.disk_gb_per_vcpu:g} GB x {assumed.disk_gb_hour:f} $",
            paid * assumed.disk_gb_per_vcpu * assumed.disk_gb_hour,
        ),
        dollars(
            "Dataflow: shuffle", f"{shuffle_tb:.2f} TB x {assumed.shuffle_gb} $ a GB",
            shuffle_tb * 1e3 * assumed.shuffle_gb,
        ),
    ]  # fmt: skip
    dollars("**Dataflow**", "sum", sum(bill))
    stored_tb = assumed.stored_bytes_per_dump / 1e12
    dollars(
        "bucket, a month", f"({stored_tb:.2f} TB stored + {spool_tb:.2f} TB) x "
        f"{assumed.bucket_gb_month} $ a GB",
        (stored_tb + spool_tb) * 1e3 * assumed.bucket_gb_month,
    )  # fmt: skip
    dollars(
        "Spark on rented cores", f"core-hours paid for x {assumed.rented_core_hour} $",
        paid * assumed.rented_core_hour,
    )  # fmt: skip

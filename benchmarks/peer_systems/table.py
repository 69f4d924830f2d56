"""The Markdown page of what was measured."""

from __future__ import annotations

import platform
import subprocess
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

OUR_PACKAGES = ("apache-beam", "numba", "pyarrow", "resiliparse", "trafilatura", "sentencepiece")
PEER_PACKAGES = ("datatrove", "cc-net", "trafilatura", "fasttext-numpy2-wheel", "spacy", "kenlm",
                 "sentencepiece", "tokenizers", "tiktoken")  # fmt: skip

HEAD = (
    "| work | cores | MB | documents | here, s | MB/s | docs/s | start | peer | s | MB/s | docs/s "
    "| start | times as fast | without starts |"
)
KEPT_HEAD = (
    "| documents kept | by both | here alone, by what dropped them there "
    "| there alone, by what dropped them here |"
)


def machine() -> dict[str, Any]:
    """Return what these figures were measured on, and when."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(": ", 1)[1] for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": len(names),
        "python": platform.python_version(),
        "date": datetime.now(timezone.utc).date().isoformat(),
    }


def versions(peers_python: Path) -> dict[str, dict[str, str]]:
    """Return the versions of the packages that matter, here and in the peers' environment."""
    code = (
        "import sys; from importlib.metadata import version\n"
        "for name in sys.argv[1:]: print(name, version(name))"
    )
    said = subprocess.run([str(peers_python), "-c", code, *PEER_PACKAGES], check=True, text=True,
                          stdout=subprocess.PIPE).stdout  # fmt: skip
    peers = dict(line.split() for line in said.splitlines())
    return {"here": {name: version(name) for name in OUR_PACKAGES}, "peers": peers}


def times(side: dict[str, Any], row: dict[str, Any]) -> str:
    """Return a side's cells: median and range, speeds, start."""
    middle, seconds, start = side["median"], side["seconds"], side["start"]
    spread = f" ({min(seconds):.1f}-{max(seconds):.1f})" if len(seconds) > 1 else ""
    speed = row["bytes"] / 1e6 / middle
    began = "-" if start is None else f"{start:.1f}"
    return f"{middle:.1f}{spread} | {speed:.2f} | {row['documents'] / middle:,.1f} | {began}"


def line(row: dict[str, Any]) -> str:
    """Return a line of the table of times."""
    without = row["ratio_without_starts"]
    return (
        f"| {row['what']} | {row['cores']} | {row['bytes'] / 1e6:.1f} | {row['documents']:,} "
        f"| {times(row['here'], row)} | {row['peer']['name']} | {times(row['peer'], row)} "
        f"| {row['ratio']:.1f} | {'-' if without is None else f'{without:.1f}'} |"
    )


def counts(found: dict[str, int]) -> str:
    """Return a number with what it is made of, the most frequent first."""
    parts = sorted(found.items(), key=lambda one: (-one[1], one[0]))
    listed = ", ".join(f"{name} {n}" for name, n in parts)
    return f"{sum(found.values())}: {listed}" if found else "0"


def kept_line(one: dict[str, Any]) -> str:
    """Return a line of the table of what was kept."""
    cells = one["what"], f"{one['both']:,}", counts(one["only_here"]), counts(one["only_there"])
    return f"| {' | '.join(cells)} |"


def rule(head: str) -> str:
    """Return the line below a head."""
    return "| " + " | ".join(["---"] * (head.count("|") - 1)) + " |"


def packages(found: dict[str, str]) -> str:
    """List packages with their versions."""
    return ", ".join(f"{name} {number}" for name, number in found.items())


def page(figures: dict[str, Any]) -> str:
    """Return both tables, the remarks, and where and with what they were made."""
    comparisons, on, used = figures["comparisons"], figures["machine"], figures["versions"]
    agreements = [one for made in comparisons for one in made["agreements"]]
    lines = [HEAD, rule(HEAD), *(line(row) for made in comparisons for row in made["rows"]), ""]
    if agreements:
        lines += [KEPT_HEAD, rule(KEPT_HEAD), *map(kept_line, agreements), ""]
    lines += [f"- {remark}" for made in comparisons for remark in made["remarks"]]
    lines += [
        "",
        f"{on['date']}, {on['processor']}, {on['cores']} cores, Python {on['python']}. "
        f"Here: {packages(used['here'])}. Peers: {packages(used['peers'])}.",
    ]
    return "\n".join(lines)

"""This project and others at the same work, in one run: times, and what each of them kept.

    python benchmarks/peers.py [--quick] [--json FILE] [--only fineweb minhash web_path tokens]

Peers are datatrove (FineWeb's pipeline, MinHash), CCNet's own code with SentencePiece, and the
tokenizers of SentencePiece, Hugging Face and tiktoken. They run in an environment of their own,
build/envs/peers, which is made at the first run from benchmarks/peer_systems/requirements.txt.

Each side is a command, timed from its start to its result, imports and models and all, on the cores
that are named and no others; sides take turns. ``start`` is the time of the same command over four
short pages. What is printed is what docs/performance.md opens with.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import check_samples, samples_parser
from benchmarks.peer_systems import fineweb, minhash, tokens, web_path
from benchmarks.peer_systems.comparison import Comparison
from benchmarks.peer_systems.environment import lists_folder, peers_python
from benchmarks.peer_systems.inputs import all_texts, json_lines, with_other_letters
from benchmarks.peer_systems.setting import Setting
from benchmarks.peer_systems.sides import Bench
from benchmarks.peer_systems.table import machine, page, versions

COMPARISONS = ("fineweb", "minhash", "web_path", "tokens")
QUICK_EVERY = 40


def compare(setting: Setting, names: list[str]) -> list[Comparison]:
    """Run the comparisons that are named."""
    texts = with_other_letters(all_texts(setting.data, setting.every_text), setting.copies)
    given = json_lines(texts, setting.scratch / "texts")
    tokens.make_tokenizers(setting, given)
    by_name = {
        "fineweb": lambda: fineweb.compare(setting),
        "minhash": lambda: minhash.compare(setting, given),
        "web_path": lambda: web_path.compare(setting),
        "tokens": lambda: tokens.compare(setting, given),
    }
    made = []
    for name in names:
        print(name, file=sys.stderr)
        made.append(by_name[name]())
    return made


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = samples_parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=COMPARISONS, default=COMPARISONS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2],
                        help="cores for FineWeb and near-duplicates (default: 1 2)")  # fmt: skip
    parser.add_argument("--every_page", type=int, default=8, metavar="N",
                        help="every Nth page of WARC; with 1 it takes an hour")  # fmt: skip
    parser.add_argument("--copies", type=int, default=1, metavar="N", choices=range(1, 27),
                        help="texts N times, each time in other letters; with 10, near-duplicates"
                        " take ten minutes a round")  # fmt: skip
    parser.add_argument("--quick", action="store_true",
                        help="few documents, once, on one core: to see that it works")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE",
                        help="write the figures to a file as well")  # fmt: skip
    parser.add_argument("--table", type=Path, metavar="FILE",
                        help="measure nothing; print the tables of such a file")  # fmt: skip
    return parser.parse_args()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what the command line asks for; the folders that it takes go away."""
    python = peers_python()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        setting = Setting(
            data=options.data.resolve(), models=options.models.resolve(), scratch=scratch,
            python=python, lists=lists_folder(scratch / "lists"),
            cores=(1,) if options.quick else tuple(options.cores),
            every_page=QUICK_EVERY if options.quick else options.every_page,
            every_wet_page=QUICK_EVERY if options.quick else 1,
            every_text=QUICK_EVERY if options.quick else 2,
            copies=options.copies,
            bench=Bench(scratch, 1, False) if options.quick else Bench(scratch, options.repeats),
        )  # fmt: skip
        made = [one.figures() for one in compare(setting, list(options.only))]
    return {"machine": machine(), "versions": versions(python), "comparisons": made}


def main() -> None:
    options = parse_arguments()
    if options.table:
        print(page(json.loads(options.table.read_text())))
        return
    check_samples(options)
    if max(options.cores) > len(os.sched_getaffinity(0)):
        sys.exit(f"needs {max(options.cores)} cores; --cores 1 asks for one")
    figures = measure(options)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    print(page(figures))


if __name__ == "__main__":
    main()

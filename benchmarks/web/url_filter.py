"""Start-up time, memory and speed of the url filter, compared with a Python set of domains.

    python benchmarks/web/url_filter.py [--domains 5_000_000] [--urls 200_000]

Both sides look up synthetic urls, with all their parent domains, in a list of synthetic domains.
Each runs in a process of its own. Both find the same urls.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
OTHER_LISTS = ("blocked_urls", "blocked_words", "blocked_subwords", "soft_words")


def domain(numbers: random.Random) -> str:
    name = "".join(numbers.choices(LETTERS, k=numbers.randrange(6, 22)))
    return f"{name}.{numbers.choice(['com', 'net', 'org', 'info', 'co.uk'])}"


def write_sample(folder: Path, n_domains: int, n_urls: int) -> None:
    """Write a list of domains, and urls. One url in twenty is below a domain of the list."""
    numbers = random.Random(0)
    domains = [domain(numbers) for _ in range(n_domains)]
    (folder / "domains").write_text("\n".join(domains))
    urls = [
        f"https://www.{numbers.choice(domains) if i % 20 == 0 else domain(numbers)}/a/{i}.html?q=1"
        for i in range(n_urls)
    ]
    (folder / "urls").write_text("\n".join(urls))


def by_set(path: Path, urls: list[str]) -> tuple[float, float, int]:
    begin = time.process_time()
    with path.open() as file:
        blocked = {line.strip() for line in file}
    loaded = time.process_time()
    n_blocked = 0
    for url in urls:
        labels = (urlsplit(url).hostname or "").split(".")
        n_blocked += any(".".join(labels[i:]) in blocked for i in range(len(labels)))
    return loaded - begin, time.process_time() - loaded, n_blocked


def by_step(path: Path, urls: list[str]) -> tuple[float, float, int]:
    from transforms.documents import documents
    from transforms.web.url_filter import filter_urls

    lists: dict[str, list[str]] = {name: [] for name in OTHER_LISTS}

    def run(urls: list[str]) -> int:
        ids = list(map(str, range(len(urls))))
        batch = documents(ids, [""] * len(urls), urls=urls)
        begin = time.process_time()
        after = filter_urls(batch, blocked_domains=[str(path)], min_soft_words=1, **lists)
        seconds.append(time.process_time() - begin)
        return len(urls) - after["dropped_by"].null_count

    seconds: list[float] = []
    run(urls[:1])
    n_blocked = run(urls)
    return seconds[0], seconds[1], n_blocked


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--domains", type=int, default=5_000_000)
    options.add_argument("--urls", type=int, default=200_000)
    options.add_argument("--side", choices=["set", "step"], help=argparse.SUPPRESS)
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.side:
        urls = (arguments.folder / "urls").read_text().splitlines()
        filter_by = by_set if arguments.side == "set" else by_step
        load, look_up, n_blocked = filter_by(arguments.folder / "domains", urls)
        peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1e3
        speed = len(urls) / look_up
        cells = [arguments.side, f"{load:.1f}", f"{peak:,.0f}", f"{speed:,.0f}", f"{n_blocked:,}"]
        print(f"| {' | '.join(cells)} |", flush=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_sample(Path(folder), arguments.domains, arguments.urls)
        print("| side | seconds to load | MB at the peak | urls a second | blocked |")
        print("| --- " * 5 + "|", flush=True)
        for side in ("set", "step"):
            command = [sys.executable, __file__, "--side", side, "--folder", folder]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()

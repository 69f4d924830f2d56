"""Speed of the loader, and its start-up time on a corpus of 1.4T tokens.

    python benchmarks/loader.py [--json]

Speed: one process reads samples of 2,048 tokens from shards of 8 million tokens in a temporary
folder. The comparison is a plain PyTorch dataset over the same shards: memory-mapped files, an
index of all samples shuffled by numpy, and a DataLoader. Processor time is measured, so that other
work on the machine does not count.

Start-up: the manifest has the form and size of the paper's mixture, with 5,600 shards of 250
million tokens and the decision files of 320,000 splits. The shards are sparse files, so that they
can be mapped. A fresh process imports the loader, opens the corpus, and reads batches of samples
from all over it. The comparison is a shuffled index of all samples, which other loaders build at
start-up. It is built for a twentieth of the samples, because all of them need 5.5 GB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipeline.files.storage import json_bytes
from pipeline.output.layout import sealed, shard_file

SEQUENCE_LENGTH = 2048
BATCH_SAMPLES = 64
ROUNDS = 5

PAPER = {  # source: proportion, unique tokens in billions (LLaMA, table 1)
    "commoncrawl": (0.67, 853), "c4": (0.15, 198), "github": (0.045, 98), "wikipedia": (0.045, 26),
    "books": (0.045, 28), "arxiv": (0.025, 33), "stackexchange": (0.02, 27),
}  # fmt: skip
SHARD_TOKENS = 250_000_000
N_SHARDS = 5600
N_SPLITS = 320_000
TOKEN_BUDGET = 1_400_000_000_000


def write_manifest(folder: Path, shards: list[dict[str, Any]], proportions: dict[str, float],
                   token_budget: int, n_splits: int) -> None:  # fmt: skip
    manifest = {
        "format": "llama-corpus manifest, version 1",
        "run": {},
        "recipe": {},
        "tokenizer": {"model": "tokenizer.model", "sha256": "0" * 64, "vocabulary_size": 32_000,
                      "bos": True, "eos": True},
        "token_budget": token_budget,
        "sources": {name: {"proportion": share} for name, share in proportions.items()},
        "shards": shards,
        "files": {
            f"decisions/commoncrawl/step1-split{i:06d}.bits": f"{i:064x}" for i in range(n_splits)
        },
    }  # fmt: skip
    (folder / "manifest.json").write_bytes(json_bytes(sealed(manifest)))


def shard_entry(source: str, number: int, n_tokens: int, parts: list[str]) -> dict[str, Any]:
    def part(name: str) -> dict[str, Any]:
        n_bytes = {"bin": 2 * n_tokens, "idx": 8_000_000, "docs.parquet": 60_000_000}
        files = {
            shard_file(source, name, number, suffix): {"bytes": n, "sha256": f"{number:064x}"}
            for suffix, n in n_bytes.items()
        }
        return {"documents": n_tokens // 800, "tokens": n_tokens, "characters": 4 * n_tokens,
                "files": files}  # fmt: skip

    return {
        "source": source,
        "shard": number,
        "parts": {name: part(name) for name in parts},
        "ledger": {"name": f"ledger/{source}/{number:05d}.json", "sha256": f"{number:064x}"},
    }


def small_corpus(folder: Path) -> list[Path]:
    """Write two sources of 16 shards of random tokens each; return the shards' paths."""
    n_tokens = 8_000_000
    tokens = np.random.default_rng(0)
    entries, paths = [], []
    for source in ("a", "b"):
        for number in range(16):
            path = folder / shard_file(source, "train", number, "bin")
            path.parent.mkdir(parents=True, exist_ok=True)
            tokens.integers(0, 32_000, n_tokens, np.uint16).tofile(path)
            entries.append(shard_entry(source, number, n_tokens, ["train"]))
            paths.append(path)
    write_manifest(folder, entries, {"a": 0.7, "b": 0.3}, n_tokens * len(paths), 0)
    return paths


def large_corpus(folder: Path) -> None:
    """Write a manifest of the paper's size, and shards that are sparse files of zeros."""
    entries = []
    total = sum(tokens for _, tokens in PAPER.values())
    for source, (_, tokens) in PAPER.items():
        (folder / "shards" / source).mkdir(parents=True)
        for number in range(round(N_SHARDS * tokens / total)):
            with (folder / shard_file(source, "train", number, "bin")).open("wb") as file:
                file.truncate(2 * SHARD_TOKENS)
            entries.append(shard_entry(source, number, SHARD_TOKENS, ["train", "validation"]))
    proportions = {name: share for name, (share, _) in PAPER.items()}
    write_manifest(folder, entries, proportions, TOKEN_BUDGET, N_SPLITS)


def plain_batches(paths: list[Path]) -> Iterator[Any]:
    """Iterate over a dataset of the same shards that is written in the usual way."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    class Plain(Dataset[Any]):
        def __init__(self) -> None:
            self.shards = [np.memmap(path, np.uint16, "r") for path in paths]
            samples = [(len(tokens) - 1) // SEQUENCE_LENGTH for tokens in self.shards]
            self.ends = np.cumsum(samples)
            self.order = np.random.default_rng(0).permutation(self.ends[-1])

        def __len__(self) -> int:
            return len(self.order)

        def __getitem__(self, i: int) -> Any:
            sample = self.order[i]
            shard = int(np.searchsorted(self.ends, sample, "right"))
            first = (sample - (self.ends[shard - 1] if shard else 0)) * SEQUENCE_LENGTH
            tokens = self.shards[shard][first : first + SEQUENCE_LENGTH + 1]
            return torch.from_numpy(tokens.astype(np.int64))

    return iter(DataLoader(Plain(), batch_size=BATCH_SAMPLES))


def mixture_batches(folder: Path) -> Iterator[Any]:
    from training.data.loader import Loader
    from training.data.mixture import Mixture

    mixture = Mixture(folder, sequence_length=SEQUENCE_LENGTH, seed=0)
    return iter(Loader(mixture, batch_samples=BATCH_SAMPLES))


def tokens_per_second(batches: Callable[[], Iterator[Any]], n_batches: int) -> float:
    """Return tokens a second of processor time over the first batches, the best of the rounds."""
    times = []
    for _ in range(ROUNDS):
        iterator = batches()
        next(iterator)  # opens the files
        started = time.process_time()
        for _ in range(n_batches):
            next(iterator)
        times.append(time.process_time() - started)
    return n_batches * BATCH_SAMPLES * SEQUENCE_LENGTH / min(times)


START = """
import time
started = time.perf_counter(), time.process_time()
from training.data.mixture import Mixture
mixture = Mixture({folder!r}, sequence_length={length}, seed=0)
batch = mixture.samples(range({batch}))
print(time.perf_counter() - started[0], time.process_time() - started[1])
started = time.perf_counter(), time.process_time()
for step in range(1, {steps}):
    mixture.samples(range(step * {batch}, (step + 1) * {batch}))
print(time.perf_counter() - started[0], time.process_time() - started[1])
started = time.perf_counter(), time.process_time()
mixture.check_files()
print(time.perf_counter() - started[0], time.process_time() - started[1])
"""

INDEX = """
import time
started = time.perf_counter(), time.process_time()
import numpy as np
index = np.random.default_rng(0).permutation({samples})
print(time.perf_counter() - started[0], time.process_time() - started[1])
"""

PEAK = """
status = open("/proc/self/status").read()  # getrusage counts the parent's memory too
print(int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6)
"""


def in_fresh_process(code: str) -> list[list[float]]:
    """Run code in a fresh process; return the numbers it prints, and last its peak MB of memory."""
    done = subprocess.run([sys.executable, "-c", code + PEAK], cwd=ROOT, check=True,
                          capture_output=True, text=True)  # fmt: skip
    return [[float(word) for word in line.split()] for line in done.stdout.splitlines()]


def measure() -> dict[str, float]:
    result: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        paths = small_corpus(Path(name))
        n_batches = 200
        ours = tokens_per_second(lambda: mixture_batches(Path(name)), n_batches)
        plain = tokens_per_second(lambda: plain_batches(paths), n_batches)
    result["loader, million tokens/s"] = ours / 1e6
    result["plain dataset, million tokens/s"] = plain / 1e6
    result["ratio"] = ours / plain
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large_corpus(folder)
        result["manifest of 1.4T tokens, MB"] = (folder / "manifest.json").stat().st_size / 1e6
        steps = 200
        code = START.format(folder=name, length=SEQUENCE_LENGTH, batch=BATCH_SAMPLES, steps=steps)
        runs = [in_fresh_process(code) for _ in range(ROUNDS)]
        start, more, check, (peak,) = min(runs)
    tokens = (steps - 1) * BATCH_SAMPLES * SEQUENCE_LENGTH
    result["start and first batch, s"], result["  of processor time"] = start
    result["reading all over it, million tokens/s"] = tokens / more[1] / 1e6
    result["looking for every shard, s"] = check[0]
    result["peak memory, MB"] = peak
    n_samples = TOKEN_BUDGET // SEQUENCE_LENGTH // 20
    index, (peak,) = in_fresh_process(INDEX.format(samples=n_samples))
    result["shuffled index of a twentieth, s"] = index[0]
    result["  peak memory, MB"] = peak
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    result = measure()
    if arguments.json:
        print(json.dumps({name: round(value, 3) for name, value in result.items()}))
    else:
        for name, value in result.items():
            print(f"{name:40} {value:12,.2f}")


if __name__ == "__main__":
    main()

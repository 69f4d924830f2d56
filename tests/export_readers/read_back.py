"""Reading of exports with the libraries that they are made for, to get the token ids back.

It runs in an environment of its own (``make build/envs/readers/.installed``), because those
libraries need other versions than the pipeline. ``python read_back.py EXPORTS ...`` reads each
``EXPORTS/FORMAT`` that exists and writes ``EXPORTS/FORMAT.npz``. That file has an array for each
source, or for each document where the format has documents.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = 64


def sources(folder: Path) -> list[Path]:
    return [folder / name for name in described(folder)["sources"]]


def described(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "export.json").read_text())


def litdata(folder: Path) -> dict[str, np.ndarray]:
    """Return every block of ``TokensLoader``, and blocks of one token for the small sources."""
    from litdata import StreamingDataset, TokensLoader

    found = {}
    for source in sources(folder):
        for block in (1, BLOCK):
            dataset = StreamingDataset(str(source), item_loader=TokensLoader(block), shuffle=False)
            if block > 1 or len(dataset) < 20_000:
                blocks = [dataset[i].numpy() for i in range(len(dataset))]
                found[f"{source.name}/{block}"] = np.concatenate(blocks)
    return found


def mds(folder: Path) -> dict[str, np.ndarray]:
    from streaming import LocalDataset, StreamingDataset

    found = {}
    for source in sources(folder):
        dataset = LocalDataset(str(source))
        for sample in dataset:
            found[f"{source.name}/{sample['id']}"] = sample["tokens"]
    streamed = StreamingDataset(local=str(sources(folder)[0]), shuffle=False, batch_size=1)
    for number, sample in enumerate(streamed):
        found[f"streamed/{number:06d}"] = sample["tokens"]
    return found


def mds_sequences(folder: Path) -> dict[str, np.ndarray]:
    from streaming import LocalDataset

    return {s.name: np.stack([x["tokens"] for x in LocalDataset(str(s))]) for s in sources(folder)}


def nanotron(folder: Path) -> dict[str, np.ndarray]:
    """Return windows of tokens, and the position of each token in its part of a document."""
    from datatrove.utils.dataset import DatatroveFolderDataset

    size = np.dtype(described(folder)["token_type"]).itemsize
    found = {}
    for source in sources(folder):
        whole = DatatroveFolderDataset(
            str(source), BLOCK - 1, "*.ds", recursive=False, token_size=size, return_positions=True
        )
        rows = [whole[i] for i in range(len(whole))]
        found[f"{source.name}/tokens"] = np.stack([row["input_ids"].numpy() for row in rows])
        found[f"{source.name}/positions"] = np.stack([row["positions"].numpy() for row in rows])
    return found


def megatron(folder: Path) -> dict[str, np.ndarray]:
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    found = {}
    for line in (folder / "data_args.txt").read_text().splitlines():
        prefix = Path(line.split()[1])
        dataset = IndexedDataset(str(prefix))
        for number in range(len(dataset)):
            tokens = dataset[number].copy()  # the dataset closes its mapping
            found[f"{prefix.parent.name}/{prefix.name}/{number:06d}"] = tokens
    return found


def olmo(folder: Path) -> dict[str, np.ndarray]:
    """Return the samples of OLMo-core's fixed-length dataset, and the documents by its metadata."""
    from olmo_core.data.numpy_dataset import NumpyFSLDataset
    from olmo_core.data.utils import iter_document_indices, load_array_slice

    dtype = np.uint16 if described(folder)["token_type"] == "uint16" else np.uint32
    found = {}
    for source in sources(folder):
        paths = sorted(source.glob("*.npy"))
        with tempfile.TemporaryDirectory() as work:
            dataset = NumpyFSLDataset(*paths, sequence_length=BLOCK, pad_token_id=0,
                                      eos_token_id=2, vocab_size=1 << 16, dtype=dtype)  # fmt: skip
            dataset.work_dir = Path(work)
            dataset.prepare()
            rows = [dataset[i]["input_ids"].numpy() for i in range(len(dataset))]
        found[f"sequences/{source.name}"] = np.stack(rows)
        for path in paths:
            for number, (start, end) in enumerate(iter_document_indices(path)):
                name = f"documents/{source.name}/{path.stem}/{number:06d}"
                found[name] = load_array_slice(path, start, end, dtype)
    return found


def hf(folder: Path) -> dict[str, np.ndarray]:
    """Return the documents of the card's configurations: all sources by default, or one."""
    from datasets import load_dataset

    with tempfile.TemporaryDirectory() as cache:
        found = {
            f"default/{row['id']}": np.array(row["tokens"])
            for row in load_dataset(str(folder), split="train", cache_dir=cache)
        }
        for source in sources(folder):
            data = load_dataset(str(folder), source.name, split="train", cache_dir=cache)
            found |= {f"{source.name}/{row['id']}": np.array(row["tokens"]) for row in data}
    return found


READERS = (litdata, mds, mds_sequences, nanotron, megatron, olmo, hf)

if __name__ == "__main__":
    for exports in map(Path, sys.argv[1:]):
        for reader in READERS:
            folder = exports / reader.__name__
            if folder.exists():
                np.savez(f"{folder}.npz", **reader(folder))

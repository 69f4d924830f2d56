"""Bits of held-out text by a model that the trainer trains on each draw.

The trainer is started as a program of its own, since it needs PyTorch and this package does not.
Each draw is written as a small corpus of one source, whose name is the same for all: so the
trainer takes the samples of all draws in one order.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import pipeline
from pipeline.errors import RunError
from pipeline.files.storage import json_bytes
from pipeline.judging.child_process import run_to_end
from pipeline.judging.draws import joined_documents
from pipeline.judging.scorers import Draw, Passages, Scored, Scorer, digest_of
from pipeline.output.layout import DOCS_SCHEMA, MANIFEST_FORMAT, MANIFEST_NAME, sealed, shard_file
from tokenizer.shards import ShardWriter

TRAINED_MEANING = (
    "It measures what a small model learns of the held-out text from a small sample, and no more: "
    "not what a large model learns from a corpus."
)
"""What is said wherever figures of trained models are shown."""

SEQUENCE_LENGTH = 256
"""Tokens of a sample, and of what a model sees of a passage at a time."""

BATCH_TOKENS = {"10M": 1024, "100M": 16384}
"""Tokens of a step, fewer than in a real training: draws are small, and need steps enough."""

LEARNING_RATE = {"10M": 2e-3, "100M": 1e-3}

Train = Callable[[list[str], Path], None]
"""What calls the trainer, with the arguments of ``training.score`` and a file for its output."""

SOURCE = "draw"
MESSAGE_LINES = 3


def trained_scorer(
    model: str, seed: int, work: Path | None = None, train: Train | None = None
) -> Scorer:
    """Return the scorer by trained models of a size; each is trained once over its draw.

    ``work`` is a folder for unfinished trainings, in which the same comparison goes on. ``train``
    calls the trainer, which without it is a program of its own. Raises RunError where PyTorch is
    not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise RunError("--model needs the trainer: install llama-corpus[train]")
    settings = {
        "model": model,
        "sequence_length": SEQUENCE_LENGTH,
        "batch_tokens": BATCH_TOKENS[model],
        "learning_rate": LEARNING_RATE[model],
        "training_seed": seed,
    }

    def score(draw: Draw, passages: Passages) -> Scored:
        if not draw.begin + draw.end:
            raise RunError("--model: the run sets no mark of begin or end, which a model needs")
        if work is None:
            with tempfile.TemporaryDirectory() as scratch:
                return _trained(draw, passages, settings, Path(scratch), train or _start)
        folder = work / f"training-{digest_of(settings, draw, passages)}"
        scored = _trained(draw, passages, settings, folder, train or _start)
        shutil.rmtree(folder)
        return scored

    return Scorer(TRAINED_MEANING, settings, score)


def _trained(
    draw: Draw, passages: Passages, settings: dict[str, Any], folder: Path, train: Train
) -> Scored:
    """Train in a folder, which may hold a training of the same that was stopped."""
    data, run = folder / "data", folder / "run"
    write_draw(draw, data)
    n_tokens = sum(map(len, draw.documents))  # without marks: the same for all candidates
    steps = n_tokens // settings["batch_tokens"]
    if not steps:
        raise RunError(
            f"a draw of {n_tokens:,} tokens is less than a step of {settings['batch_tokens']:,}: "
            "give more with --tokens"
        )
    texts = [ids for text in passages for ids in text]
    ids, offsets = joined_documents(texts)
    begin = (draw.begin + draw.end)[0]
    np.savez(folder / "passages.npz", ids=ids, offsets=offsets, begin=np.array(begin))
    scores = folder / "scores.npy"
    train(
        [str(folder / "passages.npz"), str(scores), "--data", str(data), "--output", str(run),
         "--model", settings["model"], "--seed", str(settings["training_seed"]),
         "--sequence_length", str(settings["sequence_length"]),
         "--batch_tokens", str(settings["batch_tokens"]),
         "--learning_rate", str(settings["learning_rate"]),
         "--max_steps", str(steps), "--validate_every", "0", "--workers", "0", "--keep", "1"],
        folder / "log.txt",
    )  # fmt: skip
    lines = (run / "metrics.jsonl").read_text().splitlines()
    losses = [row["loss"] for row in map(json.loads, lines) if "loss" in row]
    ends = np.cumsum([len(text) for text in passages])[:-1]
    return Scored(np.split(np.load(scores), ends), np.array(losses))


def _start(arguments: list[str], log: Path) -> None:
    """Run the trainer to its end. Raises RunError with its last lines where it fails."""
    root = str(Path(pipeline.__file__).parents[1])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "training.score", *arguments]
    status = run_to_end(command, log, {"PYTHONPATH": paths})
    if status:
        said = log.read_text("utf-8", "replace").splitlines()[-MESSAGE_LINES:]
        raise RunError(f"the trainer ended with status {status}: {' '.join(said)}")


def write_draw(draw: Draw, folder: Path) -> None:
    """Write a draw as a corpus that the trainer reads, with marks around its documents."""
    begin, end = (np.array(mark, np.int64) for mark in (draw.begin, draw.end))
    documents = [np.concatenate([begin, ids, end]) for ids in draw.documents]
    ids, offsets = joined_documents(documents)
    tokens, index, rows = io.BytesIO(), io.BytesIO(), io.BytesIO()
    writer = ShardWriter(tokens, index, np.uint16 if draw.vocabulary_size <= 1 << 16 else np.int32)
    writer.append(ids, offsets)
    writer.finish()
    columns = {
        "id": [str(number) for number in range(len(documents))],
        "token_offset": offsets[:-1],
        "token_count": np.diff(offsets),
    }
    empty = {name: [None] * len(documents) for name in DOCS_SCHEMA.names}
    pq.write_table(pa.table({**empty, **columns}, schema=DOCS_SCHEMA), rows)
    files = {}
    for suffix, content in (("bin", tokens), ("idx", index), ("docs.parquet", rows)):
        name, data = shard_file(SOURCE, "train", 0, suffix), content.getvalue()
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        files[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    part = {"documents": len(documents), "tokens": int(offsets[-1]), "characters": 0,
            "files": files}  # fmt: skip
    manifest = {
        "format": MANIFEST_FORMAT,
        "token_budget": int(offsets[-1]),
        "tokenizer": {"bos": bool(draw.begin), "eos": bool(draw.end), "model": "-",
                      "vocabulary_size": draw.vocabulary_size},
        "sources": {SOURCE: {"proportion": 1.0}},
        "shards": [{"source": SOURCE, "shard": 0, "parts": {"train": part}}],
        "files": {},
    }  # fmt: skip
    (folder / MANIFEST_NAME).write_bytes(json_bytes(sealed(manifest)))

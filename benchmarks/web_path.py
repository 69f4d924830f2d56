"""Speed and memory of the web path, compared with a plain loop over the same libraries.

    python benchmarks/web_path.py [--data ../shared/data] [--models ../shared/models] [--json]

Three things are measured. First, both passes with tokens written, on one core in the same process;
models are loaded and kernels compiled before the clock starts. Then single steps, each compared
with its plain form. Last, the peak memory of a worker process at 1x and at 8x the input
(--skip_memory leaves it out).
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

logging.basicConfig(level=logging.ERROR)

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import ROUNDS, best_seconds, wet_files, wet_texts
from benchmarks.run_cost import run_cost
from pipeline.passes.run import run
from pipeline.recipe.from_yaml import load_recipe
from pipeline.recipe.recipe import Recipe
from pipeline.runners.execution import Execution
from tests.support.plain import web_path as plain
from tokenizer.encode import BatchEncoder
from transforms.documents import documents
from transforms.kernels.lines import paragraph_keys
from transforms.scoring.language import identify_language

TOKENIZER = "mistral-tokenizer.model.v1"
MIN_CHARS, MIN_SCORE = 300, 0.5


def make_recipe(data: Path, models: Path, *settings: str) -> Recipe:
    """Load the samples' recipe for the WET source alone."""
    path = str(ROOT / "recipes" / "samples.yaml")
    given = [f"data={data}", f"models={models}", *settings]
    return load_recipe(path, given, ["commoncrawl"])


def cutoff_of(recipe: Recipe) -> float:
    """Return the recipe's upper cut-off of perplexities."""
    steps = {step.name: step.parameters for step in recipe.sources[0].steps}
    return float(steps["bucket_by_perplexity"]["cutoffs"]["en"][1])


def in_memory() -> Execution:
    """Return the setting to run Beam in this process, on one core."""
    options = PipelineOptions(["--direct_running_mode=in_memory", "--direct_num_workers=1"])
    return Execution(lambda _: beam.Pipeline(FnApiRunner(), options), True, 1 << 36)


def run_pipeline(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Run both passes into an empty folder; return the manifest."""
    shutil.rmtree(folder, ignore_errors=True)
    return run(recipe, str(folder), in_memory()).manifest


def run_plain(files: list[Path], models: dict[str, Any], cutoff: float, folder: Path) -> int:
    """Do the same work, a page and a line at a time; return the number of tokens."""
    pages = [page for path in files for page in plain.read_pages(path, "commoncrawl")]
    shared = plain.shared_keys(pages, MIN_CHARS)
    n_tokens = 0
    with (folder / "plain.bin").open("wb") as file:
        # The second pass reads its input again, as the pipeline does.
        pages = [page for path in files for page in plain.read_pages(path, "commoncrawl")]
        for page in plain.kept_pages(
            pages, shared, models, min_chars=MIN_CHARS, min_score=MIN_SCORE, cutoff=cutoff
        ):
            ids = models["tokenizer"].encode(page.text, add_bos=True, add_eos=True)
            file.write(np.array(ids, np.uint16).tobytes())
            n_tokens += len(ids)
    return n_tokens


def whole_path(data: Path, models_folder: Path, folder: Path) -> list[list[Any]]:
    """Measure both passes with tokens written, on one core."""
    recipe = make_recipe(data, models_folder)
    files = wet_files(data)
    models = plain.load_models(models_folder, models_folder / TOKENIZER)
    text_mb = sum(len(gzip.decompress(path.read_bytes())) for path in files) / 1e6
    manifest = run_pipeline(recipe, folder / "ours")  # compiles kernels, loads models
    ours = best_seconds(lambda: run_pipeline(recipe, folder / "ours"))
    print(f"recorded for the report: {recorded_share(folder / 'ours'):.1%} of the second pass")
    one_page = folder / "one_page" / "commoncrawl" / "wet"
    one_page.mkdir(parents=True)
    (one_page / "one.warc.wet.gz").write_bytes(gzip.compress(wet_record(b"title\n" + b"x" * 999)))
    tiny = make_recipe(folder / "one_page", models_folder)
    start_up = best_seconds(lambda: run_pipeline(tiny, folder / "tiny"))
    print(f"start-up of Beam's two pipelines, taken off: {start_up:.2f} of {ours:.2f} s")
    ours -= start_up
    tokens = run_plain(files, models, cutoff_of(recipe), folder)
    theirs = best_seconds(lambda: run_plain(files, models, cutoff_of(recipe), folder), 1)
    counts = manifest["sources"]["commoncrawl"]
    assert counts["train_tokens"] + counts["validation_tokens"] == tokens, "not the same work"
    return [["both passes, tokens written", text_mb / theirs, text_mb / ours, theirs / ours, 6.0]]


def recorded_share(output: Path) -> float:
    """Return the share of the second pass's processor time that is spent on data for the report."""
    seconds = {"record": 0.0, "all": 0.0}
    for path in output.glob("observed/*/*.json"):
        for row in json.loads(path.read_text())["steps"]:
            seconds["all"] += row["processor_seconds"]
            if row["step"] == "record":
                seconds["record"] += row["processor_seconds"]
    return seconds["record"] / seconds["all"]


def steps(data: Path, models_folder: Path) -> list[list[Any]]:
    """Measure single steps on the text of all WET pages."""
    texts = wet_texts(data)
    batches = [texts[i : i + 400] for i in range(0, len(texts), 400)]
    arrays = [pa.array(batch) for batch in batches]
    mb = sum(len(text.encode()) for text in texts) / 1e6
    models = plain.load_models(models_folder, models_folder / TOKENIZER)
    lid = models_folder / "lid.176.ftz"
    rows = []

    def keys() -> None:
        for array in arrays:
            paragraph_keys(array)

    def plain_keys() -> None:
        for text in texts:
            for line in text.split("\n"):
                plain.line_key(line)

    keys()
    rows.append(_ratio("paragraph keys", mb, plain_keys, keys, 8.0))

    def languages() -> list[str]:
        labels: list[str] = []
        for batch in batches:
            made = documents([str(i) for i in range(len(batch))], batch)
            made = identify_language(made, model=str(lid), languages=[], min_score=0.0)
            labels += made["language"].to_pylist()
        return labels

    def plain_languages() -> list[str]:
        return [plain.language(models["language"], text)[0] for text in texts]

    assert languages() == plain_languages(), "not the same labels"
    rows.append(_ratio("language identification", mb, plain_languages, languages, 3.0))

    model = (models_folder / TOKENIZER).read_bytes()
    texts += c4_and_wikipedia(data)
    batches = [texts[i : i + 400] for i in range(0, len(texts), 400)]
    arrays = [pa.array(batch) for batch in batches]
    mb = sum(len(text.encode()) for text in texts) / 1e6

    def plain_tokens() -> None:
        for batch in batches:
            models["tokenizer"].encode(batch, num_threads=1)

    def tokens(encoder: BatchEncoder) -> None:
        for array in arrays:
            encoder.encode(array, bos=False, eos=False)

    warm = BatchEncoder(model)
    tokens(warm)
    cold = [BatchEncoder(model) for _ in range(ROUNDS)]
    rows.append(_ratio("tokens, first pass", mb, plain_tokens, lambda: tokens(cold.pop()), 2.5))
    rows.append(_ratio("tokens, second pass", mb, plain_tokens, lambda: tokens(warm), 15.0))
    return rows


def c4_and_wikipedia(data: Path) -> list[str]:
    """Return C4's documents and 15 MB of Wikipedia's plain text, a hundred lines a document."""
    lines = (data / "c4" / "c4_demo.jsonl").read_text().splitlines()
    with gzip.open(next((data / "wiki_text").glob("*.gz")), "rt", encoding="utf-8") as file:
        wiki = file.read(15_000_000).split("\n")
    texts = [json.loads(line)["text"] for line in lines]
    return texts + ["\n".join(wiki[i : i + 100]) for i in range(0, len(wiki), 100)]


def _ratio(
    name: str, mb: float, theirs: Callable[[], Any], ours: Callable[[], Any], wanted: float
) -> list[Any]:
    plain_seconds, seconds = best_seconds(theirs, 2), best_seconds(ours)
    return [name, mb / plain_seconds, mb / seconds, plain_seconds / seconds, wanted]


def wet_record(body: bytes) -> bytes:
    """Return the bytes of a WET record."""
    header = f"WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: {len(body)}"
    return header.encode() + b"\r\n\r\n" + body + b"\r\n\r\n"


def copy_input(data: Path, copies: int, folder: Path) -> Path:
    """Write copies of the WET files. The lines of a copy end in a word that only the copy has."""
    target = folder / "commoncrawl" / "wet"
    target.mkdir(parents=True)
    for path in wet_files(data):
        for copy in range(copies):
            mark = b" " + b"".join(bytes([97 + int(digit)]) for digit in str(copy))
            with gzip.open(target / f"{copy:02d}-{path.name}", "wb", compresslevel=1) as file:
                for page in plain.read_pages(path, "c"):
                    body = b"\n".join([b"title", *(line.encode() + mark for line in page.lines)])
                    file.write(wet_record(body))
    return folder


def memory(data: Path, models: Path, folder: Path) -> dict[int, float]:
    """Measure a worker's peak memory at 1x and 8x the input, in MB."""
    peaks = {}
    for copies in (1, 8):
        made = copy_input(data, copies, folder / f"input{copies}")
        cost = run_cost("commoncrawl", made, models, folder / f"output{copies}")
        peaks[copies] = cost.worker_peak_mb
    return peaks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--models", type=Path, default=ROOT.parent / "shared" / "models")
    parser.add_argument("--skip_memory", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.data.is_dir() or not options.models.is_dir():
        sys.exit(f"needs the real samples in {options.data} and models in {options.models}")
    with tempfile.TemporaryDirectory() as name:
        rows = whole_path(options.data, options.models, Path(name))
        rows += steps(options.data, options.models)
        peaks = {} if options.skip_memory else memory(options.data, options.models, Path(name))
    if options.json:
        columns = ["step", "plain_mb_per_s", "mb_per_s", "ratio", "wanted"]
        made = [dict(zip(columns, row, strict=True)) for row in rows]
        print(json.dumps({"speed": made, "worker_peak_mb": peaks}, indent=1))
        return
    print(f"{'one core':<30}{'plain MB/s':>12}{'MB/s':>10}{'ratio':>8}{'wanted':>8}")
    for step, theirs, ours, ratio, wanted in rows:
        print(f"{step:<30}{theirs:>12.2f}{ours:>10.1f}{ratio:>8.1f}{wanted:>8.1f}")
    for copies, peak in peaks.items():
        print(f"peak memory of a worker at {copies}x the input: {peak:,.0f} MB")


if __name__ == "__main__":
    main()

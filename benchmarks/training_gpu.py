"""Speed of training on one GPU, compared with Hugging Face's compiled LlamaForCausalLM.

    python benchmarks/training_gpu.py [--model 1.3B] [--micro_batch_samples 8] [--json]
    python benchmarks/training_gpu.py --small          a 10M model, to try the benchmark on a CPU

Both sides take the same batches from the mixture's loader, accumulate gradients over the same
number of micro-batches, clip them, and step the same AdamW (fused on a GPU). Master weights are
float32, and computation is in bf16. Both models are compiled. The sides run one after the other in
this process, each from fresh weights. Without ``--data`` the corpus has random tokens, which take
as long to load as real ones.

Our side is the trainer's own step. Hugging Face's side runs under autocast, which is usual with
float32 weights, with SDPA attention and its own loss. Both sides prefer the same attention kernels.
Ten steps warm up, and fifty are measured. Versions are told, and what nvidia-smi says of clocks and
power in the last fifth of the steps.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

from tokenizer.shards import ShardWriter
from training.data.loader import Loader
from training.data.mixture import Mixture
from training.model import ModelConfig
from training.optimiser import make_optimiser
from training.options import TrainOptions
from training.parallelize import attention_kernels
from training.plan import Plan, make_plan
from training.processes import Processes, processes
from training.throughput import (
    attention_flops_per_token,
    device_name,
    matmul_flops_per_token,
    peak_flops,
)
from training.trainer import Trainer

VOCABULARY = 32_000
WANTED_TOKENS_PER_SECOND, WANTED_RATIO, WANTED_DATA_WAIT = 65_000, 1.3, 0.005


CLOCKS = ("clocks.sm", "clocks.mem", "clocks_throttle_reasons.active", "power.draw",
          "power.limit", "temperature.gpu")  # fmt: skip


class Timed(NamedTuple):
    """Measurements of one side."""

    seconds: float  # time of the measured steps
    waited: float  # seconds of these that were spent waiting for data
    peak_bytes: int
    loss: float  # loss of the last step
    clocks: str | None  # the GPU's in the last fifth of the steps


def versions() -> dict[str, str | None]:
    """Return the versions of what is measured."""
    return {
        "python": sys.version.split()[0],
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda,
        "cudnn": str(torch.backends.cudnn.version()),
        "transformers": transformers.__version__,
        "driver": answer(asked("driver_version")),
    }


def asked(names: str) -> subprocess.Popen[str] | None:
    """Ask nvidia-smi about the first GPU, without waiting. None where there is none to ask."""
    command = ["nvidia-smi", "--id=0", f"--query-gpu={names}", "--format=csv,noheader"]
    try:
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError:
        return None


def answer(query: subprocess.Popen[str] | None) -> str | None:
    """Return what nvidia-smi answered, None where it did not."""
    if query is None:
        return None
    said, _ = query.communicate()
    return said.strip() if query.returncode == 0 else None


def random_corpus(folder: Path, n_tokens: int) -> None:
    """Write a corpus of one shard of random tokens, 1,000 a document."""
    n_documents = -(-n_tokens // 1000)
    tokens = np.random.default_rng(0).integers(3, VOCABULARY, 1000 * n_documents, np.uint16)
    bin_file, idx_file, docs_file = io.BytesIO(), io.BytesIO(), io.BytesIO()
    writer = ShardWriter(bin_file, idx_file, np.uint16)
    writer.append(tokens, np.arange(n_documents + 1, dtype=np.int64) * 1000)
    writer.finish()
    pq.write_table(pa.table({"id": [f"random#{i}" for i in range(n_documents)]}), docs_file)
    files = {}
    for suffix, file in (("bin", bin_file), ("idx", idx_file), ("docs.parquet", docs_file)):
        name, data = f"shards/random/train-00000.{suffix}", file.getvalue()
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        files[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    part = {"documents": n_documents, "tokens": len(tokens), "files": files}
    manifest = {
        "format": "llama-corpus manifest, version 1",
        "sha256": "random",
        "token_budget": len(tokens),
        "tokenizer": {"model": "-", "vocabulary_size": VOCABULARY, "bos": True, "eos": True},
        "sources": {"random": {"proportion": 1.0}},
        "shards": [{"source": "random", "shard": 0, "parts": {"train": part}}],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def timed(
    step: Callable[[], None],
    warmup: int,
    count: int,
    device: torch.device,
    waited: Callable[[], float],
    loss: Callable[[], float],
) -> Timed:
    """Measure ``count`` steps, after ``warmup`` steps that compile and warm up."""
    for _ in range(warmup):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    started, waited_before = time.perf_counter(), waited()
    query = None
    for i in range(count):
        if i == count - count // 5 and device.type == "cuda":
            query = asked(",".join(CLOCKS))  # answers while steps are under way
        step()
    waited_after = waited()
    if device.type == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else 0
    return Timed(seconds, waited_after - waited_before, peak, loss(), answer(query))


def ours(options: TrainOptions, plan: Plan, mixture: Mixture, own: Processes, warmup: int) -> Timed:
    """Measure the trainer."""
    trainer = Trainer(options, plan, mixture, own)
    batches = trainer.batches()
    losses: list[torch.Tensor] = []
    wait = 0.0

    def step() -> None:
        nonlocal wait
        queued = trainer.step(batches)
        losses[:] = [queued.figures]
        wait += queued.waited

    with attention_kernels():
        return timed(
            step,
            warmup,
            plan.n_steps - warmup,
            own.device,
            lambda: wait,
            lambda: float(losses[0][0]),
        )


def hugging_face(
    options: TrainOptions, plan: Plan, mixture: Mixture, own: Processes, warmup: int
) -> Timed:
    """Measure Hugging Face's model in an equal training loop."""
    device = own.device
    with device:
        model = LlamaForCausalLM(hugging_face_config(plan.config, options.sequence_length))
    model.train()
    optimiser = make_optimiser(model, weight_decay=options.weight_decay)
    for group in optimiser.param_groups:
        group["lr"] = plan.learning_rate
    compiled = torch.compile(model) if plan.compile else model
    batches = iter(Loader(mixture, batch_samples=plan.batch_samples, workers=options.workers))
    wait = 0.0
    last = torch.zeros(())

    def step() -> None:
        nonlocal wait, last
        asked = time.perf_counter()
        tokens = next(batches)
        wait += time.perf_counter() - asked
        tokens = tokens.to(device, non_blocking=True)
        micro_batches = tokens.split(plan.micro_batch_samples)
        last = torch.zeros((), device=device)
        for micro in micro_batches:
            with torch.autocast(device.type, torch.bfloat16, plan.compute_dtype != torch.float32):
                inputs, targets = micro[:, :-1], micro[:, 1:].contiguous()
                output = compiled(inputs, labels=targets, shift_labels=targets, use_cache=False)
            loss = output.loss / len(micro_batches)
            loss.backward()
            last += loss.detach()
        torch.nn.utils.clip_grad_norm_(model.parameters(), options.max_gradient_norm)
        optimiser.step()
        optimiser.zero_grad()

    # Both sides have the same choice of attention kernels.
    with attention_kernels():
        return timed(step, warmup, plan.n_steps - warmup, device, lambda: wait, lambda: float(last))


def hugging_face_config(config: ModelConfig, sequence_length: int) -> LlamaConfig:
    """Return Hugging Face's configuration of the same model."""
    return LlamaConfig(
        vocab_size=config.vocabulary_size,
        hidden_size=config.dim,
        intermediate_size=config.hidden_dim,
        num_hidden_layers=config.n_layers,
        num_attention_heads=config.n_heads,
        rms_norm_eps=config.norm_eps,
        max_position_embeddings=sequence_length,
        tie_word_embeddings=False,
        attn_implementation="sdpa",
    )


def figures(result: Timed, plan: Plan, length: int, warmup: int, peak: float | None) -> dict:
    n_tokens = (plan.n_steps - warmup) * plan.batch_samples * length
    speed = n_tokens / result.seconds
    matmul = matmul_flops_per_token(plan.config)
    both = matmul + attention_flops_per_token(plan.config, length)
    return {
        "tokens_per_second": speed,
        "mfu_6n": speed * matmul / peak if peak else None,
        "mfu_6n_12ltd": speed * both / peak if peak else None,
        "data_wait_fraction": result.waited / result.seconds,
        "peak_memory_gb": result.peak_bytes / 1e9,
        "last_loss": result.loss,
        "clocks": result.clocks,
    }


def make_options(given: argparse.Namespace, corpus: str, output: str, small: bool) -> TrainOptions:
    return TrainOptions(
        data=corpus,
        model="10M" if small else given.model,
        output=output,
        max_steps=given.warmup_steps + given.steps,
        sequence_length=64 if small else 2048,
        batch_tokens=256 if small else given.batch_tokens,
        micro_batch_samples=2 if small else given.micro_batch_samples,
        activation_checkpointing=given.activation_checkpointing,
        loss_chunk_tokens=given.loss_chunk_tokens,
        within_documents=False,
        device="cpu" if small else "cuda",
        precision="fp32" if small else "bf16",
        compile=not small,
        workers=0 if small else 2,
    )


def show(results: dict[str, dict], device: str) -> None:
    print(f"{device:<32}{'tokens/s':>10}{'MFU 6N':>9}{'6N+12LTd':>10}{'data wait':>11}"
          f"{'peak GB':>9}{'loss':>8}")  # fmt: skip
    for name, row in results.items():
        mfu = [f"{row[key]:.1%}" if row[key] else "-" for key in ("mfu_6n", "mfu_6n_12ltd")]
        print(f"{name:<32}{row['tokens_per_second']:>10,.0f}{mfu[0]:>9}{mfu[1]:>10}"
              f"{row['data_wait_fraction']:>11.2%}{row['peak_memory_gb']:>9.1f}"
              f"{row['last_loss']:>8.3f}")  # fmt: skip
        if row["clocks"]:
            print(f"    {', '.join(CLOCKS)}: {row['clocks']}")
    print(", ".join(f"{name} {version}" for name, version in versions().items() if version))
    ratio = results["ours"]["tokens_per_second"] / results["hugging_face"]["tokens_per_second"]
    print(f"ratio {ratio:.2f}; wanted on an H100: {WANTED_TOKENS_PER_SECOND:,} tokens/s, ratio "
          f"{WANTED_RATIO}, data wait under {WANTED_DATA_WAIT:.1%}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="1.3B")
    parser.add_argument("--data", help="a corpus to train on (default: random tokens)")
    parser.add_argument("--batch_tokens", type=int, default=65_536, help="tokens of a step")
    parser.add_argument("--micro_batch_samples", type=int, default=8)
    parser.add_argument("--activation_checkpointing", default="none")
    parser.add_argument("--loss_chunk_tokens", type=int, default=0)
    parser.add_argument("--warmup_steps", type=int, default=10, help="steps before the measurement")
    parser.add_argument("--steps", type=int, default=50, help="measured steps")
    parser.add_argument("--small", action="store_true", help="a 10M model on a CPU")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    small = given.small or not torch.cuda.is_available()
    device_type = "cpu" if small else "cuda"
    with tempfile.TemporaryDirectory() as name, processes(device_type) as own:
        corpus = given.data or name
        options = make_options(given, corpus, f"{name}/run", small)
        if given.data is None:
            random_corpus(Path(name), 2_000_000)
        plan, mixture = make_plan(options, 1, device_type)
        device = device_name(own.device)
        results = {}
        for side in (ours, hugging_face):
            result = side(options, plan, mixture, own, given.warmup_steps)
            results[side.__name__] = figures(
                result, plan, options.sequence_length, given.warmup_steps, peak_flops(device)
            )
            gc.collect()
            torch.cuda.empty_cache()
    if given.json:
        measured = {"device": device, "model": options.model, "versions": versions()}
        print(json.dumps({**measured, "results": results}, indent=1))
    else:
        show(results, device)


if __name__ == "__main__":
    main()

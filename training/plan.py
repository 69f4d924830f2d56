"""The plan of a training run, made from its options and its data, with all checks."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from tokenizer.checking import marks_of
from tokenizer.fill_in_the_middle import middle_tokens
from training.checkpoint import steps_with_checkpoints
from training.data.files import corpus_files
from training.data.fill_in_the_middle import FillInTheMiddle
from training.data.manifest import manifest_name, parse_manifest
from training.data.mixture import Mixture
from training.data.packing import BEST_FIT
from training.data.tokenizer_file import read_tokenizer
from training.memory.choice import Wishes, choose, device_memory, table
from training.memory.estimate import Setup
from training.model import ModelConfig, model_config
from training.optimiser import (
    DEFAULT_DECAY_SHARE,
    RECIPES,
    WARM_UP_STABLE_DECAY,
    default_warmup_steps,
)
from training.options import TrainOptions
from training.parallel.mesh import MeshSizes, check_divisible, mesh_sizes
from training.run_folder import PACKING_NAME
from training.stages.stage_file import read_stages
from training.starting.initial_weights import check_weights

ESTIMATED_PROCESSES = (8, 64, 512)
"""Numbers of processes whose memory is told where torchrun started none."""


class Plan(NamedTuple):
    """The parameters of a run, with all defaults filled in."""

    config: ModelConfig
    mesh: MeshSizes
    n_steps: int
    batch_samples: int  # samples of a step, over all processes
    micro_batch_samples: int  # most samples that a process computes at once
    n_micro_batches: int  # of a step, in each process
    activation_checkpointing: str
    reduce_each: bool  # gradients after every micro-batch, not once a step
    learning_rate: float  # the maximum of the schedule
    warmup_steps: int
    decay_steps: int | None  # at the end, after a constant rate; None: a cosine
    compute_dtype: torch.dtype
    compile: bool
    fill_in_the_middle: FillInTheMiddle | None
    identity: dict[str, Any]  # values that may not change when the run is continued
    sequence_length: int
    minimum_fraction: float  # of the learning rate's maximum, in the last step
    name: str = ""  # of a stage
    first_step: int = 0  # steps ahead of a stage
    stages: tuple[Plan, ...] = ()  # of a run in stages, which has the longest samples' numbers

    def of_step(self, step: int) -> Plan:
        """Return the plan of a step, which is that of its stage. The first step is 1."""
        for stage in self.stages:
            if stage.first_step < step <= stage.first_step + stage.n_steps:
                return stage
        return self

    @property
    def batch_tokens(self) -> int:
        """The tokens of a step, over all processes."""
        return self.batch_samples * self.sequence_length

    @property
    def validation_length(self) -> int:
        """The tokens of a validation sample: of the shortest, so that stages can be compared."""
        return min((stage.sequence_length for stage in self.stages), default=self.sequence_length)


def make_plan(options: TrainOptions, n_processes: int, device_type: str) -> tuple[Plan, Mixture]:
    """Open the data, and fill in the defaults of the options that depend on it.

    The mixture holds exactly the run's samples, so that at the end of the run its proportions are
    the recipe's. Raises ValueError, in one line, where options and data do not fit together.
    """
    recipe = RECIPES[options.model]
    length = options.sequence_length
    batch_tokens = options.batch_tokens or recipe.batch_tokens
    batch_samples = batch_tokens // length
    if batch_tokens % length:
        raise ValueError(
            f"--batch_tokens {batch_tokens}: must be a multiple of the sequence length, {length}"
        )
    mesh = _mesh(options, n_processes)
    if options.wandb and importlib.util.find_spec("wandb") is None:
        raise ValueError("--wandb: not installed; run 'pip install wandb'")

    # A number of steps counts whatever the recipe's budget is.
    budget = None if options.max_steps is None else options.max_steps * batch_tokens
    mixture = _open(options, budget, None)
    n_steps = options.max_steps or mixture.n_samples // batch_samples
    if n_steps < 1:
        raise ValueError(
            f"{options.data}: its budget of {mixture.token_budget:,} tokens is less than a step of "
            f"{batch_tokens:,}; give --max_steps, or a smaller --batch_tokens"
        )
    packing = _packing_folder(options, mixture)
    if "://" not in options.data:
        mixture.check_files()
    if options.within_documents:
        read_tokenizer(mixture.tokenizer)  # its ids tell documents apart: the right one, or none
    warmup_steps = options.warmup_steps
    if warmup_steps is None:
        warmup_steps = default_warmup_steps(n_steps)
    if warmup_steps > n_steps:
        raise ValueError(f"--warmup_steps {warmup_steps}: the run has only {n_steps} steps")
    decay_steps = _decay_steps(options, n_steps, warmup_steps)
    precision = options.precision
    if precision == "auto":
        precision = "bf16" if device_type == "cuda" else "fp32"
    config = model_config(options.model, mixture.tokenizer["vocabulary_size"])
    check_divisible(mesh, config, length)
    if options.init_from is not None and not steps_with_checkpoints(Path(options.output)):
        check_weights(Path(options.init_from), config, mixture.tokenizer)
    wishes = Wishes(
        options.activation_checkpointing,
        options.micro_batch_samples,
        options.reduce_each_micro_batch,
    )
    setup = _setup(options, config, mesh, compute_bytes=2 if precision == "bf16" else 4)
    device_bytes = options.device_memory_bytes or device_memory(device_type)
    choice = choose(setup, -(-batch_samples // mesh.data), wishes, device_bytes)
    maximum = options.learning_rate or recipe.learning_rate
    middle = _fill_in_the_middle(options, mixture) if options.fim_rate else None
    identity = {
        "format": "llama-corpus training run, version 1",
        "size": options.model,
        "model": asdict(config),
        "corpus": mixture.fingerprint,
        "tokenizer": dict(mixture.tokenizer),
        "steps": n_steps,
        "sequence_length": length,
        "batch_tokens": batch_tokens,
        "learning_rate": maximum,
        "minimum_learning_rate_fraction": options.minimum_learning_rate_fraction,
        "warmup_steps": warmup_steps,
        "weight_decay": options.weight_decay,
        "max_gradient_norm": options.max_gradient_norm,
        "within_documents": options.within_documents,
        "seed": options.seed,
        "precision": precision,
        **({} if options.packing != BEST_FIT else {"packing": BEST_FIT}),
        **({} if options.init_from is None else {"init_from": options.init_from}),
        **({} if decay_steps is None else {"decay_steps": decay_steps}),
        **_described(middle),
    }
    mixture = _open(options, n_steps * batch_tokens, packing)  # which makes tables: checks are done
    return Plan(
        config,
        mesh,
        n_steps,
        batch_samples,
        choice.micro_batch_samples,
        choice.n_micro_batches,
        choice.checkpointing,
        choice.reduce_each,
        maximum,
        warmup_steps,
        decay_steps,
        torch.bfloat16 if precision == "bf16" else torch.float32,
        device_type == "cuda" if options.compile is None else options.compile,
        middle,
        identity,
        length,
        options.minimum_learning_rate_fraction,
    ), mixture


def _decay_steps(options: TrainOptions, n_steps: int, warmup_steps: int) -> int | None:
    """Return the steps of decay, None for a cosine. Raises ValueError where they are too many."""
    if options.schedule != WARM_UP_STABLE_DECAY:
        return None
    share = DEFAULT_DECAY_SHARE if options.decay_share is None else options.decay_share
    decay_steps = round(share * n_steps)
    if warmup_steps + decay_steps > n_steps:
        raise ValueError(
            f"--decay_share {share:g}: {decay_steps} steps of decay and {warmup_steps} of warm-up "
            f"are more than the run's {n_steps}"
        )
    return decay_steps


def _fill_in_the_middle(options: TrainOptions, mixture: Mixture) -> FillInTheMiddle:
    """Return what is rearranged. Raises ValueError where data or tokenizer do not allow it."""
    sources = None if options.fim_sources is None else frozenset(options.fim_sources.split(","))
    if unknown := sorted((sources or frozenset()) - set(mixture.sources)):
        raise ValueError(
            f"--fim_sources {','.join(unknown)}: not of the corpus's sources, "
            f"{', '.join(mixture.sources)}"
        )
    described = mixture.tokenizer
    data, path = read_tokenizer(described), str(described["model"])
    bos, eos = marks_of(data, path)
    marks = [bos if described["bos"] else None, eos if described["eos"] else None]
    if marks == [None, None]:
        raise ValueError(
            "--fim_rate: needs a token between documents: set tokenizer.bos or tokenizer.eos in "
            "the recipe"
        )
    try:
        tokens = middle_tokens(data, path)
    except ValueError as error:
        raise ValueError(f"--fim_rate: {path}: {error}") from None
    return FillInTheMiddle(
        options.fim_rate,
        options.fim_spm_rate,
        sources,
        tokens,
        tuple(mark for mark in marks if mark is not None),
        options.seed,
    )


def _described(middle: FillInTheMiddle | None) -> dict[str, Any]:
    """Return what of it is a run's own. Nothing where it is off, as in earlier versions."""
    if middle is None:
        return {}
    sources = None if middle.sources is None else sorted(middle.sources)
    described = {"rate": middle.rate, "spm_rate": middle.spm_rate, "sources": sources}
    return {"fill_in_the_middle": described}


def describe(plan: Plan, device: str) -> str:
    """Return the line that is printed at the beginning of a run."""
    length, shares = plan.identity["sequence_length"], plan.mesh.data
    computed = shares * plan.n_micro_batches * plan.micro_batch_samples
    most = "" if computed == plan.batch_samples else "at most "
    return (
        f"{plan.config.n_parameters:,} weights; {plan.n_steps:,} steps of "
        f"{plan.batch_samples * length:,} tokens ({shares} x {plan.n_micro_batches} x {most}"
        f"{plan.micro_batch_samples} samples of {length:,}); {plan.identity['precision']}, {device}"
    )


def _packing_folder(options: TrainOptions, mixture: Mixture) -> Path | None:
    """Return the folder for tables of packed samples; None where samples are not packed.

    Raises ValueError where what is left of two documents could not be told apart.
    """
    if options.packing != BEST_FIT:
        return None
    if (options.within_documents or options.fim_rate) and not mixture.tokenizer["eos"]:
        name = "--within_documents" if options.within_documents else "--fim_rate"
        raise ValueError(
            f"--packing {BEST_FIT}: with {name} documents need a token at their end; set "
            "tokenizer.eos in the recipe"
        )
    return Path(options.packing_folder or Path(options.output, PACKING_NAME))


def estimated(options: TrainOptions, n_processes: int) -> str:
    """Return a table of the memory of each device. Of the data, only the manifest is read.

    Of stages it is that of the longest samples. Without torchrun it is told for several numbers of
    processes. Raises ValueError where there is no manifest.
    """
    if options.stages is not None:
        longest = max(stage.sequence_length for stage in read_stages(options.stages))
        options = replace(options, stages=None, sequence_length=longest)
    files = corpus_files(options.data, options.cache)
    manifest = parse_manifest(files.read_manifest(manifest_name(options.mixture)), "train")
    config = model_config(options.model, manifest.tokenizer["vocabulary_size"])
    worlds = [n_processes]
    if n_processes == 1:
        given = options.dp_replicate * (options.dp_shard or 1) * options.cp * options.tp
        fitting = [world for world in ESTIMATED_PROCESSES if not world % given]
        worlds = fitting if fitting and options.dp_shard is None else [given]
    mesh = _mesh(options, worlds[0])
    check_divisible(mesh, config, options.sequence_length)
    # Runs of a size that needs an estimate are on GPUs, wherever the question is asked.
    compute_bytes = 4 if options.precision == "fp32" else 2
    return table(_setup(options, config, mesh, compute_bytes), worlds)


def _mesh(options: TrainOptions, n_processes: int) -> MeshSizes:
    return mesh_sizes(
        n_processes,
        dp_replicate=options.dp_replicate,
        dp_shard=options.dp_shard,
        cp=options.cp,
        tp=options.tp,
    )


def _setup(
    options: TrainOptions, config: ModelConfig, mesh: MeshSizes, compute_bytes: int
) -> Setup:
    return Setup(
        config,
        mesh.n_processes,
        options.sequence_length,
        copies=mesh.dp_replicate,
        cp=mesh.cp,
        tp=mesh.tp,
        compute_bytes=compute_bytes,
        loss_chunk_tokens=options.loss_chunk_tokens,
        reshard_after_forward=options.reshard_after_forward,
    )


def _open(options: TrainOptions, token_budget: int | None, packing: Path | None) -> Mixture:
    return Mixture(
        options.data,
        sequence_length=options.sequence_length,
        seed=options.seed,
        token_budget=token_budget,
        cache=options.cache,
        mixture=options.mixture,
        packing=packing,
    )

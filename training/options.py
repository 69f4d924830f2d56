"""The trainer's options: fields of a dataclass, from which the command line is made."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from types import UnionType
from typing import Any, NoReturn, TypeVar, get_args, get_type_hints

from training.data.packing import BEST_FIT
from training.model import MODELS
from training.optimiser import COSINE, DEFAULT_DECAY_SHARE, SCHEDULES, WARM_UP_STABLE_DECAY
from training.parallelize import ACTIVATION_CHECKPOINTING
from training.stepping.hangs import HANG_SECONDS

T = TypeVar("T")

OF_STAGES = (
    "max_steps", "sequence_length", "learning_rate", "minimum_learning_rate_fraction", "schedule",
    "decay_share", "warmup_steps",
)  # fmt: skip
"""Options that say of a run what a file of stages says of each stage."""


def option(help_text: str, default: Any = dataclasses.MISSING, choices: Sequence[str] = ()) -> Any:
    """Declare a field of an options class. Without a default, the option is required."""
    return dataclasses.field(
        default=default, metadata={"help": help_text, "choices": list(choices) or None}
    )


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """Train LLaMA on token shards."""

    data: str = option("output folder of the pipeline (has a manifest.json)")
    model: str = option("size of the model", choices=tuple(MODELS))
    output: str = option("folder of this training run; a run that is there is continued")

    mixture: str | None = option(
        "name of a mixture that the corpus has or had, of its folder mixtures/ (default: the "
        "newest)",
        None,
    )
    cache: str | None = option("folder for the shards of a remote corpus", None)
    init_from: str | None = option(
        "folder of a training run, or of an exported model, with whose weights this run begins; "
        "nothing else is taken from it",
        None,
    )
    stages: str | None = option(
        "YAML file with a list of stages: token budget, mixture or weights, sequence length and "
        "learning rate of each",
        None,
    )
    max_steps: int | None = option(
        "steps of the whole run (default: as many as the recipe's token budget makes)", None
    )
    sequence_length: int = option("tokens of a sample", 2048)
    batch_tokens: int | None = option(
        "tokens of a step, over all processes (default: by the model's size, 4,194,304 from 7B on)",
        None,
    )
    micro_batch_samples: int | None = option(
        "most samples that a process computes at once; gradients are accumulated over a step "
        "(default: as many as fit, at most 8)",
        None,
    )
    learning_rate: float | None = option(
        "maximum learning rate (default: by the model's size)", None
    )
    minimum_learning_rate_fraction: float = option(
        "learning rate in the last step, as a fraction of the maximum", 0.1
    )
    schedule: str = option(
        "the learning rate after warm-up: half a cosine, or the maximum with a linear decay at the "
        f"end ({WARM_UP_STABLE_DECAY}: warm-up, stable, decay)",
        COSINE,
        SCHEDULES,
    )
    decay_share: float | None = option(
        f"share of the run's steps in which {WARM_UP_STABLE_DECAY} decays (default: "
        f"{DEFAULT_DECAY_SHARE})",
        None,
    )
    warmup_steps: int | None = option(
        "steps of linear warm-up (default: 2000, at most a tenth of the run)", None
    )
    weight_decay: float = option("weight decay of matrices", 0.1)
    max_gradient_norm: float = option("gradients are clipped to this norm", 1.0)
    within_documents: bool = option("keep attention within documents", False)
    packing: str = option(
        "how documents make samples: one after the other, or so that none is cut that fits into a "
        "sample",
        "concatenate",
        ("concatenate", BEST_FIT),
    )
    packing_folder: str | None = option(
        "folder for the tables of packed samples, which runs may share (default: in the run's)",
        None,
    )
    fim_rate: float = option(
        "share of documents, or of their parts in samples, that are rearranged to fill in the "
        "middle; the tokenizer must have tokens for it",
        0.0,
    )
    fim_spm_rate: float = option("share of these in which the suffix is ahead of the prefix", 0.5)
    fim_sources: str | None = option(
        "names of the sources, with commas, whose documents are rearranged (default: all)", None
    )
    seed: int = option("seed of the initial weights and the order of samples", 0)
    precision: str = option(
        "precision of the computation; weights and optimiser are float32 (default auto: bf16 on a "
        "GPU, fp32 on a CPU)",
        "auto",
        ("auto", "bf16", "fp32"),
    )

    device: str = option("auto: a GPU where there is one", "auto", choices=("auto", "cuda", "cpu"))
    compile: bool | None = option("use torch.compile (default: on a GPU)", None)
    activation_checkpointing: str | None = option(
        "activations that the backward pass computes again: none, all but those of matrix products "
        "and attention, or all (default: as few as the device's memory allows)",
        None,
        ACTIVATION_CHECKPOINTING,
    )
    dp_replicate: int = option(
        "copies of the model, each divided over an equal part of the processes; gradients are "
        "reduced within each copy, and then over the copies",
        1,
    )
    dp_shard: int | None = option(
        "processes that divide the weights of a copy, and compute different samples (default: all "
        "that the other dimensions of the mesh leave)",
        None,
    )
    tp: int = option(
        "processes that divide the matrices of every layer and the vocabulary (tensor parallelism)",
        1,
    )
    cp: int = option(
        "processes that divide the tokens of a sample into parts (context parallelism)", 1
    )
    reshard_after_forward: bool = option(
        "free a layer's gathered weights between its forward and backward pass; without it they "
        "are gathered once, and stay in memory",
        True,
    )
    reduce_each_micro_batch: bool | None = option(
        "reduce gradients over the processes after every micro-batch; without it once a step, "
        "with whole gradients in memory (default: once if they fit)",
        None,
    )
    device_memory_bytes: int | None = option(
        "memory of a device, by which the above are chosen, and what does not fit is refused "
        "(default: asked of the GPU)",
        None,
    )
    estimate: bool = option(
        "print the memory that training takes on each device, and end; nothing is started", False
    )
    loss_chunk_tokens: int = option(
        "number of tokens whose logits are computed at a time; 0: all at once, a little faster", 0
    )
    workers: int = option("processes that read ahead, for each training process", 2)

    checkpoint_every: int = option("steps from one checkpoint to the next; the last step has one",
                                   1000)  # fmt: skip
    keep: int = option("checkpoints that are kept", 3)
    async_checkpoints: bool = option("write checkpoints while training goes on", True)
    validate_every: int = option("steps from one validation to the next; 0: never", 1000)
    validation_samples: int = option("samples of each source in a validation, at most", 64)
    collect_every: int = option(
        "steps from one of Python's garbage collections to the next, at the same step in all "
        "processes; 0: whenever Python likes",
        100,
    )
    deterministic: bool = option("use deterministic operations alone, which are slower", False)
    profile: int = option(
        "steps after the tenth that PyTorch's profiler traces, to the run's folder profile/", 0
    )
    hang_seconds: int = option(
        "seconds without a step after which a process writes to the run's folder stacks/ where it "
        "stands, and ends; 0: never",
        HANG_SECONDS,
    )
    log_every: int = option("steps from one line on the terminal to the next", 10)
    wandb: bool = option("log to Weights & Biases too, which must be installed", False)

    def __post_init__(self) -> None:
        """Check the options as far as possible without the data. Raises ValueError in one line."""
        for name in (
            "max_steps", "sequence_length", "batch_tokens", "micro_batch_samples",
            "learning_rate", "max_gradient_norm", "checkpoint_every", "keep", "log_every",
            "validation_samples", "device_memory_bytes", "dp_replicate", "dp_shard", "tp", "cp",
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"--{name} {value}: must be more than 0")
        for name in ("warmup_steps", "weight_decay", "loss_chunk_tokens", "workers", "hang_seconds",
                     "validate_every", "seed", "collect_every", "profile"):  # fmt: skip
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ValueError(f"--{name} {value}: must not be negative")
        for name in ("minimum_learning_rate_fraction", "decay_share", "fim_rate", "fim_spm_rate"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"--{name}: must lie between 0 and 1")
        if self.decay_share is not None and self.schedule != WARM_UP_STABLE_DECAY:
            raise ValueError(
                f"--decay_share: changes nothing without --schedule {WARM_UP_STABLE_DECAY}"
            )
        if self.stages is not None:
            for field in dataclasses.fields(self):
                if field.name in OF_STAGES and getattr(self, field.name) != field.default:
                    raise ValueError(f"--{field.name}: each stage of --stages has its own")
        if self.packing_folder is not None and self.packing != BEST_FIT:
            raise ValueError(f"--packing_folder: holds nothing without --packing {BEST_FIT}")
        if self.fim_sources is not None and not self.fim_rate:
            raise ValueError("--fim_sources: rearranges nothing without --fim_rate")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Print what is wrong in one line, and exit."""
        print(f"{self.prog}: error: {message} (--help lists the options)", file=sys.stderr)
        raise SystemExit(2)


def parse(options_class: type[T], arguments: Sequence[str] | None, prog: str) -> T:
    """Read the command line into an options class. Exits with status 2 on a mistake in it."""
    parser = _Parser(prog=prog, description=(options_class.__doc__ or "").splitlines()[0])
    types = get_type_hints(options_class)
    for field in dataclasses.fields(options_class):  # type: ignore[arg-type]
        kind = types[field.name]
        if isinstance(kind, UnionType):
            (kind,) = (member for member in get_args(kind) if member is not type(None))
        settings: dict[str, Any] = {"help": field.metadata["help"].replace("%", "%%")}
        if kind is bool:
            settings["action"] = argparse.BooleanOptionalAction
        else:
            settings |= {"type": kind, "choices": field.metadata["choices"]}
        if field.default is dataclasses.MISSING:
            settings["required"] = True
        else:
            settings["default"] = field.default
            if field.default not in (None, False, True, "auto"):
                settings["help"] += f" (default: {field.default})"
        parser.add_argument(f"--{field.name}", **settings)
    try:
        return options_class(**vars(parser.parse_args(arguments)))
    except ValueError as error:
        parser.error(str(error))

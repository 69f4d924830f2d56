"""Export of a checkpoint to Hugging Face's files, which ``training.generate`` reads, too.

    python -m training.export RUN DIR [--step N] [--dtype bfloat16]

``LlamaForCausalLM`` and ``AutoTokenizer`` load ``DIR``. Weights are only renamed, because the
model pairs halves in its rotary embeddings as Hugging Face's does. One file of at most 5 GB is in
memory at a time. Nothing is published whose tokenizer, as transformers loads it, gives other ids.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from tokenizer.kinds import SENTENCEPIECE, kind_of
from training import checkpoint
from training.data.tokenizer_file import read_tokenizer
from training.exported_tokenizer import (
    check_with_transformers,
    encodes_special,
    file_name_of,
    mark_ids,
    tokenizer_files,
)
from training.model import Llama, ModelConfig
from training.run_folder import read_run

MAX_FILE_BYTES = 5_000_000_000
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

HUGGING_FACE_NAMES = {
    "embedding": "model.embed_tokens",
    "blocks": "model.layers",
    "attention_norm": "input_layernorm",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.output": "self_attn.o_proj",
    "feed_forward_norm": "post_attention_layernorm",
    "feed_forward.gate": "mlp.gate_proj",
    "feed_forward.up": "mlp.up_proj",
    "feed_forward.down": "mlp.down_proj",
    "norm": "model.norm",
    "head": "lm_head",
}


def hugging_face_name(name: str) -> str:
    """Return the name in ``LlamaForCausalLM`` of a weight of :class:`training.model.Llama`."""
    parts = name.split(".")
    if parts[0] != "blocks":
        return f"{HUGGING_FACE_NAMES[parts[0]]}.{parts[-1]}"
    inner = HUGGING_FACE_NAMES[".".join(parts[2:-1])]
    return f"{HUGGING_FACE_NAMES['blocks']}.{parts[1]}.{inner}.{parts[-1]}"


def exported_config(settings: Mapping[str, Any]) -> ModelConfig:
    """Return the model that a ``config.json`` of Hugging Face describes."""
    return ModelConfig(
        dim=settings["hidden_size"],
        n_heads=settings["num_attention_heads"],
        n_layers=settings["num_hidden_layers"],
        vocabulary_size=settings["vocab_size"],
        rope_theta=settings["rope_theta"],
        norm_eps=settings["rms_norm_eps"],
    )


def export(
    run: Path, target: Path, step: int | None = None, dtype: torch.dtype = torch.float32
) -> int:
    """Export the checkpoint of a step, or the newest, to a folder; return its step.

    The folder gets its name when it is complete. Raises ValueError where there is no such
    checkpoint, the folder exists, or the tokenizer is not the one that made the shards, or cannot
    be exported exactly.
    """
    description = read_run(run)
    config = ModelConfig(**description["model"])
    if target.exists():
        raise ValueError(f"{target} is there already; remove it, or give another folder")
    step = _chosen_step(run, step)
    file, settings = _tokenizer(description)
    described = description["tokenizer"]
    name = file_name_of(described)
    unfinished = target.with_name(f"{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    if kind_of(file) == SENTENCEPIECE:
        (unfinished / "tokenizer.model").write_bytes(file)
    settings |= _settings(config, description, mark_ids(file, name), dtype)
    for written, content in settings.items():
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        (unfinished / written).write_text(text, encoding="utf-8")
    check_with_transformers(
        unfinished,
        file,
        name,
        bos=described["bos"],
        special_in_text=encodes_special(described),
    )
    _write_weights(run, step, config, dtype, unfinished)
    unfinished.rename(target)
    return step


def _chosen_step(run: Path, step: int | None) -> int:
    if step is None:
        newest = checkpoint.newest_whole(run)
        if newest is None:
            raise ValueError(f"{run}: no checkpoint there")
        return newest
    saved = checkpoint.steps_with_checkpoints(run)
    if step not in saved:
        steps = ", ".join(map(str, saved)) or "none"
        raise ValueError(f"{run}: no checkpoint of step {step}; there are {steps}")
    if problem := checkpoint.damage(checkpoint.checkpoint_folder(run, step)):
        raise ValueError(f"{checkpoint.checkpoint_folder(run, step)} is damaged: {problem}")
    return step


def _tokenizer(description: Mapping[str, Any]) -> tuple[bytes, dict[str, dict[str, Any]]]:
    """Return the file of a run's tokenizer, and the files that Hugging Face's classes read."""
    described = description["tokenizer"]
    file = read_tokenizer(described)
    try:
        return file, tokenizer_files(
            file,
            file_name_of(described),
            bos=described["bos"],
            max_tokens=description["sequence_length"],
            special_in_text=encodes_special(described),
        )
    except ValueError as error:
        raise ValueError(f"{described['model']}: cannot be exported, {error}") from None


def _write_weights(
    run: Path, step: int, config: ModelConfig, dtype: torch.dtype, folder: Path
) -> None:
    with torch.device("meta"):
        weights = Llama(config).state_dict()
    groups = list(_groups(weights, dtype))
    files: dict[str, str] = {}
    for number, names in enumerate(groups, 1):
        # In the checkpoint, names begin with the model's name in the module of model and loss.
        state = {f"model.{name}": torch.empty(weights[name].shape) for name in names}
        checkpoint.load(run, step, {"model": state}, None)
        file = f"model-{number:05d}-of-{len(groups):05d}.safetensors"
        if len(groups) == 1:
            file = "model.safetensors"
        named = {hugging_face_name(name): state[f"model.{name}"].to(dtype) for name in names}
        save_file(named, folder / file, {"format": "pt"})
        files |= dict.fromkeys(named, file)
    if len(groups) > 1:
        total = sum(weight.numel() for weight in weights.values()) * dtype.itemsize
        index = {"metadata": {"total_size": total}, "weight_map": files}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def _groups(weights: Mapping[str, Tensor], dtype: torch.dtype) -> Iterator[list[str]]:
    """Yield the names of the weights of each file."""
    names: list[str] = []
    n_bytes = 0
    for name, weight in weights.items():
        size = weight.numel() * dtype.itemsize
        if names and n_bytes + size > MAX_FILE_BYTES:
            yield names
            names, n_bytes = [], 0
        names.append(name)
        n_bytes += size
    yield names


def _settings(
    config: ModelConfig,
    description: Mapping[str, Any],
    marks: Mapping[str, int],
    dtype: torch.dtype,
) -> dict[str, dict[str, Any]]:
    ids = {f"{name}_token_id": marks.get(name) for name in ("bos", "eos", "pad")}
    return {
        "config.json": {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": config.vocabulary_size,
            "hidden_size": config.dim,
            "intermediate_size": config.hidden_dim,
            "num_hidden_layers": config.n_layers,
            "num_attention_heads": config.n_heads,
            "num_key_value_heads": config.n_heads,
            "head_dim": config.head_dim,
            "hidden_act": "silu",
            "max_position_embeddings": description["sequence_length"],
            "rms_norm_eps": config.norm_eps,
            "rope_theta": config.rope_theta,
            "attention_bias": False,
            "mlp_bias": False,
            "tie_word_embeddings": False,
            "torch_dtype": str(dtype).removeprefix("torch."),
            **ids,
        },
        "generation_config.json": {**ids, "do_sample": True},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the export command; return the exit status, 2 for a mistake."""
    parser = argparse.ArgumentParser("python -m training.export")
    parser.add_argument("run", metavar="RUN", type=Path, help="output folder of a training run")
    parser.add_argument("target", metavar="DIR", type=Path, help="folder to write")
    parser.add_argument("--step", type=int, help="a checkpoint's step (default: the newest)")
    parser.add_argument("--dtype", choices=list(DTYPES), default="float32", help="of the weights")
    options = parser.parse_args(arguments)
    try:
        step = export(options.run, options.target, options.step, DTYPES[options.dtype])
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"step {step:,} of {options.run} is in {options.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

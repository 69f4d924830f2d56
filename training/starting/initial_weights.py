"""The weights of another training run, or of an exported model, with which a run begins.

Only the weights are taken. The optimiser, the schedule and the samples are those of a new run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint import state_dict_loader
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
from torch.distributed.checkpoint.state_dict import get_model_state_dict, set_model_state_dict

from training import checkpoint
from training.export import exported_config, hugging_face_name
from training.model import ModelConfig
from training.processes import Processes
from training.run_folder import RUN_NAME, read_run

EXPORT_CONFIG = "config.json"


def check_weights(folder: Path, config: ModelConfig, tokenizer: Mapping[str, Any]) -> None:
    """Check that a folder has weights for a model, before any work.

    An exported model has its tokenizer in another form, so that only the number of its tokens is
    compared. Raises ValueError, with every difference.
    """
    if (folder / RUN_NAME).exists():
        described = read_run(folder)
        there = dict(described["model"])
        if described["tokenizer"].get("sha256") != tokenizer.get("sha256"):
            raise ValueError(f"--init_from {folder}: its tokenizer is not that of the shards")
        if checkpoint.newest_whole(folder) is None:
            raise ValueError(f"--init_from {folder}: no checkpoint there")
    else:
        try:
            there = asdict(exported_config(json.loads((folder / EXPORT_CONFIG).read_bytes())))
        except (OSError, ValueError, KeyError, TypeError):
            raise ValueError(
                f"--init_from {folder}: neither the folder of a training run nor one that "
                "training.export wrote"
            ) from None
    differences = [
        f"{name} is {there.get(name)!r} there and {value!r} here"
        for name, value in asdict(config).items()
        if there.get(name) != value
    ]
    if differences:
        raise ValueError(f"--init_from {folder}: another model: {'; '.join(differences)}")


def load_weights(module: nn.Module, folder: Path, own: Processes) -> str:
    """Load the weights of a folder, and return a line that says which. All processes must call it.

    Of a run, the newest checkpoint is taken. Each process reads its part alone. Raises ValueError
    where the weights cannot be read.
    """
    weights = get_model_state_dict(module)
    if not (folder / RUN_NAME).exists():
        _read_export(folder, weights, own)
        said = f"beginning with the weights of {folder}"
    else:
        # The other run may be at work, so one process looks for all.
        newest = [checkpoint.newest_whole(folder) if own.is_first else None]
        dist.broadcast_object_list(newest, 0, own.for_messages)
        if newest[0] is None:
            raise ValueError(f"--init_from {folder}: no checkpoint there")
        checkpoint.load(folder, newest[0], {"model": weights}, own.for_checkpoints)
        said = f"beginning with the weights of {folder} after step {newest[0]:,}"
    set_model_state_dict(module, weights)
    return said


def _read_export(folder: Path, weights: Mapping[str, Any], own: Processes) -> None:
    """Fill weights in place from the files of an exported model, whatever its precision."""
    # In a run, names begin with the model's name in the module of model and loss.
    named = {
        hugging_face_name(name.removeprefix("model.")): weight for name, weight in weights.items()
    }
    try:
        state_dict_loader.load(
            named,
            storage_reader=HuggingFaceStorageReader(str(folder)),
            process_group=own.for_checkpoints,
        )
    except (Exception, CheckpointException) as error:
        raise ValueError(
            f"--init_from {folder}: cannot be read: {checkpoint.reason(error)}"
        ) from error

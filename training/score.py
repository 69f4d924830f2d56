"""Training, and what the model then gives texts: bits of passages of token ids.

    python -m training.score PASSAGES SCORES --data OUT --model 10M --output RUN

The options are those of ``training.train``, which this calls; a run that is finished is not trained
again. PASSAGES is a NumPy archive with the arrays ``ids``, ``offsets`` (where each passage begins
and the last ends) and ``begin`` (the token ahead of a document). SCORES is an array, the bits of
each passage.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from training import checkpoint
from training.data.mixture import NO_TOKEN
from training.model import Llama, ModelConfig
from training.options import TrainOptions, parse
from training.run_folder import read_run
from training.train import FINISHED, choose_device
from training.train import main as train

BATCH_WINDOWS = 8
"""Windows that the model sees at once."""


def window_bounds(offsets: npt.NDArray[np.int64], length: int) -> list[tuple[int, int, int]]:
    """Return passage, begin and end of the windows of at most ``length`` tokens, in order."""
    return [
        (passage, begin, min(begin + length, int(offsets[passage + 1])))
        for passage in range(len(offsets) - 1)
        for begin in range(int(offsets[passage]), int(offsets[passage + 1]), length)
    ]


@torch.inference_mode()
def passage_bits(
    model: Llama,
    ids: npt.NDArray[np.int64],
    offsets: npt.NDArray[np.int64],
    begin: int,
    length: int,
) -> npt.NDArray[np.float64]:
    """Return the bits that a model gives each passage.

    A passage is cut into windows of at most ``length`` tokens. Ahead of each stands the token
    ``begin``, so that a window's first token is predicted without what stands before it.
    """
    device = model.head.weight.device
    bits = np.zeros(len(offsets) - 1)
    windows = sorted(window_bounds(offsets, length), key=lambda one: one[2] - one[1])
    for first in range(0, len(windows), BATCH_WINDOWS):
        batch = windows[first : first + BATCH_WINDOWS]
        width = max(end - start for _, start, end in batch)
        inputs_BT = torch.zeros(len(batch), width, dtype=torch.int64)
        targets_BT = torch.full((len(batch), width), NO_TOKEN)
        for row, (_, start, end) in enumerate(batch):
            window = torch.from_numpy(ids[start:end])
            inputs_BT[row, 0] = begin
            inputs_BT[row, 1 : end - start] = window[:-1]
            targets_BT[row, : end - start] = window
        nats_B = _nats(model, inputs_BT.to(device), targets_BT.to(device))
        for (passage, _, _), nats in zip(batch, nats_B.tolist(), strict=True):
            bits[passage] += nats / math.log(2)
    return bits


def _nats(model: Llama, inputs_BT: Tensor, targets_BT: Tensor) -> Tensor:
    logits_BVT = model(inputs_BT).float().transpose(1, 2)
    losses_BT = cross_entropy(logits_BVT, targets_BT, ignore_index=NO_TOKEN, reduction="none")
    return losses_BT.double().sum(1)


def load_newest(run: Path, device: torch.device) -> tuple[Llama, int]:
    """Load the newest model of a training run; return it and its sequence length."""
    description = read_run(run)
    step = checkpoint.newest_whole(run)
    if step is None:
        raise ValueError(f"{run}: no checkpoint there")
    model = Llama(ModelConfig(**description["model"]))
    # In the checkpoint, names begin with the model's name in the module of model and loss.
    state = {f"model.{name}": weight for name, weight in model.state_dict().items()}
    checkpoint.load(run, step, {"model": state}, None)
    return model.to(device).eval(), description["sequence_length"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and score; return the exit status, which is that of training where it is not 0."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) < 2:
        print("error: expected PASSAGES SCORES and the options of training", file=sys.stderr)
        return 2
    (passages, scores), of_training = given[:2], given[2:]
    options = parse(TrainOptions, of_training, "python -m training.score PASSAGES SCORES")
    status = train(of_training)
    if status != FINISHED:
        return status
    model, length = load_newest(Path(options.output), torch.device(choose_device(options.device)))
    with np.load(passages) as given_arrays:
        ids, offsets = (given_arrays[name].astype(np.int64) for name in ("ids", "offsets"))
        begin = int(given_arrays["begin"])
    np.save(scores, passage_bits(model, ids, offsets, begin, length))
    return FINISHED


if __name__ == "__main__":
    sys.exit(main())

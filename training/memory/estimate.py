"""An estimate of the memory that training takes on a device.

A step is followed from the loss back to the first layer. What is in memory is added up at each
moment that may be the fullest, and the fullest of them counts. The rules are those of FSDP2: groups
of weights are gathered one ahead, the whole gradients of a group are kept until the next group's
are there, and reductions are in float32. The tests compare it with a tracker of PyTorch's that runs
the trainer on tensors without data.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from training.model import ModelConfig

FLOAT_BYTES = 4
"""Bytes of a master weight, of a reduced gradient, and of each of AdamW's two averages."""


class Setup(NamedTuple):
    """What the memory depends on."""

    config: ModelConfig
    n_processes: int
    sequence_length: int
    micro_batch_samples: int = 1
    checkpointing: str = "none"
    compute_bytes: int = 2  # of a number in the type of computation
    loss_chunk_tokens: int = 0
    reshard_after_forward: bool = True
    n_micro_batches: int = 1  # of a step
    reduce_each: bool = True  # gradients after every micro-batch, not once a step
    copies: int = 1  # of the model, each divided over a part of the processes
    tp: int = 1  # processes that divide matrices and vocabulary
    cp: int = 1  # processes that divide the tokens of a sample

    @property
    def n_shards(self) -> int:
        """The number of processes over which FSDP divides the weights that ``tp`` leaves."""
        return self.n_processes // self.copies // self.tp

    @property
    def n_tokens(self) -> int:
        """The number of tokens of a micro-batch that a process computes."""
        return self.micro_batch_samples * self.sequence_length // self.cp


class Memory(NamedTuple):
    """Bytes on a device at one moment."""

    weights: float = 0  # the process's share
    optimiser: float = 0
    gradients: float = 0  # reduced, on their way there, or whole
    gathered: float = 0  # weights of groups, gathered from all processes
    activations: float = 0
    logits: float = 0

    @property
    def total(self) -> float:
        """The sum of all parts."""
        return sum(self)

    def described(self) -> str:
        """Return the parts in GB, for a message or a table."""
        return ", ".join(
            f"{name} {value / 1e9:.1f}" for name, value in zip(self._fields, self, strict=True)
        )


def estimate(setup: Setup) -> Memory:
    """Return the memory at the fullest moment of a step, by parts."""
    return max(_moments(setup), key=lambda memory: memory.total)


class _Sizes(NamedTuple):
    """Numbers of weights in the groups that are gathered together, in the order of use."""

    embedding: int
    block: int
    head: int  # with the norm ahead of it
    n_blocks: int

    @property
    def all(self) -> int:
        return self.embedding + self.n_blocks * self.block + self.head


def _sizes(config: ModelConfig, tp: int) -> _Sizes:
    matrix = config.vocabulary_size * config.dim // tp
    block = (4 * config.dim**2 + 3 * config.dim * config.hidden_dim) // tp + 2 * config.dim
    return _Sizes(matrix, block, matrix + config.dim, config.n_layers)


def saved_activations(setup: Setup) -> int:
    """Return the bytes that all layers keep of a micro-batch from forward to backward pass.

    A layer keeps, in numbers of a token: its input (``full``); also what matrix products and
    attention made, but for the last product, which is only added (``selective``); or what the
    backward pass of a compiled layer reads (``none``). Tensor parallelism divides them, but for the
    inputs of attention and feed-forward. Keys and values are there of whole samples.
    """
    d, f = setup.config.dim, setup.config.hidden_dim
    of_token = {
        "none": (9 + 2 * (setup.cp - 1)) * d + 3 * f,
        "selective": 6 * d + 2 * f,
        "full": d,
    }[setup.checkpointing]
    if setup.checkpointing == "none":
        of_token += _whole(setup, 2 * d)
    return setup.config.n_layers * of_token // setup.tp * _token_bytes(setup)


def _whole(setup: Setup, numbers: int) -> int:
    """Return what has to be added to numbers that tensor parallelism does not divide."""
    return (setup.tp - 1) * numbers


def _token_bytes(setup: Setup) -> int:
    """Return the bytes of one number of every token of a micro-batch."""
    return setup.compute_bytes * setup.n_tokens


def _moments(setup: Setup) -> Iterator[Memory]:
    """Yield the moments of a step that may be the fullest."""
    sizes, shards = _sizes(setup.config, setup.tp), setup.n_shards
    always = Memory(
        weights=FLOAT_BYTES * sizes.all / shards, optimiser=2 * FLOAT_BYTES * sizes.all / shards
    )
    yield always._replace(gradients=FLOAT_BYTES * sizes.all / shards)  # the optimiser's step
    yield from (_sum(always, moment) for moment in _moments_of_loss(setup, sizes))
    for number in range(sizes.n_blocks):
        yield from (_sum(always, moment) for moment in _moments_of_block(setup, sizes, number))


def _sum(one: Memory, other: Memory) -> Memory:
    return Memory(*(a + b for a, b in zip(one, other, strict=True)))


def _moments_of_loss(setup: Setup, sizes: _Sizes) -> Iterator[Memory]:
    """Yield the end of the forward pass, and the beginning of the backward pass."""
    config, c = setup.config, setup.compute_bytes
    n_tokens = setup.n_tokens
    # The last layer's output, normalised, and what the norm keeps in float32.
    of_token = (5 * config.dim + _whole(setup, config.dim)) // setup.tp
    activations = saved_activations(setup) + of_token * _token_bytes(setup)
    if setup.loss_chunk_tokens or setup.tp > 1:
        # Gradients by hidden states and by the head's weights are there already.
        copies = 4 if setup.tp == 1 else 2
        logits = copies * FLOAT_BYTES * config.vocabulary_size // setup.tp
        logits *= min(setup.loss_chunk_tokens or n_tokens, n_tokens)
        logits += (FLOAT_BYTES + c) * sizes.head + config.dim * _token_bytes(setup)
        forward, backward = logits, logits
    else:
        # In the type of computation, in float32, and normalised; later two gradients by them.
        forward = (c + 2 * FLOAT_BYTES) * config.vocabulary_size * n_tokens
        backward = 3 * FLOAT_BYTES * config.vocabulary_size * n_tokens
    gathered = _gathered(setup, sizes.head, sizes.all)
    earlier = _earlier_gradients(setup, sizes.all)
    buffer = c * sizes.head if setup.n_processes > 1 else 0  # from which the head was copied
    for logits, more in ((forward, buffer), (backward, 0)):
        yield Memory(0, 0, earlier, gathered + more, activations, logits)


def _moments_of_block(setup: Setup, sizes: _Sizes, number: int) -> Iterator[Memory]:
    """Yield the backward pass of a layer: of its last product, of all of it, and its end."""
    config, c, shards = setup.config, setup.compute_bytes, setup.n_shards
    later = sizes.n_blocks - 1 - number
    done = sizes.head + later * sizes.block
    product = c * config.dim * config.hidden_dim // setup.tp  # a gradient of the feed-forward layer
    before = number * saved_activations(setup) / sizes.n_blocks
    here = _token_bytes(setup)
    ahead = sizes.block if number and setup.n_processes > 1 else 0
    gathered = _gathered(setup, sizes.block + ahead, sizes.all - done)
    gradients = FLOAT_BYTES * done / shards + _earlier_gradients(setup, sizes.all - done)
    if _is_reduced(setup):
        # The whole gradients of the group before are kept until the next ones are there.
        gradients += FLOAT_BYTES * (sizes.block if later else sizes.head)
    for of_weights, of_tokens in (
        (product, 16 * config.dim + 6 * config.hidden_dim),
        (3 * product, (23 + 4 * (setup.cp - 1)) * config.dim),
        (c * sizes.block, 14 * config.dim),
    ):
        # Inputs of attention and feed-forward are whole, and so are their gradients.
        of_process = (of_tokens + _whole(setup, 2 * config.dim)) // setup.tp
        yield Memory(0, 0, gradients + of_weights, gathered, before + of_process * here)


def _earlier_gradients(setup: Setup, n_weights: int) -> float:
    """Return the bytes of the gradients of weights that earlier micro-batches of a step made."""
    if setup.n_micro_batches == 1:
        return 0
    return FLOAT_BYTES * n_weights / (setup.n_shards if setup.reduce_each else 1)


def _gathered(setup: Setup, in_use: int, remaining: int) -> int:
    """Return the bytes of gathered weights: of those in use, or of all until their last use."""
    if not _is_reduced(setup):
        return 0  # the master weights are used as they are
    kept = setup.n_shards * setup.copies == 1 or not setup.reshard_after_forward
    return setup.compute_bytes * (max(in_use, remaining) if kept else in_use)


def _is_reduced(setup: Setup) -> bool:
    """Tell whether the trainer uses FSDP2: not in one process with nothing to cast."""
    return setup.n_processes > 1 or setup.compute_bytes != FLOAT_BYTES

"""Operations of a training step, peaks of devices, from which MFU comes, and memory in use."""

from __future__ import annotations

import torch

from training.model import ModelConfig

PEAK_FLOPS = {
    "GB300": 2.5e15,
    "GB200": 2.5e15,
    "B300": 2.25e15,
    "B200": 2.25e15,
    "GH200": 989e12,
    "H200": 989e12,
    "H20": 148e12,
    "H800 PCIe": 756e12,
    "H800": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
    "A10G": 70e12,
    "A10": 125e12,
    "L40S": 362e12,
    "L4": 121e12,
    "RTX 4090": 165e12,
    "MI300X": 1307e12,
}
"""Dense bf16 operations a second, by parts of device names, from the makers' data sheets. The first
name that matches counts."""


def peak_flops(device_name: str) -> float | None:
    """Return a device's peak in operations a second, None where the table does not have it."""
    return next((peak for name, peak in PEAK_FLOPS.items() if name in device_name), None)


def device_name(device: torch.device) -> str:
    """Return the name of a device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def matmul_flops_per_token(config: ModelConfig) -> int:
    """Return 6N, the operations a token in the matrix products of forward and backward pass.

    N is the number of weights without the input embedding, which takes no matrix product.
    """
    return 6 * (config.n_parameters - config.vocabulary_size * config.dim)


def attention_flops_per_token(config: ModelConfig, sequence_length: int) -> int:
    """Return 12LTd, the operations a token in attention, counted as if it were not causal.

    That is the usual convention.
    """
    return 12 * config.n_layers * sequence_length * config.dim


def peak_memory(device: torch.device) -> int:
    """Return the peak of the memory in use, in bytes: the device's, or this process's on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

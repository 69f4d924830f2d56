"""Operations of a training step, and the share of the device's peak that they make (MFU)."""

from __future__ import annotations

import torch

from training.model import ModelConfig

PEAK_FLOPS = {
    "B200": 2.25e15,
    "GH200": 989e12,
    "H200": 989e12,
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
"""Dense bf16 operations a second by the makers' data sheets; the first name found counts."""


def peak_flops(device_name: str) -> float | None:
    """Return a device's peak, None where the table does not have it."""
    return next((peak for name, peak in PEAK_FLOPS.items() if name in device_name), None)


def device_name(device: torch.device) -> str:
    """Return what the device calls itself."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def matmul_flops_per_token(config: ModelConfig) -> int:
    """Return 6N, the operations of forward and backward pass in the weights' matrix products.

    N leaves out the input embedding, which is looked up.
    """
    return 6 * (config.n_parameters - config.vocabulary_size * config.dim)


def attention_flops_per_token(config: ModelConfig, sequence_length: int) -> int:
    """Return 12LTd, those of attention, as if it were not causal (the usual convention)."""
    return 12 * config.n_layers * sequence_length * config.dim

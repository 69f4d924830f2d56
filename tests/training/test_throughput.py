"""Peaks of devices by their names."""

from __future__ import annotations

import pytest

from training.throughput import peak_flops


@pytest.mark.parametrize(
    ("name", "teraflops"),
    [
        ("NVIDIA H100 80GB HBM3", 989), ("NVIDIA H100 PCIe", 756), ("NVIDIA H200", 989),
        ("NVIDIA GH200 480GB", 989), ("NVIDIA H20", 148), ("NVIDIA H800", 989),
        ("NVIDIA H800 PCIe", 756), ("NVIDIA B200", 2250), ("NVIDIA B300 SXM6 AC", 2250),
        ("NVIDIA GB200", 2500), ("NVIDIA GB300", 2500), ("CPU", None),
    ],
)  # fmt: skip
def test_a_name_has_its_own_peak(name: str, teraflops: float | None) -> None:
    peak = peak_flops(name)
    assert (peak and peak / 1e12) == teraflops

"""Bits of passages, beside those of the whole logits of each window."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from training.model import Llama, ModelConfig
from training.score import main, passage_bits, window_bounds


def test_windows_cover_each_passage_and_none_two():
    offsets = np.array([0, 5, 5, 12])
    assert window_bounds(offsets, 3) == [(0, 0, 3), (0, 3, 5), (2, 5, 8), (2, 8, 11), (2, 11, 12)]


def test_bits_are_those_of_each_window_alone():
    torch.manual_seed(0)
    model = Llama(ModelConfig(32, 2, 2, vocabulary_size=50))
    generator = np.random.default_rng(0)
    lengths = [7, 40, 1, 23, 0, 12, 30, 9, 18, 5, 3]
    offsets = np.cumsum([0, *lengths])
    ids = generator.integers(3, 50, offsets[-1])
    bits = passage_bits(model, ids, offsets, 1, 16)
    for passage in range(len(lengths)):
        expected = 0.0
        tokens = ids[offsets[passage] : offsets[passage + 1]].tolist()
        for start in range(0, len(tokens), 16):
            window = tokens[start : start + 16]
            with torch.no_grad():
                logits = model(torch.tensor([[1, *window[:-1]]]))[0].double().log_softmax(-1)
            expected -= sum(logits[i, token].item() for i, token in enumerate(window))
        assert bits[passage] == pytest.approx(expected / math.log(2), rel=1e-5)


def test_missing_arguments_are_told(capsys):
    assert main(["passages.npz"]) == 2
    assert capsys.readouterr().err == (
        "error: expected PASSAGES SCORES and the options of training\n"
    )

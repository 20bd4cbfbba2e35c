"""How long the readable step takes, unrolled: the figure that every other schedule is measured against."""

from __future__ import annotations

import pytest
import torch

import cells

SHAPES = [(64, 8, 32), (256, 8, 32), (64, 64, 128)]


@pytest.mark.benchmark(group="forward")
@pytest.mark.parametrize(("time", "batch", "width"), SHAPES)
@pytest.mark.parametrize("name", ["gato", "gru", "lstm"])
def test_forward(benchmark, name, time, batch, width):
    """The outputs of a sequence, without gradients."""
    cell = cells.get(name)(input_size=width, hidden_size=width)
    xs = torch.randn(time, batch, width, generator=torch.Generator().manual_seed(0))

    def forward():
        with torch.no_grad():
            return cells.unroll(cell, xs)[0]

    outputs = benchmark.pedantic(forward, warmup_rounds=1, rounds=5)
    assert (time, batch) == outputs.shape[:2]


@pytest.mark.benchmark(group="forward and backward")
@pytest.mark.parametrize(("time", "batch", "width"), SHAPES)
@pytest.mark.parametrize("name", ["gato", "gru", "lstm"])
def test_forward_and_backward(benchmark, name, time, batch, width):
    """A training step's work: outputs, and the gradient of every parameter."""
    cell = cells.get(name)(input_size=width, hidden_size=width)
    xs = torch.randn(time, batch, width, generator=torch.Generator().manual_seed(0))
    parameters = list(cell.parameters())

    def train():
        return torch.autograd.grad(cells.unroll(cell, xs)[0].sum(), parameters)

    gradients = benchmark.pedantic(train, warmup_rounds=1, rounds=5)
    assert all(g.isfinite().all() for g in gradients)

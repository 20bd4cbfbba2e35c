"""How long the loop over time takes: against the naive loop of the same cell, and without gradients."""

from __future__ import annotations

import pytest
import torch
from clock import TIMER
from torch import nn

import cells

unroll = pytest.mark.benchmark(group="unroll", timer=TIMER)

# name, knobs, (T, B, D, H): the adding problem, piano-rolls, and a usual LSTM
WORKLOADS = {
    "adding-gato": ("gato", {}, (50, 64, 2, 128)),
    "adding-gato-2": ("gato-2", {"k": 16}, (50, 64, 2, 128)),
    "small-gato": ("gato", {}, (400, 4, 4, 64)),
    "music-rru": ("rru", {}, (200, 16, 88, 160)),
    "lstm": ("lstm", {}, (100, 32, 64, 128)),
    "gru": ("gru", {}, (100, 32, 64, 128)),
    "ur-lstm": ("ur-lstm", {}, (100, 32, 64, 128)),
    "eurnn": ("eurnn", {}, (50, 64, 2, 128)),
}
FORWARD = [(64, 8, 32), (256, 8, 32), (64, 64, 128)]


def naive(cell, xs):
    """Step, read, step, read: the definition that the loop of ``unroll`` must equal."""
    state, readouts = cell.initial_state(*xs.shape[1:-1]), []
    for x in xs.unbind(0):
        state = cell.step(x, state)
        readouts.append(cell.readout(state))
    return torch.stack(readouts)


@unroll
@pytest.mark.parametrize("how", ["unroll", "recurrent"])
@pytest.mark.parametrize("workload", WORKLOADS)
def test_training_against_the_naive_loop(benchmark, speed, workload, how):
    """Forward and backward by ``unroll``, and by ``Recurrent`` where that takes another backend."""
    name, knobs, (steps, batch, inputs, width) = WORKLOADS[workload]
    generator = torch.Generator().manual_seed(0)
    cell = cells.get(name)(inputs, width, generator=generator, **knobs)
    xs = torch.randn(steps, batch, inputs, generator=generator)
    parameters = list(cell.parameters())
    model = cells.Recurrent(cell)
    ((backend, reason),) = cells.backends(model, xs)
    if how == "recurrent" and backend == "reference":
        pytest.skip(f"the same loop: {reason}")

    def run():
        return model(xs)[0] if how == "recurrent" else cells.unroll(cell, xs)[0]

    def train(outputs):
        return torch.autograd.grad(outputs.square().sum(), parameters, allow_unused=True)

    expected = train(naive(cell, xs))
    for mine, other in zip(train(run()), expected, strict=True):  # right before it is fast
        scale = float(other.abs().max())
        torch.testing.assert_close(mine, other, atol=1e-3 * scale, rtol=1e-3)
    speed.measure(
        benchmark, ("unroll", workload if how == "unroll" else f"{workload}-{backend}"),
        lambda: train(run()), ("its naive loop", lambda: train(naive(cell, xs))),
        shape=f"T {steps}, B {batch}, D {inputs}, H {width}",
        backend=backend if how == "recurrent" else "reference",
        budget=1,
    )  # fmt: skip


@unroll
@pytest.mark.parametrize(("steps", "batch", "width"), FORWARD)
@pytest.mark.parametrize("name", ["gato", "gru", "lstm"])
def test_forward(benchmark, speed, name, steps, batch, width):
    """The outputs of a sequence by ``unroll``, without gradients, against nn.LSTM of the same width."""
    generator = torch.Generator().manual_seed(0)
    cell = cells.get(name)(width, width, generator=generator)
    other = nn.LSTM(width, width)
    xs = torch.randn(steps, batch, width, generator=generator)
    torch.testing.assert_close(cells.unroll(cell, xs)[0], naive(cell, xs), atol=1e-4, rtol=1e-4)
    speed.measure(
        benchmark, ("unroll", f"forward-{name}-{steps}-{batch}-{width}"),
        torch.no_grad()(lambda: cells.unroll(cell, xs)[0]),
        (f"nn.LSTM({width})", torch.no_grad()(lambda: other(xs)[0])),
        shape=f"T {steps}, B {batch}, D {width}, H {width}", backend="reference", budget=0.5,
    )  # fmt: skip

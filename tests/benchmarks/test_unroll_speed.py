"""How long the loop over time takes: against the naive loop of the same cell, and against torch's kernels.

Rounds alternate in one process, since a busy neighbor slows both alike: ``extra_info`` holds the median
of the paired ratios, which is the figure to compare between machines.
"""

from __future__ import annotations

import statistics
import time

import pytest
import torch

import cells

SHAPES = [(64, 8, 32), (256, 8, 32), (64, 64, 128)]
ROUNDS = 7

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


@pytest.fixture(autouse=True)
def one_thread():
    """A second thread makes small operators slower, and a loaded machine makes it erratic."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.benchmark(group="forward")
@pytest.mark.parametrize(("steps", "batch", "width"), SHAPES)
@pytest.mark.parametrize("name", ["gato", "gru", "lstm"])
def test_forward(benchmark, name, steps, batch, width):
    """The outputs of a sequence, without gradients."""
    cell = cells.get(name)(input_size=width, hidden_size=width)
    xs = torch.randn(steps, batch, width, generator=torch.Generator().manual_seed(0))

    def forward():
        with torch.no_grad():
            return cells.unroll(cell, xs)[0]

    outputs = benchmark.pedantic(forward, warmup_rounds=1, rounds=5)
    assert (steps, batch) == outputs.shape[:2]


@pytest.mark.benchmark(group="forward and backward")
@pytest.mark.parametrize(("steps", "batch", "width"), SHAPES)
@pytest.mark.parametrize("name", ["gato", "gru", "lstm"])
def test_forward_and_backward(benchmark, name, steps, batch, width):
    """A training step's work: outputs, and the gradient of every parameter."""
    cell = cells.get(name)(input_size=width, hidden_size=width)
    xs = torch.randn(steps, batch, width, generator=torch.Generator().manual_seed(0))
    parameters = list(cell.parameters())

    def train():
        return torch.autograd.grad(cells.unroll(cell, xs)[0].sum(), parameters)

    gradients = benchmark.pedantic(train, warmup_rounds=1, rounds=5)
    assert all(g.isfinite().all() for g in gradients)


def naive(cell, xs):
    """Step, read, step, read: the definition that the loop of ``unroll`` must equal."""
    state, readouts = cell.initial_state(*xs.shape[1:-1]), []
    for x in xs.unbind(0):
        state = cell.step(x, state)
        readouts.append(cell.readout(state))
    return torch.stack(readouts)


def timed(work):
    """Processor seconds of one call."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


@pytest.mark.benchmark(group="ratios to the naive loop")
@pytest.mark.parametrize("workload", WORKLOADS)
def test_training_against_the_naive_loop(benchmark, workload):
    """Forward and backward by ``unroll``, and by ``Recurrent`` where that takes another backend."""
    name, knobs, (steps, batch, inputs, width) = WORKLOADS[workload]
    generator = torch.Generator().manual_seed(0)
    cell = cells.get(name)(inputs, width, generator=generator, **knobs)
    xs = torch.randn(steps, batch, inputs, generator=generator)
    parameters = list(cell.parameters())
    model = cells.Recurrent(cell)
    runs = {"naive": lambda: naive(cell, xs), "unroll": lambda: cells.unroll(cell, xs)[0]}
    ((backend, _),) = cells.backends(model, xs)
    if backend != "reference":
        runs[backend] = lambda: model(xs)[0]

    def train(run):
        return torch.autograd.grad(run().square().sum(), parameters, allow_unused=True)

    expected = train(runs["naive"])
    for run in runs.values():  # warm, and right before it is fast
        for mine, other in zip(train(run), expected, strict=True):
            scale = float(other.abs().max())
            torch.testing.assert_close(mine, other, atol=1e-3 * scale, rtol=1e-3)
    seconds = {label: [] for label in runs}
    for _ in range(ROUNDS):
        for label, run in runs.items():
            seconds[label].append(timed(lambda run=run: train(run)))
    fastest = runs[backend] if backend in runs else runs["unroll"]
    benchmark.pedantic(train, args=(fastest,), rounds=3)
    for label in list(runs)[1:]:
        pairs = zip(seconds["naive"], seconds[label], strict=True)
        benchmark.extra_info[f"naive/{label}"] = round(
            statistics.median(a / b for a, b in pairs), 2
        )
    benchmark.extra_info |= {
        f"{label}_ms": round(1e3 * statistics.median(values), 2)
        for label, values in seconds.items()
    }

"""The loop over time is the naive loop: projecting before it and reading behind it change nothing."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import nn

import cells
from cells import Deferred, Layout, Projected, unroll
from cells.core import deferral

torch.set_num_threads(1)

INPUTS = 2
KNOBS = {
    "eurnn-diagonal": ("eurnn", {"spend": "diagonal", "capacity": 3, "readout": "concat"}),
    "gato-more-memory": ("gato", {"s_fraction": 0.75, "gamma": "sin", "readout": "gamma_s_raw_r"}),
    "gato-no-memory": ("gato", {"s_fraction": 0.0}),
    "gato-no-residual": ("gato-2", {"s_mode": "no_residual", "readout": "gamma_s_only"}),
    "gato-tanh": ("gato", {"reg": "tanh", "n_b": 2}),
    "gato-wrapped": ("gato-2", {"wrap_s": True, "k": 3}),
    "gato-zero": ("gato", {"s_mode": "zero"}),
    "gru-before": ("gru", {"reset": "before", "n_b": 1}),
    "gru-diag-before": ("gru-diag", {"reset": "before", "n_b": 0}),
    "li-gru-normal": ("li-gru", {"batch_norm": True, "n_b": 2}),
    "mogrifier-plain": ("mogrifier-lstm", {"rounds": 0}),
    "nru-paper": ("nru", {"semantics": "paper", "layer_norm": True, "use_relu": True}),
    "rhn-deep": ("rhn", {"depth": 3}),
    "rru-deep": ("rru", {"relu_layers": 2, "s_mode": "one", "relu_out": True, "norm": "none"}),
    "sru-read": ("sru", {"output_size": 3}),
}
CASES = {name: (name, {}) for name in cells.names()} | KNOBS


@pytest.fixture(params=CASES)
def cell(request):
    """A float64 cell in eval mode, with parameters away from the initialization."""
    name, knobs = CASES[request.param]
    generator = torch.Generator().manual_seed(0)
    built = cells.get(name)(INPUTS, 20, generator=generator, **knobs).double().eval()
    with torch.no_grad():
        for p in built.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return built


def inputs(steps, batch):
    """``(steps, *batch, INPUTS)``."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(steps, *batch, INPUTS, generator=generator, dtype=torch.float64)


def warm(cell, batch):
    """A state that is no initial one, and that no gradient has reached."""
    state = cell.initial_state(*batch)
    for x in inputs(3, batch).flip(0):
        state = cell.step(x, state)
    return type(state)(*(field.detach() for field in state))


def naive(cell, xs, state):
    """The definition: step, read, step, read."""
    readouts = []
    for x in xs.unbind(0):
        state = cell.step(x, state)
        readouts.append(cell.readout(state))
    return readouts, state


def tracked(cell, xs, state):
    """Copies of inputs and state to differentiate in, with everything to differentiate in as a list."""
    xs = xs.clone().requires_grad_()
    fields = [f.clone() for f in state]
    leaves = [f.requires_grad_() for f in fields if f.is_floating_point() or f.is_complex()]
    return xs, type(state)(*fields), [xs, *leaves, *cell.parameters()]


def gradients(cell, outputs, state, leaves):
    """The gradient of one weighted sum of outputs and last state in every leaf, 0 where there is none."""
    parts = [outputs, Layout.of(cell.initial_state()).ravel(state)]
    # every entry has a weight of its own, so that no two of them can be exchanged
    total = sum(
        (p.flatten() * torch.linspace(0.5, 1.5, p.numel(), dtype=p.dtype)).sum() for p in parts
    )
    return torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_unroll_is_the_naive_loop(cell, steps, batch):
    """Outputs, every field of the last state, and the gradient in inputs, state and every parameter."""
    xs, state, leaves = tracked(cell, inputs(steps, batch), warm(cell, batch))
    outputs, last = unroll(cell, xs, state)
    expected, expected_last = naive(cell, xs, state)
    torch.testing.assert_close(outputs, torch.stack(expected), atol=1e-12, rtol=1e-12)
    assert type(expected_last) is type(last)
    for field, expected_field in zip(last, expected_last, strict=True):
        torch.testing.assert_close(field, expected_field, atol=1e-12, rtol=1e-12)
    ours = gradients(cell, outputs, last, leaves)
    theirs = gradients(cell, torch.stack(expected), expected_last, leaves)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)], ids=str)
def test_no_steps_leave_the_state(cell, batch):
    """An empty sequence reads nothing out and returns the very state."""
    state = warm(cell, batch)
    outputs, last = unroll(cell, inputs(0, batch), state)
    assert outputs.shape == (0, *cell.readout(state).shape)
    assert last is state


@pytest.mark.parametrize("steps", [1, 5])
def test_mapped_parameters_and_inputs(cell, steps):
    """Under vmap over parameters and sequences, with gradients inside, each lane is its own naive loop."""
    model = cells.Recurrent(cell)
    draws = [{n: p.detach() * s for n, p in model.named_parameters()} for s in (1.0, 0.7)]
    stacked = {n: torch.stack([d[n] for d in draws]) for n in draws[0]}
    xs = torch.stack([inputs(steps, (3,)), inputs(steps, (3,)).flip(1)])
    layout = Layout.of(cell.initial_state())

    def loss(parameters, sequence):
        outputs, (last,) = torch.func.functional_call(model, parameters, (sequence,))
        flat = torch.cat((outputs.flatten(), layout.ravel(last).flatten()))
        return flat.square().mean(), flat

    mapped, flats = torch.vmap(torch.func.grad(loss, has_aux=True))(stacked, xs)
    for lane, (parameters, sequence) in enumerate(zip(draws, xs, strict=True)):
        leaves = {n: p.clone().requires_grad_() for n, p in parameters.items()}

        class Naive(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = model.layers

            def forward(self, sequence):
                readouts, last = naive(cell, sequence, cell.initial_state(3))
                return torch.cat((torch.stack(readouts).flatten(), layout.ravel(last).flatten()))

        flat = torch.func.functional_call(Naive(), leaves, (sequence,))
        torch.testing.assert_close(flats[lane], flat, atol=1e-12, rtol=1e-12)
        alone = torch.autograd.grad(
            flat.square().mean(), list(leaves.values()), allow_unused=True, materialize_grads=True
        )
        for name, gradient in zip(leaves, alone, strict=True):
            torch.testing.assert_close(mapped[name][lane], gradient, atol=1e-10, rtol=1e-10)


def test_a_projected_step_is_its_two_halves(cell):
    """What is true by construction is also true of the built cell: nothing in between writes its own step."""
    if not isinstance(cell, Projected):
        assert isinstance(
            cell, cells.get("mogrifier-lstm")
        )  # x is modulated by h before it is read
        return
    assert type(cell).step is Projected.step
    x, state = inputs(1, (3,))[0], warm(cell, (3,))
    for ours, expected in zip(
        cell.advance(cell.project(x), state), cell.step(x, state), strict=True
    ):
        assert torch.equal(ours, expected)


def test_projecting_a_sequence_is_projecting_each_step(cell):
    """The last axis alone is operated on; fields without a time axis are the same throughout."""
    if not isinstance(cell, Projected):
        return
    xs = inputs(4, (3,))
    whole = cell.project(xs)
    for t, x in enumerate(xs):
        alone = cell.project(x)
        parts = zip([whole], [alone]) if isinstance(whole, torch.Tensor) else zip(whole, alone)  # noqa: B905
        for part, expected in parts:
            if isinstance(part, torch.Tensor):
                torch.testing.assert_close(part[t], expected, atol=1e-14, rtol=1e-14)
            else:
                assert type(part) is type(expected)


@pytest.mark.parametrize("name", ["gato", "gato-2", "rru"])
@pytest.mark.parametrize("cache", [1, 200, 10**9])
def test_blocks_of_entries_are_bookkeeping(monkeypatch, name, cache):
    """Whether entries are computed one by one, a few at a time or all at once."""
    cell = cells.get(name)(INPUTS, 8, generator=torch.Generator().manual_seed(0)).double()
    xs = inputs(11, (3,))
    monkeypatch.setattr(deferral, "CACHE", cache)
    outputs, last = unroll(cell, xs)
    expected, expected_last = naive(cell, xs, cell.initial_state(3))
    torch.testing.assert_close(outputs, torch.stack(expected), atol=1e-13, rtol=1e-13)
    torch.testing.assert_close(last, expected_last, atol=1e-13, rtol=1e-13)


@pytest.mark.parametrize("name", ["gato", "rru", "lstm", "eurnn"])
def test_a_state_without_batch_axes_is_spread(name):
    """A given state may be shared by the batch, as it may be with the step."""
    cell = cells.get(name)(INPUTS, 8, generator=torch.Generator().manual_seed(0)).double()
    xs, state = inputs(4, (3,)), warm(cell, ())
    expected, expected_last = naive(cell, xs, state)
    outputs, last = unroll(cell, xs, state)
    torch.testing.assert_close(outputs, torch.stack(expected))
    torch.testing.assert_close(last, expected_last)


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("lstm", {"dropout": 0.4}),
        ("gru", {"dropout": 0.4, "mask_scope": "sequence"}),
        ("rru", {"dropout": 0.4}),
        ("li-gru", {"batch_norm": True}),
    ],
)
def test_in_training_masks_and_statistics_are_those_of_the_steps(name, knobs):
    """The same random numbers in the same order, and the running statistics of one step after another."""
    cell = cells.get(name)(INPUTS, 8, generator=torch.Generator().manual_seed(0), **knobs).double()
    before = {key: value.clone() for key, value in cell.state_dict().items()}
    results = []
    for run in (lambda xs, s: unroll(cell, xs, s)[0], lambda *a: torch.stack(naive(cell, *a)[0])):
        cell.load_state_dict(before)
        torch.manual_seed(2)
        results.append((run(inputs(6, (4,)), cell.initial_state(4)), dict(cell.state_dict())))
        results[-1] = (results[-1][0], {k: v.clone() for k, v in results[-1][1].items()})
    (ours, buffers), (expected, expected_buffers) = results
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(buffers, expected_buffers)


class State(NamedTuple):
    """``total``: what a test's cell has added up."""

    total: torch.Tensor


class Adder(Projected[State]):
    """Adds 2x by its own step, and something else by what it inherits."""

    input_size = INPUTS

    def initial_state(self, *batch):
        """Zero."""
        return State(torch.zeros(*batch, INPUTS, dtype=torch.float64))

    def project(self, x):
        """The input."""
        return x

    def advance(self, projected, state):
        """Add it."""
        return State(state.total + projected)

    def readout(self, state):
        """The sum."""
        return state.total


class Doubler(Adder):
    """Writes its own step."""

    def step(self, x, state):
        """Add twice as much."""
        return State(state.total + 2 * x)


def test_a_step_of_its_own_is_what_runs():
    """A subclass that overrides ``step`` is not run by the halves that it inherited."""
    xs = inputs(5, (3,))
    torch.testing.assert_close(unroll(Adder(), xs)[0], xs.cumsum(0))
    torch.testing.assert_close(unroll(Doubler(), xs)[0], 2 * xs.cumsum(0))


class Sums(NamedTuple):
    """``total``, deferred, and ``count``, which feeds back."""

    total: torch.Tensor
    count: torch.Tensor


class Running(Deferred[Sums]):
    """Sums x · count; ``advance`` as inherited."""

    input_size = INPUTS
    deferred = "total"
    entry_size = INPUTS

    def initial_state(self, *batch):
        """Zero."""
        zeros = torch.zeros(*batch, INPUTS, dtype=torch.float64)
        return Sums(zeros, zeros)

    def project(self, x):
        """The input."""
        return x

    def recur(self, projected, state):
        """Count, in place of a recurrence."""
        count = state.count + torch.ones_like(projected)
        return state._replace(count=count), count

    def entry(self, projected, read):
        """What is summed."""
        return projected * read

    def accumulate(self, held, entry):
        """The sum."""
        return held + entry

    def readout(self, state):
        """The sum."""
        return state.total


class Squared(Running):
    """Advances on its own."""

    def advance(self, projected, state):
        """Add the square."""
        return Sums(state.total + projected**2, state.count)


def test_a_deferred_field_is_filled_in_behind_the_loop():
    """Whatever the field is called, and unless the class says itself how it advances."""
    xs = inputs(5, (3,))
    counts = torch.arange(1, 6, dtype=torch.float64).reshape(5, 1, 1)
    torch.testing.assert_close(unroll(Running(), xs)[0], (counts * xs).cumsum(0))
    torch.testing.assert_close(unroll(Squared(), xs)[0], (xs**2).cumsum(0))


@pytest.mark.parametrize("shape", [(2,), (5, 3, 4)], ids=str)
def test_wrong_inputs_are_refused(shape):
    """The message names the layout and the size."""
    cell = cells.get("elman")(INPUTS, 3)
    with pytest.raises(ValueError, match=r"xs must be \(T, \*batch, input_size\).*= 2.*got shape"):
        unroll(cell, torch.zeros(shape))

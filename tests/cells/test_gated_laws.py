"""Laws of every gated cell alike: purity over leading axes, exact gradients, reproducible draws."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from cells import Layout

CASES = {
    "janet": ("janet", {"beta": 0.5, "n_b": 2}),
    "mgu": ("mgu", {}),
    "indrnn-tanh": ("indrnn", {"nonlinearity": "tanh"}),
    "indrnn-relu": ("indrnn", {}),
    "li-gru": ("li-gru", {}),
    "li-gru-batch-norm": ("li-gru", {"batch_norm": True}),
    "mogrifier-lstm": ("mogrifier-lstm", {}),
    "mogrifier-lstm-low-rank": ("mogrifier-lstm", {"rank": 2, "rounds": 4, "cap_input": False}),
    "nru": ("nru", {"memory_size": 16}),
    "nru-paper": ("nru", {"memory_size": 4, "semantics": "paper", "layer_norm": True}),
    "g-lstm": ("g-lstm", {"t_max": 5}),
    "g-lstm-threshold": ("g-lstm", {"t_max": 5, "threshold": 0.1}),
    "kaf-gru": ("kaf-gru", {"dictionary_size": 6}),
    "kaf-gru-learned": ("kaf-gru", {"dictionary_size": 6, "learn_gamma": True}),
}
SIZES = {"input_size": 3, "hidden_size": 4}


def build(case, seed=0):
    """The cell of a case in float64 and eval mode, drawn from a seed."""
    name, knobs = CASES[case]
    generator = torch.Generator().manual_seed(seed)
    return cells.get(name)(**SIZES, **knobs, generator=generator).double().eval()


def inputs(*shape, seed=0):
    """Standard normal inputs in float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("case", CASES)
@given(seed=st.integers(0, 2**31))
@settings(max_examples=5, deadline=None)
def test_leading_axes_are_batch(case, seed):
    """Unbatched, batched, doubly batched and vmapped calls agree on readouts and states."""
    cell = build(case, seed)
    xs = inputs(4, 2, 3, 3, seed=seed)  # T, two batch axes, features
    readouts, last = cells.unroll(cell, xs)
    flat, _ = cells.unroll(cell, xs.flatten(1, 2))
    torch.testing.assert_close(readouts, flat.unflatten(1, (2, 3)))
    one, state = cells.unroll(cell, xs[:, 1, 2])
    torch.testing.assert_close(readouts[:, 1, 2], one)
    for field, alone in zip(last, state, strict=True):
        torch.testing.assert_close(field[1, 2], alone)
    start = cell.initial_state(6)
    batched = cell.step(xs[0].flatten(0, 1), start)
    mapped = torch.func.vmap(cell.step)(xs[0].flatten(0, 1), start)
    for field, other in zip(batched, mapped, strict=True):
        torch.testing.assert_close(field, other)


@pytest.mark.parametrize("case", CASES)
def test_gradients_of_one_step_are_exact(case):
    """Finite differences in float64, for the input, the state and every parameter."""
    cell = build(case)
    xs = inputs(3, 2, 3, seed=1)
    _, state = cells.unroll(cell, xs[:2])
    state = type(state)(*(field.detach() for field in state))
    layout = Layout.of(cell.initial_state())
    names = [name for name, _ in cell.named_parameters()]

    def step(x, vector, *parameters):
        arguments = (x, layout.unravel(vector, state))
        values = dict(zip(names, parameters, strict=True))
        return layout.ravel(torch.func.functional_call(_Step(cell), _prefixed(values), arguments))

    leaves = [xs[2], layout.ravel(state), *(p.detach().clone() for p in cell.parameters())]
    assert torch.autograd.gradcheck(step, [leaf.requires_grad_() for leaf in leaves])


class _Step(torch.nn.Module):
    """``step`` as ``forward``, for functional_call."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x, state):
        return self.cell.step(x, state)


def _prefixed(values):
    return {f"cell.{name}": value for name, value in values.items()}


@pytest.mark.parametrize("case", CASES)
def test_a_generator_decides_the_draw(case):
    """The same seed draws the same parameters, another seed others, and the global stream is not needed."""
    first, again, other = build(case, 3), build(case, 3), build(case, 4)
    pairs = list(zip(first.parameters(), again.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    drawn = zip(first.parameters(), other.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in drawn)
    before = torch.get_rng_state()
    build(case, 3)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("case", CASES)
def test_a_zero_state_starts_every_sequence(case):
    """Initial states are zero, follow the dtype, and are not shared between fields."""
    state = build(case).initial_state(2)
    for field in state:
        assert not field.any()
        assert field.dtype in {torch.float64, torch.int64}
    pointers = [field.data_ptr() for field in state]
    assert len(pointers) == len(set(pointers))


@pytest.mark.parametrize("case", CASES)
def test_every_property_is_spoken_about_in_both_scopes(case):
    """Claimed or denied, never both, never neither."""
    about = cells.describe(build(case))
    for key in (
        "well-posed",
        "identity-block",
        "bounded-decoder",
        "non-saturating",
        "bounded-decoder-gradient",
        "bounded-state",
    ):
        for scope in ("at-init", "all-weights"):
            assert (about.claim(key, scope) is None) != (about.denial(key, scope) is None)

"""Draws: stratified over every kind, within the bounds of their scope, fixed by their seed."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from properties import Subject
from properties.core.sampling import INPUT_KINDS, LARGEST_INPUT, WEIGHT_KINDS, Sampler

SCOPES = tuple(LARGEST_INPUT)
SIZE = (2, 4)
# every kind of weights with every kind of input, from the cell's own state and from another
EVERY = 2 * len(WEIGHT_KINDS) * len(INPUT_KINDS)


@pytest.fixture(scope="module")
def sampler():
    """GATO at a small size, three initializations."""
    return Sampler(Subject("gato"), SIZE, 0, 3)


def drawn(sampler, scope, count=EVERY, horizon=5, seed=0, **kinds):
    """Draws whose own state is 7 everywhere, to be told from the others."""
    initial = torch.full((4,), 7.0, dtype=torch.float64)
    return sampler.draws(scope, count, horizon, seed, units=4, initial=initial, **kinds)


def test_every_kind_of_weights_meets_every_kind_of_input(sampler):
    """In so many draws as there are combinations, each occurs once from either kind of state."""
    draws = drawn(sampler, "all-weights")
    own = (draws.state == 7).all(-1).tolist()
    seen = sorted(zip((k.replace("large ", "") for k in draws.kinds), own, strict=True))
    pairs = itertools.product(WEIGHT_KINDS, INPUT_KINDS, (False, True))
    assert sorted((f"{w} weights, {x} input", o) for w, x, o in pairs) == seen


@pytest.mark.parametrize("scope", ["at-init", "these-weights"])
def test_narrow_scopes_draw_initial_weights_and_every_input(sampler, scope):
    """Parameters are constructed, never invented; inputs are of every kind."""
    draws = drawn(sampler, scope, len(INPUT_KINDS) * 2 * len(WEIGHT_KINDS))
    for name, value in draws.parameters.items():
        pool = [row.tolist() for row in sampler.pool[name]]
        assert all(row.tolist() in pool for row in value)
    inputs = {kind.split(", ")[1].removeprefix("large ") for kind in draws.kinds}
    assert {f"{kind} input" for kind in INPUT_KINDS} == inputs


@pytest.mark.parametrize("scope", SCOPES)
def test_inputs_stay_within_their_scope(sampler, scope):
    """|x| ≤ X of the scope, and comes near it."""
    largest = float(drawn(sampler, scope, 10 * EVERY).inputs.abs().max())
    assert LARGEST_INPUT[scope] / 2 < largest <= LARGEST_INPUT[scope] * (1 + 1e-9)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**31 - 1), horizon=st.integers(2, 12))
def test_inputs_are_what_their_kind_says(sampler, seed, horizon):
    """Constant, zero, one impulse, alternating in sign."""
    draws = drawn(sampler, "all-weights", horizon=horizon, seed=seed)
    for i, kind in enumerate(draws.kinds):
        x = draws.inputs[:, i]
        if " constant" in kind:
            assert torch.equal(x, x[:1].expand_as(x))
        if " zero" in kind:
            assert not bool(x.any())
        if " impulse" in kind:
            assert 1 == int((x != 0).any(-1).sum())
        if " alternating" in kind:
            assert torch.equal(x[1:], -x[:-1])


def test_weights_are_what_their_kind_says(sampler):
    """Initial ones stand; "positive" are one number; a "corner" row has one size; "sparse" has zeros."""
    draws = drawn(sampler, "all-weights")
    name, value = next((k, v) for k, v in draws.parameters.items() if v.dim() == 3)
    pool = [row.tolist() for row in sampler.pool[name]]
    for i, kind in enumerate(draws.kinds):
        row, word = value[i], kind.split(" ")[0]
        if word == "initial":
            assert row.tolist() in pool
        if word == "positive":
            assert 1 == len(row.unique())
            assert float(row[0, 0]) >= 1
        if word == "corner":
            assert torch.equal(row, row[:, :1].expand_as(row))
            assert 1 == len(row.abs().unique())
        if word == "biases":
            assert not bool(row.any())
    sparse = [value[i] for i, kind in enumerate(draws.kinds) if kind.startswith("sparse")]
    assert 0.3 < float((torch.stack(sparse) == 0).double().mean()) < 0.9


@given(radius=st.floats(0.1, 100), seed=st.integers(0, 2**31 - 1))
@settings(max_examples=10)
def test_states_fill_the_box_they_are_given(sampler, radius, seed):
    """Half the draws start from the cell's own state, the others within the radius, some in its corners."""
    state = drawn(sampler, "at-init", seed=seed, radius=radius).state
    assert bool((state[::2] == 7).all())
    others = state[1::2].abs()
    assert float(others.max()) <= radius
    assert bool((others == radius).all(-1).any())


def test_state_scales_are_all_used(sampler):
    """Zero and a thousand: nothing between."""
    others = drawn(sampler, "at-init", state_scales=(0.0, 1e3)).state[1::2].abs().amax(-1)
    assert {True, False} == set((others > 10).tolist())
    assert bool(((others == 0) | (others > 10)).all())


def test_the_seed_decides(sampler):
    """Equal seeds, equal draws, from another sampler too; another seed, others."""
    again = Sampler(Subject("gato"), SIZE, 0, 3)
    one, same, other = (
        drawn(s, "all-weights", seed=seed) for s, seed in ((sampler, 1), (again, 1), (sampler, 2))
    )
    assert torch.equal(one.inputs, same.inputs)
    assert torch.equal(one.state, same.state)
    assert all(torch.equal(v, same.parameters[k]) for k, v in one.parameters.items())
    assert not torch.equal(one.inputs, other.inputs)
    assert one.kinds == same.kinds


def test_a_cell_without_parameters_is_drawn_too():
    """A function of the state and the input alone."""

    def factory(_input_size, _hidden_size):
        return cells.adapt(
            lambda x, h: torch.tanh(h + x[..., :1]),
            input_size=2,
            initial_state=lambda *batch: torch.zeros(*batch, 3),
        )

    sampler = Sampler(Subject(factory), SIZE, 0, 2)
    draws = sampler.draws("all-weights", 12, 3, 0, units=3, initial=torch.zeros(3))
    assert {} == draws.parameters
    assert (3, 12, 2) == tuple(draws.inputs.shape)

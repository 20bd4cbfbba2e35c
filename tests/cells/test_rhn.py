"""RHN and BRHN against their equations, and the growth that GATO reports of the first."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cells import describe, get, unroll
from cells.parts.gates import Coefficients
from cells.rhn import RHN, RHNState

torch.set_num_threads(1)


def sigmoid(a: np.ndarray) -> np.ndarray:
    """σ(a) = 1/(1+e^−a)."""
    return 1 / (1 + np.exp(-a))


def oracle_step(cell: RHN, x: np.ndarray, h: np.ndarray) -> np.ndarray:
    """The equations of Zilly et al. in the notation of GATO appendix G, one unbatched step."""
    p = {name: value.detach().numpy() for name, value in cell.named_parameters()}
    n = cell.hidden_size
    s = h
    for layer in range(cell.depth):
        prefix = "first" if layer == 0 else f"deeper.{layer - 1}"
        a = p[f"{prefix}.weight_hh"] @ s
        if layer == 0:
            a = a + p["first.weight_ih"] @ x
        for bias in ("bias_ih", "bias_hh"):
            a = a + p.get(f"{prefix}.{bias}", 0)
        r, candidate = sigmoid(a[:n]), np.tanh(a[-n:])
        z = 1 - r if cell.couple else sigmoid(a[n : 2 * n])
        s = r * s + z * candidate
    return s


@pytest.mark.parametrize("couple", [False, True])
def test_a_diagonal_cell_is_the_cell_with_diagonal_matrices(couple):
    """Vectors as recurrent weights are matrices with nothing beside their diagonals."""
    g = torch.Generator().manual_seed(0)
    vectors = RHN(2, 3, couple=couple, diagonal=True, generator=g).double()
    matrices = RHN(2, 3, couple=couple).double()
    stored = vectors.state_dict()
    blocks = stored["first.weight_hh"].unflatten(0, (-1, 3))
    stored["first.weight_hh"] = torch.cat([torch.diag(block) for block in blocks])
    matrices.load_state_dict(stored)
    xs = torch.randn(4, 5, 2, generator=g, dtype=torch.float64)
    torch.testing.assert_close(unroll(vectors, xs), unroll(matrices, xs))


def test_a_diagonal_cell_has_one_layer():
    """The further layers of a deep cell are matrices."""
    with pytest.raises(ValueError, match="diagonal: expected depth=1, got 2; the further layers"):
        RHN(2, 3, diagonal=True, depth=2)


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 5)),
    depth=st.integers(1, 3),
    couple=st.booleans(),
    n_b=st.sampled_from([0, 1, 2]),
    scale=st.floats(0.05, 3),
    seed=st.integers(0, 2**16),
)
def test_rollout_equals_the_equations(sizes, depth, couple, n_b, scale, seed):
    """Four steps from a random state are what the printed equations give."""
    g = torch.Generator().manual_seed(seed)
    cell = RHN(*sizes, depth=depth, couple=couple, n_b=n_b, init_scale=scale, generator=g).double()
    h = torch.randn(sizes[1], generator=g, dtype=torch.float64)
    state, expected = RHNState(h), h.numpy()
    for x in torch.randn(4, sizes[0], generator=g, dtype=torch.float64):
        state = cell.step(x, state)
        expected = oracle_step(cell, x.numpy(), expected)
        torch.testing.assert_close(state.hidden.detach(), torch.from_numpy(expected))
    assert torch.equal(cell.readout(state), state.hidden)


@settings(max_examples=30, deadline=None)
@given(
    depth=st.integers(1, 3),
    couple=st.booleans(),
    n_b=st.sampled_from([0, 1, 2]),
    seed=st.integers(0, 2**16),
)
def test_the_gates_that_are_exposed_are_those_of_the_step(depth, couple, n_b, seed):
    """Layer by layer, transcribed: their values, the function of the pre-activations, and h' made of them."""
    g = torch.Generator().manual_seed(seed)
    cell = RHN(3, 4, depth=depth, couple=couple, n_b=n_b, init_scale=2.0, generator=g).double()
    x, h = (torch.randn(5, size, generator=g, dtype=torch.float64) for size in (3, 4))
    found = cell.gate_values(x, RHNState(h))
    assert [*cell.gates] == [*found]
    p = {name: value.detach().numpy() for name, value in cell.named_parameters()}
    s = h.numpy()
    for layer in range(1, depth + 1):
        prefix = "first" if layer == 1 else f"deeper.{layer - 2}"
        a = s @ p[f"{prefix}.weight_hh"].T
        a = a + p.get(f"{prefix}.bias_ih", 0) + p.get(f"{prefix}.bias_hh", 0)
        if layer == 1:
            a = a + x.numpy() @ p["first.weight_ih"].T
        a_r, a_z = a[:, :4], -a[:, :4] if couple else a[:, 4:8]
        expected = torch.from_numpy(sigmoid(a_r)), torch.from_numpy(sigmoid(a_z))
        if couple:
            actual = found[f"carry {layer}"]
            again = cell.gates[f"carry {layer}"](forget=torch.from_numpy(a_r))
            assert isinstance(actual, Coefficients)
        else:
            names = (f"carry {layer}", f"transform {layer}")
            actual = tuple(found[name] for name in names)
            again = tuple(
                cell.gates[name](preactivation=torch.from_numpy(a_k))
                for name, a_k in zip(names, (a_r, a_z), strict=True)
            )
        for one, same, other in zip(expected, actual, again, strict=True):
            torch.testing.assert_close(one, same.detach())
            torch.testing.assert_close(one, other)
        carry, transform = (value.detach().numpy() for value in actual)
        s = carry * s + transform * np.tanh(a[:, -4:])
    torch.testing.assert_close(torch.from_numpy(s), cell.step(x, RHNState(h)).hidden.detach())


@settings(max_examples=30, deadline=None)
@given(
    scale=st.floats(0.01, 1e4),
    depth=st.integers(1, 3),
    start=st.floats(0, 5),
    seed=st.integers(0, 2**16),
)
def test_coupling_bounds_the_state(scale, depth, start, seed):
    """BRHN: |h_t| ≤ max(|h_0|, 1) for all weights and inputs, at every depth."""
    g = torch.Generator().manual_seed(seed)
    cell = RHN(2, 4, depth=depth, couple=True, init_scale=scale, generator=g).double()
    xs = 1e3 * torch.randn(50, 2, generator=g, dtype=torch.float64)
    h0 = start * (2 * torch.rand(4, generator=g, dtype=torch.float64) - 1)
    outputs, _ = unroll(cell, xs, RHNState(h0))
    assert outputs.abs().max() <= max(1.0, h0.abs().max().item()) * (1 + 1e-12)


def runaway(**knobs: object) -> RHN:
    """H = 1, no bias, every input weight 2, every recurrent weight 1."""
    cell = RHN(1, 1, n_b=0, **knobs).double()
    with torch.no_grad():
        cell.first.weight_ih.fill_(2)
        cell.first.weight_hh.fill_(1)
    return cell


def test_uncoupled_cell_runs_away_at_finite_weights():
    """W = 2, U = 1, x = 1: h grows by about one per step, since the carry gate reads h."""
    outputs, _ = unroll(runaway(), torch.ones(1000, 1, dtype=torch.float64))
    actual = [round(outputs[t - 1].item(), 4) for t in (1, 10, 100, 1000)]
    assert actual == [0.8491, 9.6136, 99.6134, 999.6134]


def test_coupled_cell_stays_at_the_same_weights():
    """The weights that make RHN run away leave BRHN below one."""
    outputs, _ = unroll(runaway(couple=True), torch.ones(1000, 1, dtype=torch.float64))
    assert outputs.abs().max() < 1


def test_runaway_is_not_a_point_but_an_open_set_of_weights():
    """Every one of 200 nearby weight draws (W ± 0.3, U ± 0.15) diverges as well."""
    g = torch.Generator().manual_seed(0)
    wx = 2 + 0.6 * (torch.rand(3, 200, generator=g, dtype=torch.float64) - 0.5)
    wh = 1 + 0.3 * (torch.rand(3, 200, generator=g, dtype=torch.float64) - 0.5)
    h = torch.zeros(200, dtype=torch.float64)
    for _ in range(300):
        a = wx + wh * h
        h = torch.sigmoid(a[0]) * h + torch.sigmoid(a[1]) * torch.tanh(a[2])
    assert h.min() > 250


@pytest.mark.parametrize("seed", range(3))
def test_drawn_weights_run_away_at_the_published_width(seed):
    """At hidden size 512 U(±0.1) weights grow without any input; at 32 they do not."""
    ends = {}
    for width in (32, 512):
        g = torch.Generator().manual_seed(seed)
        cell = RHN(2, width, generator=g)
        with torch.no_grad():
            ends[width] = unroll(cell, torch.zeros(300, 2))[0][-1].abs().max().item()
    assert ends[512] > 50
    assert ends[32] < 1


def test_unit_jacobian_limit_has_slope_below_one():
    """The coupled cell's ∂h′/∂h differs from the identity at every drawn state."""
    cell = RHN(2, 3, couple=True, generator=torch.Generator().manual_seed(1)).double()
    x, h = torch.tensor([0.3, -1.2]).double(), torch.tensor([0.5, -0.4, 2.0]).double()
    jacobian = torch.func.jacrev(lambda h: cell.step(x, RHNState(h)).hidden)(h)
    assert jacobian.diagonal().max() < 1


@pytest.mark.parametrize("n_b", [0, 1, 2])
@pytest.mark.parametrize("couple", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize(("inputs", "hidden"), [(1, 1), (3, 7), (10, 4)])
def test_parameter_count(inputs, hidden, depth, couple, n_b):
    """Blocks × H (D + H·depth + depth·n_b): three blocks, or two where coupled."""
    cell = RHN(inputs, hidden, depth=depth, couple=couple, n_b=n_b)
    expected = (2 if couple else 3) * hidden * (inputs + hidden * depth + depth * n_b)
    assert expected == sum(p.numel() for p in cell.parameters())


@pytest.mark.parametrize("couple", [False, True])
@pytest.mark.parametrize("n_b", [1, 2])
def test_transform_bias_shifts_the_transform_gate(couple, n_b):
    """The summed bias of z starts at the value in every layer; coupled, r's at the negative."""
    cell = RHN(2, 3, depth=3, couple=couple, n_b=n_b, transform_bias=-2.0)
    gate = slice(0, 3) if couple else slice(3, 6)
    for layer in (cell.first, *cell.deeper):
        total = layer.bias_ih + (layer.bias_hh if n_b == 2 else 0)
        assert torch.equal(total[gate], torch.full((3,), 2.0 if couple else -2.0))
        rest = torch.cat((total[: gate.start], total[gate.stop :]))
        assert rest.abs().max() <= 0.2


def test_initial_draw_is_reproducible_and_within_the_scale():
    """Equal generators give equal cells; every parameter lies in ± init_scale."""
    first = RHN(3, 4, depth=2, init_scale=0.04, generator=torch.Generator().manual_seed(3))
    second = RHN(3, 4, depth=2, init_scale=0.04, generator=torch.Generator().manual_seed(3))
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
        assert one.abs().max() <= 0.04


def test_registered_names_fix_the_coupling():
    """`rhn` is uncoupled, `brhn` coupled, both one layer deep with two biases."""
    assert not get("rhn")(2, 3).couple
    assert get("brhn")(2, 3).couple
    assert get("rhn")(2, 3).depth == get("brhn")(2, 3).depth == 1


def test_declarations_follow_the_knobs():
    """Coupled: bounded by one. Uncoupled: tame at small width, growing with weights or width."""
    bounded = describe(RHN(2, 3, couple=True))
    assert bounded.claim("bounded-state", "all-weights").bound == 1.0
    assert bounded.claim("bounded-decoder", "at-init").bound == 1.0
    small, middle, wide = (describe(RHN(2, h)) for h in (3, 200, 512))
    for described in (small, middle, wide):
        assert described.denial("bounded-state", "all-weights").growth == "linear"
        assert described.denial("bounded-decoder", "all-weights")
        assert described.denial("identity-block", "at-init")
    assert small.claim("bounded-state", "at-init")
    assert wide.denial("bounded-state", "at-init").growth == "linear"
    assert middle.claim("bounded-state", "at-init") is None
    assert middle.denial("bounded-state", "at-init") is None


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"input_size": 0}, "input_size: expected an integer of at least 1, got 0"),
        ({"hidden_size": 0}, "hidden_size: expected an integer of at least 1, got 0"),
        ({"depth": 0}, "depth: expected an integer of at least 1, got 0"),
        ({"n_b": 3}, "n_b: expected 0, 1 or 2 stored biases per affine map, got 3; use 1, or 2"),
        (
            {"init_scale": 0.0},
            "init_scale: expected a positive finite number, got 0.0; every .* default is 0.1",
        ),
        ({"n_b": 0, "transform_bias": -2.0}, "transform_bias needs a stored bias"),
        ({"transform_bias": float("nan")}, "transform_bias: expected a finite number, got nan"),
    ],
)
def test_bad_arguments_are_refused(knobs, message):
    """Each refusal names the argument, what was expected and what came."""
    with pytest.raises(ValueError, match=message):
        RHN(**{"input_size": 2, "hidden_size": 3, **knobs})

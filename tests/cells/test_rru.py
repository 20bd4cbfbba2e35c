"""The residual recurrent unit against its equations, its count and what is known of its growth."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cells import describe, unroll
from cells.rru import RRU, RRUState

torch.set_num_threads(1)

KNOBS = st.fixed_dictionaries(
    {
        "q": st.sampled_from([0.5, 1.3, 2.0]),
        "relu_layers": st.integers(1, 3),
        "norm": st.sampled_from(["rms", "none"]),
        "z_shape": st.sampled_from(["vector", "scalar"]),
        "relu_out": st.booleans(),
        "s_mode": st.sampled_from(["sigmoid", "one"]),
        "s_init": st.sampled_from(["uniform", 0.95]),
        "kappa": st.sampled_from([10.0, 1.0]),
    }
)


def built(inputs, hidden, seed, *, spread=1.0, **knobs) -> tuple[RRU, torch.Generator]:
    """A float64 cell whose biases and Z have left zero, and the generator that drew it."""
    g = torch.Generator().manual_seed(seed)
    cell = RRU(inputs, hidden, output_size=3, generator=g, **knobs).double()
    with torch.no_grad():
        for name, p in cell.named_parameters():
            if "bias" in name or name == "rezero":
                p.normal_(generator=g).mul_(spread)
    return cell, g


def oracle_step(cell: RRU, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Equations (1)-(6) of the paper, with the root mean square for its Normalize; eval mode."""
    p = {name: value.detach().numpy() for name, value in cell.named_parameters()}
    u = p["weight_ih"] @ x + p["weight_hh"] @ h + p["bias_ih"]
    if cell.norm == "rms":
        u = u / np.sqrt(np.mean(u**2) + 1e-6)
    j = np.maximum(u, 0)
    for k in range(len(cell.middle)):
        j = np.maximum(p[f"middle.{k}.weight"] @ j + p[f"middle.{k}.bias"], 0)
    n = cell.hidden_size
    c = p["weight_out"][:n] @ j + p["bias_out"][:n]
    o = p["weight_out"][n:] @ j + p["bias_out"][n:]
    if cell.relu_out:
        c, o = np.maximum(c, 0), np.maximum(o, 0)
    s = 1 / (1 + np.exp(-cell.kappa * p["residual"])) if "residual" in p else 1
    return s * h + p["rezero"] * c, o


@settings(max_examples=60, deadline=None)
@given(inputs=st.integers(1, 4), hidden=st.integers(1, 5), knobs=KNOBS, seed=st.integers(0, 2**16))
def test_rollout_equals_the_equations(inputs, hidden, knobs, seed):
    """Four steps from a random state under every combination of knobs; the readout is o_t."""
    cell, g = built(inputs, hidden, seed, **knobs)
    h = torch.randn(hidden, generator=g, dtype=torch.float64)
    state, expected = cell.initial_state()._replace(hidden=h), h.numpy()
    for x in torch.randn(4, inputs, generator=g, dtype=torch.float64):
        state = cell.step(x, state)
        expected, emission = oracle_step(cell, x.numpy(), expected)
        torch.testing.assert_close(state.hidden.detach(), torch.from_numpy(expected))
        torch.testing.assert_close(cell.readout(state).detach(), torch.from_numpy(emission))


@settings(max_examples=20, deadline=None)
@given(knobs=KNOBS, seed=st.integers(0, 2**16))
def test_step_never_reads_the_emission(knobs, seed):
    """Two states that differ in the emission alone have equal successors, NaN included."""
    cell, g = built(2, 3, seed, **knobs)
    x, h = (torch.randn(k, generator=g, dtype=torch.float64) for k in (2, 3))
    nan = torch.full((3,), math.nan, dtype=torch.float64)
    one = cell.step(x, RRUState(h, nan))
    other = cell.step(x, RRUState(h, torch.zeros(3, dtype=torch.float64)))
    assert torch.equal(one.hidden, other.hidden)
    assert torch.equal(one.emission, other.emission)


def test_initial_state_is_one_feature_or_zero():
    """(√n/4, 0, …, 0), or zeros for h0="zero"; the emission starts at zero."""
    hidden, emission = RRU(2, 9, output_size=5).initial_state(4)
    assert torch.equal(hidden, torch.tensor([[0.75] + [0.0] * 8] * 4))
    assert torch.equal(emission, torch.zeros(4, 5))
    assert not RRU(2, 9, h0="zero").initial_state().hidden.any()


@pytest.mark.parametrize("s_mode", ["sigmoid", "one"])
@pytest.mark.parametrize("relu_layers", [1, 2])
def test_new_cell_only_decays_its_start(s_mode, relu_layers):
    """Z = 0: h_t = σ(κS)^t h_0 exactly, or h_0 where S = 1, while o_t already depends on x."""
    g = torch.Generator().manual_seed(0)
    cell = RRU(2, 4, s_mode=s_mode, relu_layers=relu_layers, generator=g).double()
    xs = torch.randn(30, 2, generator=g, dtype=torch.float64)
    start = RRUState(torch.randn(4, generator=g, dtype=torch.float64), torch.zeros(64).double())
    outputs, last = unroll(cell, xs, start)
    expected = start.hidden
    if s_mode == "sigmoid":
        expected = torch.sigmoid(10 * cell.residual.detach()) ** 30 * expected
    torch.testing.assert_close(last.hidden.detach(), expected)
    assert (outputs[0] - outputs[1]).abs().max() > 0.01


def test_s_is_drawn_so_that_its_sigmoid_is_uniform():
    """σ(κS) fills (0.01, 0.99) evenly, or equals the constant, whatever κ is."""
    for kappa in (10.0, 3.0):
        cell = RRU(1, 4000, q=0.01, kappa=kappa, generator=torch.Generator().manual_seed(0))
        kept = torch.sigmoid(kappa * cell.residual.detach())
        assert kept.min() >= 0.0099
        assert kept.max() <= 0.9901
        assert kept.mean().item() == pytest.approx(0.5, abs=0.02)
        assert kept.var().item() == pytest.approx(0.98**2 / 12, abs=0.003)
        constant = RRU(1, 4, s_init=0.95, kappa=kappa)
        kept = torch.sigmoid(kappa * constant.residual.detach())
        torch.testing.assert_close(kept, torch.full((4,), 0.95))


def test_kernels_are_glorot_uniform_as_stored():
    """[W^x, W^h] and [W^c; W^o] each lie in, and fill, ±√(6/(fan_in + fan_out)); biases are 0."""
    cell = RRU(5, 40, output_size=20, relu_layers=2, generator=torch.Generator().manual_seed(0))
    g = cell.middle_size
    first = torch.cat((cell.weight_ih, cell.weight_hh), 1)
    for kernel, fans in (
        (first, 45 + g),
        (cell.weight_out, g + 60),
        (cell.middle[0].weight, 2 * g),
    ):
        limit = math.sqrt(6 / fans)
        assert 0.98 * limit < kernel.abs().max() <= limit
    for p in (cell.bias_ih, cell.bias_out, cell.middle[0].bias, cell.rezero):
        assert not p.any()


def test_dropout_is_inert_in_eval_and_fresh_at_each_step_in_training():
    """Eval: the deterministic step. Training: E[o] is preserved, each step draws another mask."""
    torch.manual_seed(0)
    cell, _ = built(2, 3, 0, dropout=0.5)
    plain, _ = built(2, 3, 0)
    x, state = torch.ones(20000, 2, dtype=torch.float64), cell.initial_state(20000)
    cell.eval()
    assert torch.equal(cell.step(x, state).emission, plain.step(x, state).emission)
    cell.train()
    first, second = (cell.step(x, state).emission for _ in range(2))
    assert not torch.equal(first, second)
    assert first.std(0).min() > 0
    expected = plain.step(x, state).emission[0]
    assert (first.mean(0) - expected).abs().max() < 0.1


def test_normalization_bounds_the_emission_and_the_state():
    """One ReLU layer: |o_i| ≤ ‖W^o_i‖√g + |B^o_i| and |h_i| ≤ max(|h_0i|, |Z_i| C_i/(1−σ(κS_i)))."""
    for seed in range(10):
        cell, g = built(2, 4, seed, s_init=0.8)
        xs = 1e3 * torch.randn(300, 2, generator=g, dtype=torch.float64)
        with torch.no_grad():
            outputs, state, peak = [], cell.initial_state(), torch.zeros(4, dtype=torch.float64)
            for x in xs:
                state = cell.step(x, state)
                outputs.append(state.emission)
                peak = peak.maximum(state.hidden.abs())
            reach = cell.weight_out.norm(dim=1) * math.sqrt(cell.middle_size) + cell.bias_out.abs()
            bound = cell.rezero.abs() * reach[:4] / (1 - torch.sigmoid(10 * cell.residual))
            assert (torch.stack(outputs).abs() <= reach[4:]).all()
            assert (peak <= bound.maximum(cell.initial_state().hidden)).all()


def test_residual_weight_one_grows_linearly_and_no_norm_exponentially():
    """S = 1 adds a bounded amount per step for ever; without N the amount grows with h."""
    xs = torch.ones(800, 2, dtype=torch.float64)
    with torch.no_grad():
        cell, _ = built(2, 16, 0, s_mode="one")
        half = unroll(cell, xs[:400])[1].hidden.norm()
        full = unroll(cell, xs)[1].hidden.norm()
        assert half > 100
        assert 1.8 < full / half < 2.2
        bare, _ = built(2, 16, 0, s_mode="one", norm="none")
        early, late = (unroll(bare, xs[:t])[1].hidden.norm() for t in (20, 40))
    assert late > 100 * early


def emission_slope(cell: RRU, h: torch.Tensor) -> torch.Tensor:
    """‖∂o/∂h‖ of one step without input."""
    x, start = torch.zeros(cell.input_size, dtype=h.dtype), cell.initial_state()
    emit = torch.func.jacrev(lambda h: cell.step(x, start._replace(hidden=h)).emission)
    return emit(h).norm()


@pytest.mark.parametrize(("norm", "ratio"), [("rms", 0.1), ("none", 1.0)])
def test_emission_gradient_falls_as_the_state_grows(norm, ratio):
    """With N, ‖∂o/∂h‖ is proportional to 1/‖h‖ far out; without it the slope is constant there."""
    cell, g = built(2, 4, 0, norm=norm)
    direction = torch.randn(4, generator=g, dtype=torch.float64)
    near, far = (emission_slope(cell, size * direction) for size in (1e5, 1e6))
    assert (far / near).item() == pytest.approx(ratio, rel=1e-3)


def test_gradient_at_the_pole_of_the_normalization():
    """At h = 0 with zero biases ‖∂o/∂h‖ is more than a hundred times that at the paper's h_0."""
    cell = RRU(2, 16, generator=torch.Generator().manual_seed(0)).double()
    tiny = 1e-9 * torch.ones(16, dtype=torch.float64)
    assert emission_slope(cell, tiny) > 100 * emission_slope(cell, cell.initial_state().hidden)


@pytest.mark.parametrize(
    ("inputs", "hidden", "output", "q", "layers"),
    list(itertools.product([1, 5], [1, 8], [1, 6], [0.7, 2.0], [1, 3])),
)
def test_parameter_count(inputs, hidden, output, q, layers):
    """(m+n)g + g + (K−1)(g²+g) + g(n+p) + n + p + n_S + n_Z with g = round(q(m+n))."""
    g = round(q * (inputs + hidden))
    expected = (inputs + hidden) * g + g + (layers - 1) * (g * g + g) + g * (hidden + output)
    expected += hidden + output
    for s_mode, z_shape in itertools.product(["sigmoid", "one"], ["vector", "scalar"]):
        n_s = hidden if s_mode == "sigmoid" else 0
        n_z = hidden if z_shape == "vector" else 1
        cell = RRU(
            inputs,
            hidden,
            output_size=output,
            q=q,
            relu_layers=layers,
            s_mode=s_mode,
            z_shape=z_shape,
        )
        assert expected + n_s + n_z == sum(p.numel() for p in cell.parameters())


def test_middle_width_rounds_half_to_even():
    """round(0.5 · 5) = 2 and round(0.5 · 7) = 4, as Python rounds."""
    assert [2, 4] == [RRU(m, 4, q=0.5).middle_size for m in (1, 3)]


def test_declarations_follow_the_knobs():
    """Normalization decides about γ and the growth, S about the (dead) identity block at Z = 0."""
    default, one = describe(RRU(2, 3)), describe(RRU(2, 3, s_mode="one"))
    bare, wide = describe(RRU(2, 3, norm="none")), describe(RRU(2, 400))
    assert default.denial("identity-block", "at-init")
    assert default.denial("non-saturating", "at-init")
    assert default.claim("bounded-decoder", "all-weights").bound is None
    assert default.claim("bounded-state", "at-init").bound == 1.0
    assert wide.claim("bounded-state", "at-init").radius == 5.0
    assert default.denial("bounded-state", "all-weights").growth == "linear"
    assert one.claim("identity-block", "at-init")
    assert one.denial("writable-memory", "at-init")
    assert one.denial("identity-block", "all-weights")
    assert one.denial("bounded-state", "all-weights").growth == "linear"
    assert bare.denial("bounded-state", "all-weights").growth == "geometric"
    assert bare.denial("bounded-decoder", "all-weights")


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"input_size": 0}, "input_size: expected an integer of at least 1, got 0"),
        ({"hidden_size": 0}, "hidden_size: expected an integer of at least 1, got 0"),
        ({"output_size": 0}, "output_size: expected an integer of at least 1, got 0"),
        ({"relu_layers": 0}, "relu_layers: expected an integer of at least 1, got 0"),
        ({"norm": "l2"}, "norm: expected one of 'rms', 'none', got 'l2'"),
        ({"z_shape": "matrix"}, "z_shape: expected one of 'vector', 'scalar', got 'matrix'"),
        ({"s_mode": "zero"}, "s_mode: expected one of 'sigmoid', 'one', got 'zero'"),
        ({"h0": "one"}, "h0: expected one of 'first_feature', 'zero', got 'one'"),
        ({"q": 0.0}, "q: expected a positive finite number, got 0.0; leave it out"),
        ({"q": 0.05}, "q: expected at least one middle unit, .* raise q: got 0.05"),
        ({"kappa": math.nan}, "kappa: expected a positive finite number, got nan"),
        ({"s_init": 1.0}, "s_init: expected 'uniform' or a number between 0 and 1, got 1.0"),
        ({"dropout": 1.0}, "dropout: expected a number from 0 to 0.999, got 1.0"),
    ],
)
def test_bad_arguments_are_refused(knobs, message):
    """Each refusal names the argument, what was expected and what came."""
    with pytest.raises(ValueError, match=message):
        RRU(**{"input_size": 2, "hidden_size": 3, **knobs})

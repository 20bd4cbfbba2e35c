"""GATO against its equations, its identity block, its bounds and its knobs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cells import Layout, describe, get, unroll
from cells.gato import GATO, GATOState

torch.set_num_threads(1)

KNOBS = st.fixed_dictionaries(
    {
        "layers": st.sampled_from([1, 2]),
        "k": st.integers(1, 3),
        "lam": st.sampled_from([0.7, 0.5, -0.6, 1.0]),
        "reg": st.sampled_from(["sigmoid", "tanh"]),
        "gamma": st.sampled_from(["cos", "sin"]),
        "s_fraction": st.sampled_from([0.5, 0.25, 0.0, 0.75]),
        "s_mode": st.sampled_from(["residual", "zero", "no_residual"]),
        "readout": st.sampled_from(["gamma_both", "gamma_s_raw_r"]),
        "n_b": st.sampled_from([0, 1, 2]),
        "init": st.sampled_from(["uniform", "linear"]),
    }
)


def built(seed: int, inputs: int = 2, hidden: int = 8, scale: float = 1.0, **knobs):
    """A float64 cell with scaled parameters, and the generator that drew it."""
    g = torch.Generator().manual_seed(seed)
    cell = GATO(inputs, hidden, generator=g, **knobs).double()
    with torch.no_grad():
        for p in cell.parameters():
            p.mul_(scale)
    return cell, g


def drawn_state(cell: GATO, g: torch.Generator) -> GATOState:
    """Standard normal in both channels."""
    return GATOState(
        torch.randn(cell.memory_size, generator=g, dtype=torch.float64),
        torch.randn(cell.recurrent_size, generator=g, dtype=torch.float64),
    )


def oracle_step(cell: GATO, x: np.ndarray, s: np.ndarray, r: np.ndarray):
    """Sections 4.1-4.4 of the paper: one layer, or a ReLU network per memory unit."""
    p = {name: value.detach().numpy() for name, value in cell.named_parameters()}

    def line(part, rows, h):
        a = p[f"{part}.weight_ih"][rows] @ x + p[f"{part}.weight_hh"][rows] * h
        return a + sum(
            p[name][rows] for name in (f"{part}.bias_ih", f"{part}.bias_hh") if name in p
        )

    n_s, n_r = len(s), len(r)
    partner = r[np.arange(n_s) % n_r]
    if cell.layers == 1:
        f = line("increment", slice(None), partner)
    else:
        f = np.zeros(n_s)
        for j in range(n_s):
            w1, u1, b1, w2 = (
                p[f"increment.{name}"][j]
                for name in ("weight_ih", "weight_hh", "bias_ih", "weight_out")
            )
            f[j] = w2 @ np.maximum(w1 @ x + u1 * partner[j] + b1, 0) + p["increment.bias_out"][j]
    gain = np.logaddexp(f, 0)
    s_new = {"residual": s + gain, "no_residual": gain, "zero": 0 * s}[cell.s_mode]
    rho = line("recurrence", slice(0, n_r), r)
    rho = np.tanh(rho) if cell.reg == "tanh" else 1 / (1 + np.exp(-rho))
    r_new = cell.lam * rho * r + np.tanh(line("recurrence", slice(n_r, None), r))
    return s_new, r_new


@settings(max_examples=60, deadline=None)
@given(inputs=st.integers(1, 4), scale=st.floats(0.5, 30), knobs=KNOBS, seed=st.integers(0, 2**16))
def test_rollout_equals_the_equations(inputs, scale, knobs, seed):
    """Four steps from a random state, and the readout, under every combination of knobs."""
    cell, g = built(seed, inputs, scale=scale, **knobs)
    state = drawn_state(cell, g)
    s, r = (field.numpy() for field in state)
    for x in torch.randn(4, inputs, generator=g, dtype=torch.float64):
        state = cell.step(x, state)
        s, r = oracle_step(cell, x.numpy(), s, r)
        torch.testing.assert_close(state.memory.detach(), torch.from_numpy(s))
        torch.testing.assert_close(state.recurrent.detach(), torch.from_numpy(r))
    gamma = {"cos": np.cos, "sin": np.sin}[cell.gamma]
    read_r = r if cell.readout_mode == "gamma_s_raw_r" else gamma(r)
    expected = torch.from_numpy(np.concatenate((read_r, gamma(s))))
    torch.testing.assert_close(cell.readout(state).detach(), expected)


def state_jacobian(cell: GATO, xs: torch.Tensor, state: GATOState) -> torch.Tensor:
    """∂(s_T, r_T)/∂(s_0, r_0) over the inputs ``xs``."""
    layout = Layout.of(state)

    def roll(vector):
        return layout.ravel(unroll(cell, xs, layout.unravel(vector, state))[1])

    return torch.func.jacrev(roll)(layout.ravel(state))


@settings(max_examples=40, deadline=None)
@given(
    gap=st.integers(1, 40),
    scale=st.floats(0.1, 300),
    wrap=st.booleans(),
    readout=st.sampled_from(["gamma_both", "gamma_s_raw_r", "gamma_s_only"]),
    fraction=st.sampled_from([0.5, 0.25]),
    layers=st.sampled_from([1, 2]),
    gamma=st.sampled_from(["cos", "sin"]),
    seed=st.integers(0, 2**16),
)
def test_memory_block_is_the_identity_at_every_gap(
    gap, scale, wrap, readout, fraction, layers, gamma, seed
):
    """∂s_T/∂s_t = I and ∂r_T/∂s_t = 0, exactly, whatever the weights, the inputs and the knobs."""
    cell, g = built(
        seed,
        scale=scale,
        wrap_s=wrap,
        readout=readout,
        s_fraction=fraction,
        layers=layers,
        gamma=gamma,
        k=3,
    )
    xs = 100 * torch.randn(gap, 2, generator=g, dtype=torch.float64)
    jacobian = state_jacobian(cell, xs, drawn_state(cell, g))
    n = cell.memory_size
    assert torch.equal(jacobian[:n, :n], torch.eye(n, dtype=torch.float64))
    assert not jacobian[n:, :n].any()


@pytest.mark.parametrize("s_mode", ["zero", "no_residual"])
@pytest.mark.parametrize("wrap", [False, True])
def test_ablations_lose_the_identity_block(s_mode, wrap):
    """Without the residual ∂s_T/∂s_t = 0."""
    cell, g = built(0, s_mode=s_mode, wrap_s=wrap)
    xs = torch.randn(3, 2, generator=g, dtype=torch.float64)
    assert not state_jacobian(cell, xs, drawn_state(cell, g))[:, :4].any()


@pytest.mark.parametrize("readout", ["gamma_both", "gamma_s_raw_r", "gamma_s_only"])
@pytest.mark.parametrize("fraction", [0.5, 0.25, 0.0])
def test_readout_width(readout, fraction):
    """Both channels, or the memory alone; a readout of the memory needs a memory."""
    if readout == "gamma_s_only" and fraction == 0:
        with pytest.raises(
            ValueError, match="'gamma_s_only' decodes nothing where s_fraction is 0"
        ):
            GATO(2, 8, readout=readout, s_fraction=fraction)
        return
    cell = GATO(2, 8, readout=readout, s_fraction=fraction)
    state = cell.initial_state(5)
    assert (state.memory.shape, state.recurrent.shape) == (
        (5, round(8 * fraction)),
        (5, 8 - round(8 * fraction)),
    )
    width = cell.memory_size if readout == "gamma_s_only" else 8
    assert cell.readout(state).shape == (5, width)


@settings(max_examples=30, deadline=None)
@given(
    gamma=st.sampled_from(["cos", "sin"]),
    layers=st.sampled_from([1, 2]),
    seed=st.integers(0, 2**16),
)
def test_wrapping_changes_neither_readout_nor_gradient(gamma, layers, seed):
    """Where s is stored mod 2π: below 2π, same readouts, same parameter gradients over 40 steps."""
    readouts, gradients = [], []
    for wrap in (False, True):
        cell, g = built(seed, wrap_s=wrap, gamma=gamma, layers=layers, k=3, scale=5)
        xs = torch.randn(40, 2, generator=g, dtype=torch.float64)
        outputs, state = unroll(cell, xs)
        readouts.append(outputs.detach())
        weight = torch.randn(8, generator=g, dtype=torch.float64)
        gradients.append(torch.autograd.grad((outputs @ weight).sum(), list(cell.parameters())))
        if wrap:
            assert state.memory.min() > -1e-9
            assert state.memory.max() < 2 * math.pi + 1e-9
    torch.testing.assert_close(readouts[1], readouts[0])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_wrapping_keeps_float32_accurate():
    """5000 steps of ln 2: the plain float32 sum drifts, the wrapped one hardly does."""
    errors = {}
    exact = math.cos(math.remainder(5000 * math.log(2), 2 * math.pi))
    for wrap in (False, True):
        cell = GATO(1, 2, wrap_s=wrap, readout="gamma_s_only")
        with torch.no_grad():
            for p in cell.parameters():
                p.zero_()
            errors[wrap] = abs(unroll(cell, torch.zeros(5000, 1))[0][-1].item() - exact)
    assert errors[False] > 0.01
    assert errors[True] < errors[False] / 10


@settings(max_examples=40, deadline=None)
@given(
    lam=st.sampled_from([0.7, 0.5, 0.9, -0.7]),
    reg=st.sampled_from(["sigmoid", "tanh"]),
    scale=st.floats(0.1, 1e4),
    start=st.floats(0, 20),
    seed=st.integers(0, 2**16),
)
def test_recurrent_part_is_bounded(lam, reg, scale, start, seed):
    """The bound is max(|r_0|, 1/(1−|λ|)), for all other weights and all inputs (section 4.4)."""
    cell, g = built(seed, scale=scale, lam=lam, reg=reg)
    state = cell.initial_state()._replace(
        recurrent=start * (2 * torch.rand(4, generator=g, dtype=torch.float64) - 1)
    )
    bound = max(state.recurrent.abs().max().item(), 1 / (1 - abs(lam)))
    with torch.no_grad():
        for x in 1e3 * torch.randn(50, 2, generator=g, dtype=torch.float64):
            state = cell.step(x, state)
            assert state.recurrent.abs().max() <= bound * (1 + 1e-12)


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(0.1, 20), seed=st.integers(0, 2**16))
def test_memory_grows_at_a_rate_between_two_positive_constants(scale, seed):
    """‖x‖ ≤ √2: softplus(−P) ≤ s_t/t ≤ softplus(P), P = ‖A‖√2 + |a|/(1−λ) + |β_s|."""
    cell, g = built(seed, scale=scale)
    xs = 2 * torch.rand(100, 2, generator=g, dtype=torch.float64) - 1
    with torch.no_grad():
        _, state = unroll(cell, xs)
        part = cell.increment
        p = part.weight_ih.norm(dim=1) * math.sqrt(2) + part.weight_hh.abs() / 0.3
        p = p + part.bias_ih.abs()
        rate = state.memory / 100
        assert (torch.nn.functional.softplus(-p) * (1 - 1e-9) <= rate).all()
        assert (rate <= torch.nn.functional.softplus(p) * (1 + 1e-9)).all()


def scalar_cell(
    lam=0.7, a=0.0, beta_s=0.0, b=0.0, beta_rho=0.0, c=0.0, beta_c=0.0, **knobs
) -> GATO:
    """One memory and one recurrent unit that ignore x."""
    cell = GATO(1, 2, lam=lam, **knobs).double()
    with torch.no_grad():
        cell.increment.weight_ih.zero_()
        cell.recurrence.weight_ih.zero_()
        cell.increment.weight_hh.fill_(a)
        cell.increment.bias_ih.fill_(beta_s)
        cell.recurrence.weight_hh.copy_(torch.tensor([b, c]))
        cell.recurrence.bias_ih.copy_(torch.tensor([beta_rho, beta_c]))
    return cell


def recurrent_at(cell: GATO, times: tuple[int, ...]) -> list[float]:
    """Values of r at the given times, from zero."""
    state, values = cell.initial_state(), []
    with torch.no_grad():
        for t in range(1, max(times) + 1):
            state = cell.step(torch.zeros(1, dtype=torch.float64), state)
            if t in times:
                values.append(round(state.recurrent.item(), 4))
    return values


def test_lambda_of_one_grows_linearly_at_ordinary_weights():
    """λ = 1, b = c = β_ρ = β_c = 2: r_10 = 9.9379, r_100 = 99.9379, r_1000 = 999.9379."""
    cell = scalar_cell(lam=1.0, b=2.0, c=2.0, beta_rho=2.0, beta_c=2.0)
    assert [9.9379, 99.9379, 999.9379] == recurrent_at(cell, (10, 100, 1000))


def test_lambda_above_one_grows_geometrically():
    """λ = 1.05, same weights: r_50 = 208.7, and the ratio tends to λ."""
    cell = scalar_cell(lam=1.05, b=2.0, c=2.0, beta_rho=2.0, beta_c=2.0)
    r50, r499, r500 = recurrent_at(cell, (50, 499, 500))
    assert r50 == pytest.approx(208.7, abs=0.05)
    assert r500 / r499 == pytest.approx(1.05)


def test_recurrent_gradient_can_explode_while_the_memory_block_stays_the_identity():
    """With c = 5, a = 1 at r = 0: ∂r_10/∂r_0 = 5.35^10 = 1.92e7 and ∂s_10/∂r_0 = 2.21e6."""
    cell = scalar_cell(c=5.0, a=1.0)
    xs = torch.zeros(10, 1, dtype=torch.float64)
    jacobian = state_jacobian(cell, xs, cell.initial_state())
    assert jacobian[0, 0] == 1
    assert jacobian[1, 1].item() == pytest.approx(5.35**10)
    assert jacobian[0, 1].item() == pytest.approx(0.5 * (5.35**10 - 1) / 4.35)


@pytest.mark.parametrize("seed", range(5))
def test_recurrent_gradient_decays_at_the_initial_draw(seed):
    """|d| ≤ λ(1 + |b|/(4(1−λ))) + |c| = 0.8583 at U(±0.1), for |r| ≤ 1/(1−λ) and every input."""
    cell, g = built(seed)
    limit = 0.7 * (1 + 0.1 / (4 * 0.3)) + 0.1
    for _ in range(20):
        x = 10 * torch.randn(1, 2, generator=g, dtype=torch.float64)
        r = (2 * torch.rand(4, generator=g, dtype=torch.float64) - 1) / 0.3
        state = GATOState(torch.zeros(4, dtype=torch.float64), r)
        assert state_jacobian(cell, x, state)[4:, 4:].abs().max() <= limit


@pytest.mark.parametrize("gamma", ["cos", "sin"])
def test_a_trajectory_can_sit_on_the_zeros_of_the_cosine_slope(gamma):
    """β_s = ln(e^π − 1) gives s_t = πt: cos passes no gradient at any step, sin passes all of it."""
    cell = scalar_cell(beta_s=math.log(math.exp(math.pi) - 1), gamma=gamma, readout="gamma_s_only")
    state = cell.initial_state()
    for _ in range(300):
        state = cell.step(torch.zeros(1, dtype=torch.float64), state)
        s = state.memory.detach().requires_grad_()
        (slope,) = torch.autograd.grad(cell.readout(GATOState(s, state.recurrent)), s)
        if gamma == "cos":
            assert slope.abs() < 4e-11
        else:
            assert slope.abs() == pytest.approx(1)


def test_sine_passes_gradient_to_an_unmoved_memory_and_cosine_does_not():
    """γ′(0): 0 for cos, 1 for sin."""
    for gamma, expected in (("cos", 0.0), ("sin", 1.0)):
        cell = GATO(1, 2, gamma=gamma, readout="gamma_s_only").double()
        s = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(cell.readout(GATOState(s, torch.zeros(1).double())), s)
        assert expected == slope.abs().item()


def test_cell_without_memory_can_integrate_only_by_giving_up_the_bound():
    """With s_fraction 0, λ = 2, ρ = ½, c = 0: r_t = r_(t−1) + tanh(…), an identity block without a bound."""
    cell = GATO(1, 1, s_fraction=0.0, lam=2.0).double()
    with torch.no_grad():
        cell.recurrence.weight_ih.copy_(torch.tensor([[0.0], [1.0]]))
        cell.recurrence.weight_hh.zero_()
        cell.recurrence.bias_ih.zero_()
    xs = torch.ones(50, 1, dtype=torch.float64)
    jacobian = state_jacobian(cell, xs, cell.initial_state())
    assert jacobian.item() == 1
    assert unroll(cell, xs)[1].recurrent.item() == pytest.approx(50 * math.tanh(1))


def test_softplus_is_exact_far_from_zero():
    """The increment's slope is σ(a) in float64 also beyond 20, where a thresholded softplus has 1."""
    cell = scalar_cell(beta_s=25.0, a=1.0)
    jacobian = state_jacobian(cell, torch.zeros(1, 1).double(), cell.initial_state())
    assert 1 - jacobian[0, 1].item() == pytest.approx(math.exp(-25), rel=1e-3)


@pytest.mark.parametrize("n_b", [0, 1, 2])
@pytest.mark.parametrize("fraction", [0.5, 0.25, 0.0, 0.75])
@pytest.mark.parametrize(("inputs", "hidden"), [(1, 4), (3, 8), (25, 12)])
def test_parameter_count(inputs, hidden, fraction, n_b):
    """2 n_r (D+1+n_b) + n_s (D+1+n_b); with two layers the memory units have k(D+3)+1 each."""
    n_s = round(hidden * fraction)
    recurrent = 2 * (hidden - n_s) * (inputs + 1 + n_b)
    one = GATO(inputs, hidden, s_fraction=fraction, n_b=n_b)
    two = GATO(inputs, hidden, s_fraction=fraction, n_b=n_b, layers=2, k=5)
    assert recurrent + n_s * (inputs + 1 + n_b) == sum(p.numel() for p in one.parameters())
    assert recurrent + n_s * (5 * (inputs + 3) + 1) == sum(p.numel() for p in two.parameters())


@pytest.mark.parametrize("layers", [1, 2])
def test_initial_draws(layers):
    """Uniform: all in ±0.1. Linear: input projections fill ±1/√D, the rest stays in ±0.1."""
    for init, limit in (("uniform", 0.1), ("linear", 0.5)):
        g = torch.Generator().manual_seed(0)
        cell = GATO(4, 200, layers=layers, init=init, generator=g)
        for name, p in cell.named_parameters():
            bound = limit if "_ih" in name else 0.1
            assert 0.9 * bound < p.abs().max() <= bound, name


def test_registered_names():
    """`gato` has one layer, `gato-2` two; both take every knob."""
    assert [1, 2] == [get(name)(2, 4, gamma="sin").layers for name in ("gato", "gato-2")]


def test_declarations_follow_the_knobs():
    """Bounds, the identity block and the raw readout depend on λ, s_mode, s_fraction and readout."""
    default = describe(GATO(2, 4))
    assert default.claim("identity-block", "all-weights")
    assert default.claim("writable-memory", "all-weights")
    assert default.claim("bounded-decoder", "all-weights").bound == 1.0
    assert default.claim("bounded-state", "all-weights").bound == pytest.approx(10 / 3)
    for knobs in ({"s_mode": "zero"}, {"s_mode": "no_residual"}, {"s_fraction": 0.0}):
        ablated = describe(GATO(2, 4, **knobs))
        assert ablated.denial("identity-block", "at-init")
        assert ablated.claim("writable-memory", "at-init") is None
    for lam, growth in ((1.0, "linear"), (-1.0, "linear"), (1.05, "geometric")):
        loose = describe(GATO(2, 4, lam=lam, readout="gamma_s_raw_r"))
        assert growth == loose.denial("bounded-state", "all-weights").growth
        assert loose.denial("bounded-decoder", "all-weights")
    raw = describe(GATO(2, 4, readout="gamma_s_raw_r"))
    assert raw.claim("bounded-decoder", "all-weights").bound == pytest.approx(10 / 3)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"input_size": 0}, "input_size: expected an integer of at least 1, got 0"),
        ({"hidden_size": 0}, "hidden_size: expected an integer of at least 1, got 0"),
        ({"hidden_size": 5}, "must be a whole number of memory units .* got 5 × 0.5"),
        ({"s_fraction": 1.0}, "leaves at least one recurrent unit.* got 8 × 1.0"),
        ({"s_fraction": -0.5}, "s_fraction: expected a number from 0 to 1, got -0.5"),
        ({"layers": 3}, "layers: expected one of 1, 2, got 3"),
        ({"k": 0}, "k: expected an integer of at least 1, got 0"),
        ({"lam": math.inf}, "lam: expected a finite number, got inf"),
        ({"reg": "relu"}, "reg: expected one of 'sigmoid', 'tanh', got 'relu'"),
        ({"gamma": "tanh"}, "gamma: expected one of 'cos', 'sin', got 'tanh'"),
        ({"s_mode": "one"}, "s_mode: expected one of 'residual', 'zero', 'no_residual', got 'one'"),
        ({"readout": "s"}, "readout: expected one of 'gamma_both', .* got 's'"),
        ({"init": "zero"}, "init: expected one of 'uniform', 'linear', got 'zero'"),
        ({"n_b": 3}, "n_b: expected 0, 1 or 2 stored biases per affine map, got 3"),
    ],
)
def test_bad_arguments_are_refused(knobs, message):
    """Each refusal names the argument, what was expected and what came."""
    with pytest.raises(ValueError, match=message):
        GATO(**{"input_size": 2, "hidden_size": 8, **knobs})

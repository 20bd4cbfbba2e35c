"""The statistical recurrent unit against its equations, its counts and its growth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cells import describe, unroll
from cells.sru import SRU, SRUState

torch.set_num_threads(1)

ALPHAS = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.9, 0.99, 1.0]), min_size=1, max_size=5).filter(
    lambda alphas: min(alphas) < 1
)


def oracle_step(cell: SRU, x: np.ndarray, mu: np.ndarray) -> np.ndarray:
    """GATO appendix I with the biases of Oliva et al.; ``mu`` is (A, s)."""
    p = {name: value.detach().numpy() for name, value in cell.named_parameters()}
    rho = np.maximum(p["weight_summary"] @ mu.reshape(-1) + p["bias_summary"], 0)
    phi = np.maximum(p["weight_hh"] @ rho + p["weight_ih"] @ x + p["bias"], 0)
    a = np.array(cell.alphas)[:, None]
    return a * mu + (1 - a) * phi


@settings(max_examples=40, deadline=None)
@given(
    inputs=st.integers(1, 4),
    units=st.integers(1, 3),
    alphas=ALPHAS,
    summary=st.none() | st.integers(1, 6),
    output=st.none() | st.integers(1, 3),
    seed=st.integers(0, 2**16),
)
def test_rollout_equals_the_equations(inputs, units, alphas, summary, output, seed):
    """Five steps from a random state, and the readout, are what the printed equations give."""
    g = torch.Generator().manual_seed(seed)
    cell = SRU(
        inputs,
        units * len(alphas),
        alphas=alphas,
        summary_size=summary,
        output_size=output,
        allow_frozen=True,
        generator=g,
    ).double()
    mu = torch.rand(len(alphas), units, generator=g, dtype=torch.float64)
    state, expected = SRUState(mu.reshape(-1)), mu.numpy()
    for x in torch.randn(5, inputs, generator=g, dtype=torch.float64):
        state = cell.step(x, state)
        expected = oracle_step(cell, x.numpy(), expected)
        actual = state.averages.detach().reshape(expected.shape)
        torch.testing.assert_close(actual, torch.from_numpy(expected))
    if output is None:
        assert torch.equal(cell.readout(state), state.averages)
    else:
        w, b = cell.weight_out.detach().numpy(), cell.bias_out.detach().numpy()
        o = np.maximum(w @ expected.reshape(-1) + b, 0)
        torch.testing.assert_close(cell.readout(state).detach(), torch.from_numpy(o))


@pytest.mark.parametrize(
    ("requested", "alphas", "units"),
    [(512, 5, 102), (1300, 5, 260), (5, 5, 1), (9, 5, 1), (7, 2, 3)],
)
def test_width_is_rounded_down(requested, alphas, units):
    """There are ⌊hidden_size / A⌋ units; hidden_size keeps what was asked, state_size tells what there is."""
    cell = SRU(2, requested, alphas=(0, 0.25, 0.5, 0.9, 0.99)[:alphas])
    assert (requested, units, units * alphas) == (cell.hidden_size, cell.units, cell.state_size)
    assert cell.initial_state(3).averages.shape == (3, units * alphas)


@pytest.mark.parametrize("inputs", [1, 4])
@pytest.mark.parametrize("hidden", [5, 13])
@pytest.mark.parametrize("summary", [None, 1, 7])
@pytest.mark.parametrize("output", [None, 1, 6])
def test_parameter_count(inputs, hidden, summary, output):
    """R (A s + 1) + s (R + D + 1), plus O (A s + 1) with an output layer."""
    cell = SRU(inputs, hidden, summary_size=summary, output_size=output)
    s, n = hidden // 5, 5 * (hidden // 5)
    r = n if summary is None else summary
    expected = r * (n + 1) + s * (r + inputs + 1) + (output or 0) * (n + 1)
    assert expected == sum(p.numel() for p in cell.parameters())


def one_unit(weight_summary: float, drive: float = 0.0) -> SRU:
    """One unit and R = 1, W_φ = 1, five equal summary weights, no bias but the drive."""
    cell = SRU(1, 5, summary_size=1).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.weight_summary.fill_(weight_summary)
        cell.weight_hh.fill_(1)
        cell.bias.fill_(drive)
    return cell


def test_loop_gain_above_one_explodes():
    """W_r = (½, …, ½), W_φ = 1, x = 0, μ_0 = 1: gain 2.5, and max μ = 2.5, 112.7, 6.16e8."""
    start = SRUState(torch.ones(5, dtype=torch.float64))
    outputs, _ = unroll(one_unit(0.5), torch.zeros(50, 1, dtype=torch.float64), start)
    actual = [f"{outputs[t - 1].max().item():.4g}" for t in (1, 10, 50)]
    assert actual == ["2.5", "112.7", "6.159e+08"]


def test_loop_gain_below_one_is_bounded():
    """Gain 0.75 and drive 1: the supremum is 1/(1 − 0.75) = 4."""
    outputs, _ = unroll(one_unit(0.15, drive=1.0), torch.zeros(5000, 1, dtype=torch.float64))
    assert outputs.max() <= 4
    assert outputs.max().item() == pytest.approx(4)


@settings(max_examples=25, deadline=None)
@given(gain=st.floats(0.1, 0.95), seed=st.integers(0, 2**16))
def test_small_loop_gain_bounds_every_average(gain, seed):
    """κ = ‖W_φ‖_∞ ‖W_r‖_∞ < 1 ⇒ ‖μ_t‖ ≤ max(‖μ_0‖, C/(1−κ)), C = ‖W_φ‖‖b_r‖ + sup‖W_x x‖ + ‖b_φ‖."""
    g = torch.Generator().manual_seed(seed)
    cell = SRU(2, 10, generator=g).double()
    rows = lambda w: w.abs().sum(1).max()  # noqa: E731
    with torch.no_grad():
        cell.weight_hh.mul_(gain / (rows(cell.weight_hh) * rows(cell.weight_summary)))
        drive = rows(cell.weight_hh) * cell.bias_summary.abs().max()
        drive = drive + rows(cell.weight_ih) + cell.bias.abs().max()
        start = 3 * torch.rand(10, generator=g, dtype=torch.float64)
        bound = max(start.max().item(), (drive / (1 - gain)).item())
        xs = torch.sign(torch.randn(100, 2, generator=g, dtype=torch.float64))
        assert unroll(cell, xs, SRUState(start))[0].max() <= bound * (1 + 1e-12)


def test_frozen_average_is_an_identity_block_that_nothing_writes():
    """α = 1: ∂μ_T/∂μ_t = I on that block, and no input moves it, even where φ overflows."""
    cell = SRU(2, 6, alphas=(0.5, 1), allow_frozen=True).double()
    with torch.no_grad():
        cell.weight_hh.fill_(1e200)
        cell.weight_summary.fill_(1e200)

    def roll(averages):
        return unroll(cell, torch.ones(4, 2, dtype=torch.float64), SRUState(averages))[1].averages

    start = torch.arange(1.0, 7.0, dtype=torch.float64)
    assert torch.equal(roll(start)[3:], start[3:])
    assert roll(start)[:3].isinf().all()
    jacobian = torch.func.jacrev(roll)(start)
    assert torch.equal(jacobian[3:, 3:], torch.eye(3, dtype=torch.float64))


def test_declarations_follow_the_knobs():
    """α = 1 trades the denied identity block for a denied writable memory; ReLU saturates."""
    plain = describe(SRU(2, 5))
    frozen = describe(SRU(2, 6, alphas=(0, 1), allow_frozen=True))
    decoded = describe(SRU(2, 5, output_size=3))
    assert plain.denial("identity-block", "at-init")
    assert plain.denial("bounded-state", "all-weights").growth == "geometric"
    assert plain.claim("bounded-state", "at-init")
    assert plain.claim("non-saturating", "all-weights")
    assert frozen.claim("identity-block", "all-weights")
    assert frozen.denial("writable-memory", "at-init")
    assert decoded.denial("non-saturating", "at-init")
    assert decoded.claim("bounded-decoder-gradient", "all-weights").bound is None


def test_drawn_weights_stay_bounded():
    """100 draws at the smallest widths under the largest allowed input: no average grows."""
    g = torch.Generator().manual_seed(0)
    worst = 0.0
    with torch.no_grad():
        for _ in range(100):
            cell = SRU(2, int(torch.randint(5, 20, (), generator=g)), generator=g)
            xs = torch.sign(torch.randn(60, 10, 2, generator=g))
            worst = max(worst, unroll(cell, xs)[0].max().item())
    assert worst < 5


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"input_size": 0}, "input_size: expected an integer of at least 1, got 0"),
        ({"hidden_size": 4}, "hidden_size: expected at least one unit for each of the 5 alphas"),
        ({"hidden_size": 0}, "hidden_size: expected an integer of at least 1, got 0"),
        (
            {"alphas": (0.5, 1)},
            "average with α = 1 never changes; leave it out, or pass allow_frozen",
        ),
        (
            {"alphas": (1,), "allow_frozen": True},
            r"alphas: expected at least one below 1, got \(1,\)",
        ),
        ({"alphas": ()}, r"alphas: expected at least one below 1, got \(\)"),
        ({"alphas": (-0.1,)}, "alphas: expected a number from 0 to 1, got -0.1"),
        ({"alphas": (1.5,)}, "alphas: expected a number from 0 to 1, got 1.5"),
        ({"summary_size": 0}, "summary_size: expected an integer of at least 1, got 0"),
        ({"output_size": 0}, "output_size: expected an integer of at least 1, got 0"),
    ],
)
def test_bad_arguments_are_refused(knobs, message):
    """Each refusal names the argument, what was expected and what came."""
    with pytest.raises(ValueError, match=message):
        SRU(**{"input_size": 2, "hidden_size": 10, **knobs})

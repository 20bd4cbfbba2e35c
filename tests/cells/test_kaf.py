"""The KAF-gated GRU against a transcription of its equations; its kernels, counts and bound."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from cells.kaf import KAFGRU, KAFState


def sigmoid(a):
    """The logistic function."""
    return 1 / (1 + np.exp(-a))


def randomize(cell, rng, scale=1.0):
    """Draw every parameter from a normal distribution."""
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(torch.from_numpy(scale * rng.standard_normal(parameter.shape)))


@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 5)),
    points=st.integers(2, 7),
    boundary=st.sampled_from((1.0, 4.0)),
    rule=st.sampled_from(("code", "paper")),
    learn_gamma=st.booleans(),
    n_b=st.sampled_from((0, 1, 2)),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_equals_the_printed_equations(sizes, points, boundary, rule, learn_gamma, n_b, seed):
    """The GRU with reset before the product, its two sigmoids replaced by G."""
    rng = np.random.default_rng(seed)
    cell = KAFGRU(
        *sizes,
        dictionary_size=points,
        boundary=boundary,
        gamma_rule=rule,
        learn_gamma=learn_gamma,
        n_b=n_b,
    ).double()
    randomize(cell, rng)
    width = sizes[1]
    x, h = rng.standard_normal((2, sizes[0])), rng.standard_normal((2, width))
    d = np.linspace(-boundary, boundary, points)
    fixed = 1 / ({"code": 8, "paper": 6}[rule] * (d[1] - d[0]) ** 2)
    assert fixed == pytest.approx(cell.gamma)
    # both were made in float32, the default dtype
    np.testing.assert_allclose(d, cell.reset_kernel.dictionary.numpy(), atol=1e-6)
    d = cell.reset_kernel.dictionary.numpy()

    def affine(part, v):
        p = {name: value.detach().numpy() for name, value in part.named_parameters()}
        u = p["weight_hh"].reshape(-1, width, width)
        return (
            (x @ p["weight_ih"].T + p.get("bias_ih", 0) + p.get("bias_hh", 0)).reshape(2, -1, width)
            + np.einsum("kij,bj->bki", u, v)
        ).transpose(1, 0, 2)

    def gate(kernel, a):
        alpha = kernel.alpha.detach().numpy()
        gamma = np.exp(kernel.log_gamma.detach().numpy())
        if not learn_gamma:
            np.testing.assert_allclose(np.full(width, fixed), gamma, rtol=1e-5)
        total = np.zeros_like(a)
        for i in range(points):
            total += alpha[:, i] * np.exp(-gamma * (a - d[i]) ** 2)
        return sigmoid(total / 2 + a / 2)

    a_r, a_z = affine(cell.gating, h)
    r, z = gate(cell.reset_kernel, a_r), gate(cell.update_kernel, a_z)
    (a_n,) = affine(cell.candidate, r * h)
    expected = z * h + (1 - z) * np.tanh(a_n)
    actual = cell.step(torch.from_numpy(x), KAFState(torch.from_numpy(h)))
    torch.testing.assert_close(torch.from_numpy(expected), actual.hidden)
    assert torch.equal(actual.hidden, cell.readout(actual))


@pytest.mark.parametrize("n_b", [0, 1, 2])
@pytest.mark.parametrize("learn_gamma", [False, True])
@pytest.mark.parametrize(("sizes", "points"), [((1, 1), 2), ((2, 5), 10), ((7, 3), 20)])
def test_count(sizes, points, learn_gamma, n_b):
    """3H(D + H + n_b) + 2H·n_d, and 2H more where γ is learned."""
    d, h = sizes
    expected = 3 * h * (d + h + n_b) + 2 * h * (points + learn_gamma)
    cell = KAFGRU(d, h, dictionary_size=points, learn_gamma=learn_gamma, n_b=n_b)
    assert expected == sum(p.numel() for p in cell.parameters())


@pytest.mark.parametrize("rule", ["code", "paper"])
@pytest.mark.parametrize("points", [10, 20])
def test_the_gate_starts_as_a_sigmoid(points, rule):
    """Inside the dictionary G is within 0.001 of σ at the start."""
    kernel = KAFGRU(1, 2, dictionary_size=points, gamma_rule=rule).double().update_kernel
    a = torch.linspace(-4, 4, 801).double().unsqueeze(-1).expand(-1, 2)
    assert (torch.sigmoid(kernel(a)) - torch.sigmoid(a)).abs().max() < 1e-3


def test_the_gate_far_outside_the_dictionary():
    """Where no kernel reaches, G(a) = σ(a/2), at any weights and without a NaN in the gradient."""
    cell = KAFGRU(1, 2, learn_gamma=True, alpha_init="normal").double()
    kernel = cell.update_kernel
    a = torch.tensor([[-1e6, 1e6], [40.0, -40.0], [4.0, -4.0]]).double().requires_grad_()
    for log_gamma in (-500.0, 0.0, 500.0):
        with torch.no_grad():
            kernel.log_gamma.fill_(log_gamma)
        value = kernel(a)
        assert value.isfinite().all()
        gradients = torch.autograd.grad(value.sum(), [a, kernel.alpha, kernel.log_gamma])
        assert all(g.isfinite().all() for g in gradients)
        if log_gamma >= 0:
            torch.testing.assert_close(a[:2] / 2, value[:2])


def test_gamma_rules_and_random_coefficients():
    """γ is 1/(8Δ²) = 0.705 or 1/(6Δ²) = 0.940 at 20 points; "normal" draws α from N(0, 0.8²)."""
    assert 0.705 == round(KAFGRU(1, 1).gamma, 3)
    assert 0.940 == round(KAFGRU(1, 1, gamma_rule="paper").gamma, 3)
    generator = torch.Generator().manual_seed(0)
    alpha = KAFGRU(1, 200, alpha_init="normal", generator=generator).update_kernel.alpha
    assert 0.76 < alpha.std() < 0.84


@pytest.mark.parametrize("learn_gamma", [False, True])
@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0])
def test_the_bound_holds_at_all_weights(scale, learn_gamma):
    """No weights take |h| beyond 1."""
    rng = np.random.default_rng(0)
    cell = KAFGRU(2, 4, learn_gamma=learn_gamma).double()
    randomize(cell, rng, scale)
    xs = torch.from_numpy(1e3 * rng.uniform(-1, 1, (100, 16, 2)))
    with torch.no_grad():
        readouts, _ = cells.unroll(cell, xs)
    assert readouts.abs().max() <= 1 + 1e-12


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"dictionary_size": 1}, "dictionary_size: expected at least 2 points.*got 1"),
        ({"dictionary_size": 0}, "dictionary_size: expected an integer of at least 1, got 0"),
        (
            {"boundary": 0},
            "boundary: expected a positive finite number, got 0; the .* the default is 4",
        ),
        ({"gamma_rule": "mine"}, "gamma_rule: expected one of 'code', 'paper', got 'mine'"),
        ({"alpha_init": "zero"}, "alpha_init: expected one of 'sigmoid', 'normal', got 'zero'"),
        ({"n_b": 3}, "n_b: expected 0, 1 or 2"),
    ],
)
def test_bad_arguments(knobs, message):
    """Expected, got, remedy."""
    with pytest.raises(ValueError, match=message):
        KAFGRU(**{"input_size": 3, "hidden_size": 4, **knobs})

"""EURNN against its equations, the unitarity of U, and what is known of its norm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cells import describe, unroll
from cells.eurnn import EURNN, EURNNState, modrelu

torch.set_num_threads(1)

SIZES = st.tuples(st.integers(1, 4), st.sampled_from([2, 4, 6]))


def oracle_unitary(cell: EURNN) -> np.ndarray:
    """U = D F_L … F_1 as a matrix, each F built pair by pair."""
    n = cell.hidden_size
    phi, theta = cell.phi.detach().numpy(), cell.theta.detach().numpy()
    u = np.eye(n, dtype=complex)
    for layer in range(cell.capacity):
        f = np.zeros((n, n), dtype=complex)
        for k in range(n // 2):
            i = 2 * k + layer % 2
            j = (i + 1) % n
            turn, c, s = (
                np.exp(1j * phi[layer, k]),
                np.cos(theta[layer, k]),
                np.sin(theta[layer, k]),
            )
            f[i, i], f[i, j], f[j, i], f[j, j] = turn * c, -turn * s, s, c
        u = f @ u
    if cell.diagonal is not None:
        u = np.diag(np.exp(1j * cell.diagonal.detach().numpy())) @ u
    return u


def oracle_step(cell: EURNN, x: np.ndarray, h: np.ndarray) -> np.ndarray:
    """modReLU(W x + b + U h)."""
    z = cell.weight_ih.detach().numpy() @ x + oracle_unitary(cell) @ h
    if cell.bias_ih is not None:
        z = z + cell.bias_ih.detach().numpy()
    return z / np.abs(z) * np.maximum(np.abs(z) + cell.modrelu_bias.detach().numpy(), 0)


def built(sizes, capacity, spend, seed, modrelu_init="zero") -> tuple[EURNN, torch.Generator]:
    """A float64 cell and the generator that drew it."""
    g = torch.Generator().manual_seed(seed)
    cell = EURNN(
        *sizes, capacity=capacity, spend=spend, modrelu_init=modrelu_init, generator=g
    ).double()
    return cell, g


@settings(max_examples=40, deadline=None)
@given(
    sizes=SIZES,
    capacity=st.integers(1, 4),
    spend=st.sampled_from(["input_bias", "diagonal"]),
    low=st.floats(-1, 0.5),
    seed=st.integers(0, 2**16),
)
def test_rollout_equals_the_equations(sizes, capacity, spend, low, seed):
    """Four steps from a random complex state, with modReLU biases of both signs."""
    cell, g = built(sizes, capacity, spend, seed, "uniform")
    with torch.no_grad():
        cell.modrelu_bias.add_(low)
    h = torch.randn(sizes[1], generator=g, dtype=torch.complex128)
    state, expected = EURNNState(h), h.numpy()
    for x in torch.randn(4, sizes[0], generator=g, dtype=torch.float64):
        state = cell.step(x, state)
        expected = oracle_step(cell, x.numpy(), expected)
        torch.testing.assert_close(state.hidden.detach(), torch.from_numpy(expected))


@settings(max_examples=40, deadline=None)
@given(
    sizes=SIZES,
    capacity=st.integers(1, 5),
    spend=st.sampled_from(["input_bias", "diagonal"]),
    scale=st.floats(0, 100),
    seed=st.integers(0, 2**16),
)
def test_u_is_unitary(sizes, capacity, spend, scale, seed):
    """UᴴU = I for all angles, every capacity, with and without phases; it is the product of the F."""
    cell, _ = built(sizes, capacity, spend, seed)
    with torch.no_grad():
        cell.phi.mul_(scale)
        cell.theta.mul_(scale)
        identity = torch.eye(sizes[1], dtype=torch.complex128)
        u = cell.rotate(identity).T  # row k is U e_k
    torch.testing.assert_close(u.mH @ u, identity)
    torch.testing.assert_close(u, torch.from_numpy(oracle_unitary(cell)))


def test_readouts_are_the_parts_of_the_state():
    """Re, Im, |·| and both parts side by side."""
    h = torch.tensor([3 + 4j, -1j], dtype=torch.complex128)
    expected = {
        "re": [3.0, 0.0],
        "im": [4.0, -1.0],
        "abs": [5.0, 1.0],
        "concat": [3.0, 0.0, 4.0, -1.0],
    }
    for readout, values in expected.items():
        actual = EURNN(1, 2, readout=readout).readout(EURNNState(h))
        assert values == actual.tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_state_follows_the_parameters_precision(dtype):
    """float32 parameters give a complex64 state, `.double()` a complex128 one."""
    cell = EURNN(2, 4).to(dtype)
    state = cell.step(torch.ones(3, 2, dtype=dtype), cell.initial_state(3))
    assert cell.initial_state(3).hidden.dtype == state.hidden.dtype == dtype.to_complex()
    assert cell.readout(state).dtype == dtype


def test_modrelu_at_zero_has_the_limits_slope():
    """No NaN at z = 0: value 0; slope 1 for a bias of zero, where modReLU is the identity, 0 below."""
    bias = torch.tensor([0.0, -0.5, 0.5], dtype=torch.float64, requires_grad=True)
    z = torch.zeros(3, dtype=torch.complex128, requires_grad=True)
    out = modrelu(z, bias)
    grad_z, grad_bias = torch.autograd.grad(out.real.sum(), (z, bias))
    assert out.abs().tolist() == [0, 0, 0]
    assert [1, 0, 1] == grad_z.real.tolist()
    assert [0, 0, 0] == grad_z.imag.tolist() == grad_bias.tolist()


def test_gradient_from_the_zero_start_is_finite():
    """h_0 = 0, x = 0 and no input bias: z = 0 exactly, and still no gradient is NaN."""
    cell = EURNN(2, 4, spend="diagonal", modrelu_init="uniform").double()
    outputs, _ = unroll(cell, torch.zeros(3, 2, dtype=torch.float64))
    outputs.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in cell.parameters() if p.grad is not None)


@settings(max_examples=30, deadline=None)
@given(bias=st.floats(-0.5, 2), seed=st.integers(0, 2**16))
def test_modrelu_jacobian_has_its_two_singular_values(bias, seed):
    """1 along the radius and 1 + b/|z| along the circle where |z| + b > 0: above 1 when b > 0."""
    g = torch.Generator().manual_seed(seed)
    z = torch.randn((), generator=g, dtype=torch.complex128)
    z = z / z.abs() * (0.6 + torch.rand((), generator=g, dtype=torch.float64))
    b = torch.tensor(bias, dtype=torch.float64)

    def real(v):
        return torch.view_as_real(modrelu(torch.view_as_complex(v), b))

    singular = torch.linalg.svdvals(torch.func.jacrev(real)(torch.view_as_real(z)))
    expected = sorted([1.0, 1 + bias / z.abs().item()], reverse=True)
    torch.testing.assert_close(singular, torch.tensor(expected, dtype=torch.float64))


def identity_cell(**knobs: object) -> EURNN:
    """U = I, no input bias, unit input weights."""
    cell = EURNN(1, 2, **knobs).double()
    with torch.no_grad():
        cell.phi.zero_()
        cell.theta.zero_()
        cell.bias_ih.zero_()
        cell.weight_ih.fill_(1)
    return cell


def test_constant_input_counts_where_u_is_the_identity():
    """With U = I, no biases and x = 1 the state counts: |h_t| = t."""
    outputs, _ = unroll(identity_cell(readout="abs"), torch.ones(50, 1, dtype=torch.float64))
    torch.testing.assert_close(outputs[:, 0].detach(), torch.arange(1, 51, dtype=torch.float64))


@settings(max_examples=20, deadline=None)
@given(b=st.floats(0.01, 2), seed=st.integers(0, 2**16))
def test_positive_modrelu_bias_adds_to_the_norm_at_every_step(b, seed):
    """Without input and with b > 0, h ≠ 0: ‖h_t‖ ≥ ‖h_(t−1)‖ + b."""
    cell, g = built((1, 8), 2, "diagonal", seed)
    with torch.no_grad():
        cell.modrelu_bias.fill_(b)
        state = EURNNState(torch.randn(8, generator=g, dtype=torch.complex128))
        norms = [state.hidden.norm().item()]
        for _ in range(30):
            state = cell.step(torch.zeros(1, dtype=torch.float64), state)
            norms.append(state.hidden.norm().item())
    assert min(np.diff(norms)) >= b * (1 - 1e-9)


@settings(max_examples=20, deadline=None)
@given(beta=st.floats(0.1, 3), seed=st.integers(0, 2**16))
def test_negative_modrelu_bias_bounds_the_norm(beta, seed):
    """m_i ≤ −β and ‖W x + b‖₂ ≤ β imply ‖h_t‖₂ ≤ ‖h_0‖₂."""
    cell, g = built((2, 6), 2, "input_bias", seed)
    xs = 2 * torch.rand(40, 2, generator=g, dtype=torch.float64) - 1
    with torch.no_grad():
        cell.modrelu_bias.fill_(-beta)
        drive = xs @ cell.weight_ih.T + cell.bias_ih
        scale = beta / drive.norm(dim=-1).max()
        cell.weight_ih.mul_(scale)
        cell.bias_ih.mul_(scale)
        start = 5 * torch.randn(6, generator=g, dtype=torch.complex128)
        state = EURNNState(start)
        for x in xs:
            state = cell.step(x, state)
            assert state.hidden.norm() <= start.norm() * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_resonant_input_grows_without_limit_at_the_initial_draw(seed):
    """x_t = ±1 in phase with an eigenvector of U: the state grows linearly, as declared at-init."""
    cell, _ = built((1, 4), 2, "input_bias", seed)
    values, vectors = np.linalg.eig(oracle_unitary(cell))
    push = vectors.conj().T @ cell.weight_ih.detach().numpy()[:, 0]
    k = int(np.abs(push).argmax())
    turns = np.angle(push[k]) - np.angle(values[k]) * np.arange(2000)
    xs = torch.from_numpy(np.sign(np.cos(turns)))[:, None]
    with torch.no_grad():
        half = unroll(cell, xs[:1000])[1].hidden.norm()
        full = unroll(cell, xs)[1].hidden.norm()
    assert half > 100
    assert full > 1.8 * half


def test_gradient_is_a_rotation_and_not_the_identity():
    """At m = 0 the product of the Jacobians is a power of U: singular values 1, entries not."""
    cell, g = built((1, 4), 2, "input_bias", 0)
    xs = torch.randn(20, 1, generator=g, dtype=torch.float64)

    def roll(v):
        state = EURNNState(torch.view_as_complex(v))
        return torch.view_as_real(unroll(cell, xs, state)[1].hidden)

    start = torch.randn(4, 2, generator=g, dtype=torch.float64)
    jacobian = torch.func.jacrev(roll)(start).reshape(8, 8)
    torch.testing.assert_close(torch.linalg.svdvals(jacobian), torch.ones(8, dtype=torch.float64))
    assert (jacobian - torch.eye(8)).abs().max() > 0.1


@pytest.mark.parametrize("spend", ["input_bias", "diagonal"])
@pytest.mark.parametrize("capacity", [1, 2, 3, 4])
@pytest.mark.parametrize(("inputs", "hidden"), [(1, 2), (3, 8), (25, 6)])
def test_parameter_count(inputs, hidden, capacity, spend):
    """H D + H L + 2 H, whichever H parameters are spent; H (D + 4) at L = 2."""
    cell = EURNN(inputs, hidden, capacity=capacity, spend=spend)
    expected = hidden * inputs + hidden * capacity + 2 * hidden
    assert expected == sum(p.numel() for p in cell.parameters())


def test_modrelu_bias_starts_as_asked():
    """Zero by default, in (0, 1) for "uniform"."""
    assert not EURNN(1, 50).modrelu_bias.any()
    drawn = EURNN(1, 50, modrelu_init="uniform").modrelu_bias
    assert drawn.min() >= 0
    assert drawn.max() > 0.5


def test_declarations():
    """Unbounded in both scopes, linearly; never an identity block; a slope that does not vanish."""
    described = describe(EURNN(2, 4))
    for scope in ("at-init", "all-weights"):
        assert described.denial("bounded-state", scope).growth == "linear"
        assert described.denial("bounded-decoder", scope)
        assert described.denial("identity-block", scope)
        assert described.claim("non-saturating", scope)
        assert described.claim("bounded-decoder-gradient", scope).bound == 1.0


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"hidden_size": 5}, "hidden_size: expected an even number, .* rotated in pairs, got 5"),
        ({"hidden_size": 0}, "hidden_size: expected an integer of at least 1, got 0"),
        ({"input_size": 0}, "input_size: expected an integer of at least 1, got 0"),
        ({"capacity": 0}, "capacity: expected an integer of at least 1, got 0"),
        ({"readout": "angle"}, "readout: expected one of 're', 'im', 'abs', 'concat', got 'angle'"),
        ({"spend": "both"}, "spend: expected one of 'input_bias', 'diagonal', got 'both'"),
        ({"modrelu_init": "one"}, "modrelu_init: expected one of 'zero', 'uniform', got 'one'"),
    ],
)
def test_bad_arguments_are_refused(knobs, message):
    """Each refusal names the argument, what was expected and what came."""
    with pytest.raises(ValueError, match=message):
        EURNN(**{"input_size": 2, "hidden_size": 4, **knobs})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sixteen_bits_are_refused(dtype):
    """There is no complex arithmetic of 16 bits: torch warns for one format and fails for the other."""
    cell = EURNN(1, 4).to(dtype)
    with pytest.raises(
        TypeError, match=r"expected float32 or float64.*got torch\..*call \.float\(\)"
    ):
        cell.initial_state(2)
    assert torch.complex64 == cell.float().initial_state(2).hidden.dtype

"""Laws of the gates of the grid, apart from any cell."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cells.parts.gates import Gate, cumax, logistic, master, refine
from cells.parts.ugi import ugi_bias

PRIMARIES = ("standard", "chrono", "cumax", "ugi")
AUXILIARIES = ("none", "refine", "master")
GATES = list(itertools.product(PRIMARIES, AUXILIARIES))


def preactivations(gate: Gate, seed: int, scale: float, dtype: torch.dtype) -> dict[str, Any]:
    """Three rows of normal pre-activations for every block of ``gate``."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: scale * torch.randn(3, rows, generator=generator, dtype=torch.float64).to(dtype)
        for name, rows in gate.blocks.items()
    }


@pytest.mark.parametrize(("primary", "auxiliary"), GATES)
@given(
    seed=st.integers(0, 2**31),
    scale=st.sampled_from((0.1, 1.0, 30.0, 1000.0)),
    dtype=st.sampled_from((torch.float32, torch.float64)),
)
@settings(max_examples=10, deadline=None)
def test_tied_coefficients_are_complements_in_the_unit_interval(
    primary: Any, auxiliary: Any, seed: int, scale: float, dtype: torch.dtype
) -> None:
    """Keep and write are never negative, never above 1 but for rounding, and sum to 1."""
    gate = Gate(6, primary=primary, auxiliary=auxiliary).to(dtype)
    keep, write = gate(**preactivations(gate, seed, scale, dtype))
    for value in (keep, write):
        assert float(value.detach().min()) >= 0
        assert float(value.detach().max()) <= 1 + 4 * torch.finfo(dtype).eps
    tolerance = 16 * torch.finfo(dtype).eps
    torch.testing.assert_close(keep + write, torch.ones_like(keep), rtol=0, atol=tolerance)


@pytest.mark.parametrize("auxiliary", AUXILIARIES)
@pytest.mark.parametrize("chunk", [1, 3])
@pytest.mark.parametrize("tied", [True, False])
@given(seed=st.integers(0, 2**31), scale=st.sampled_from((0.1, 1.0, 1000.0)))
@settings(max_examples=10, deadline=None)
def test_last_chunk_of_a_cumax_gate_is_exactly_one(
    auxiliary: Any, chunk: int, tied: bool, seed: int, scale: float
) -> None:
    """It keeps exactly 1 with derivative exactly 0, and writes exactly 0 where ``ends_dead``."""
    gate = Gate(6, primary="cumax", auxiliary=auxiliary, chunk=chunk, tied=tied)
    given_blocks = preactivations(gate, seed, scale, torch.float32)
    names = tuple(given_blocks)

    def last(*values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        keep, write = gate(**dict(zip(names, values, strict=True)))
        return keep[:, -chunk:], write[:, -chunk:]

    keep, write = last(*given_blocks.values())
    assert torch.equal(keep, torch.ones_like(keep))
    if scale <= 1:  # an input gate of its own may underflow beyond
        assert gate.ends_dead == torch.equal(write, torch.zeros_like(write))
    assert not gate.ends_dead or not bool(write.any())
    assert gate.ends_dead != gate.ends_open
    assert gate.ends_dead == (tied or auxiliary == "master")
    jacobians = torch.func.jacrev(last, argnums=tuple(range(len(names))))(*given_blocks.values())
    for jacobian in jacobians[0] + (jacobians[1] if gate.ends_dead else ()):
        assert not bool(jacobian.any())


@pytest.mark.parametrize("primary", ["standard", "chrono", "ugi"])
def test_no_unit_of_a_sigmoid_gate_is_dead(primary: Any) -> None:
    """At ordinary pre-activations every unit keeps less than 1 and writes more than 0."""
    for auxiliary, tied in itertools.product(AUXILIARIES, (True, False)):
        gate = Gate(6, primary=primary, auxiliary=auxiliary, tied=tied)
        keep, write = gate(**preactivations(gate, 0, 1.0, torch.float32))
        assert not gate.ends_dead
        assert not gate.ends_open
        assert float(keep.detach().max()) < 1
        assert float(write.detach().min()) > 0


@given(f=st.floats(0, 1), rho=st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_refine_gate_moves_both_ways_between_square_and_its_mirror(f: float, rho: float) -> None:
    """f² ≤ g ≤ 1 − (1−f)², g equals every printed form, and 1 − g(f, ρ) = g(1−f, 1−ρ)."""

    def pair(value: float) -> Any:
        return logistic(torch.zeros(()))._replace(
            keep=torch.tensor(value, dtype=torch.float64),
            write=torch.tensor(1 - value, dtype=torch.float64),
        )

    g, complement = (float(v) for v in refine(pair(f), pair(rho)))
    assert rho * (1 - (1 - f) ** 2) + (1 - rho) * f**2 == pytest.approx(g, abs=1e-14)
    assert f + f * (1 - f) * (2 * rho - 1) == pytest.approx(g, abs=1e-14)
    assert f**2 - 1e-15 <= g <= 1 - (1 - f) ** 2 + 1e-15
    assert float(refine(pair(1 - f), pair(1 - rho)).keep) == pytest.approx(complement, abs=1e-14)


@given(f=st.floats(-8, 8), whole=st.floats(-8, 8))
@settings(max_examples=50, deadline=None)
def test_tied_master_gate_only_lowers_the_master(f: float, whole: float) -> None:
    """f̂ lies in [f̃², f̃]; tying both levels separately would leak up to a quarter."""
    fine = logistic(torch.tensor(f).double())
    coarse = logistic(torch.tensor(whole).double())
    keep, write = (float(v) for v in master(fine, coarse))
    m = float(coarse.keep)
    assert m**2 - 1e-15 <= keep <= m + 1e-15
    overlap = m * (1 - m)
    both_tied = (1 - float(fine.keep)) * overlap + (1 - m - overlap)
    assert 0.75 - 1e-12 <= keep + both_tied <= 1 + 1e-12
    assert keep + write == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize(("primary", "auxiliary"), [g for g in GATES if g[0] != "cumax"])
def test_complements_keep_their_digits_where_one_minus_the_gate_has_none(
    primary: Any, auxiliary: Any
) -> None:
    """With every pre-activation at 40, write is still positive in float32 and agrees with float64."""
    gate = Gate(1, primary=primary, auxiliary=auxiliary)
    values = {}
    for dtype in (torch.float32, torch.float64):
        blocks = {name: torch.full((1,), 40.0, dtype=dtype) for name in gate.blocks}
        values[dtype] = float(gate.to(dtype)(**blocks).write.detach())
    assert 0 < values[torch.float32] < 1e-15
    assert values[torch.float64] == pytest.approx(values[torch.float32], rel=1e-5)


def test_cumax_is_the_cumulative_softmax() -> None:
    """Values rise along the units, and equal NumPy's cumulative sum of the softmax."""
    a = torch.linspace(-2, 3, 14).reshape(2, 7).double()
    e = np.exp(a.numpy())
    expected = np.cumsum(e / e.sum(-1, keepdims=True), -1)
    np.testing.assert_allclose(expected, cumax(a).keep.numpy(), atol=1e-14)
    np.testing.assert_allclose(1 - expected, cumax(a).write.numpy(), atol=1e-14)
    assert bool((cumax(a).keep.diff() > 0).all())


def biases(gate: Gate, stored: int) -> dict[str, tuple[torch.Tensor, ...]]:
    """Bias vectors as a cell stores them, filled with a number that no law gives."""
    return {
        name: tuple(torch.full((rows,), 77.0) for _ in range(stored))
        for name, rows in gate.blocks.items()
    }


@pytest.mark.parametrize("stored", [1, 2])
def test_chrono_puts_one_value_into_one_bias(stored: int) -> None:
    """b_f = log v with v in [1, T−1], the input gate has the negative, other vectors are zero."""
    gate = Gate(4000, primary="chrono", tied=False, t_max=50)
    held = biases(gate, stored)
    gate.reset_parameters(held, torch.Generator().manual_seed(0))
    forget = sum(held["forget"])
    v = torch.exp(forget)
    assert float(v.min()) >= 1 - 1e-5
    assert float(v.max()) <= 49 + 1e-4
    # 1/(1−f) = 1 + v has mean (T + 2)/2
    assert 26 == pytest.approx(float((1 + v).mean()), rel=0.03)
    assert torch.equal(-forget, sum(held["input"]))
    for pair in held.values():
        assert all(not bool(b.any()) for b in pair[1:])


def test_both_masters_start_at_the_same_chrono_value() -> None:
    """Untied masters: ĩ = 1 − f̃ at the start; the fine gates are left alone."""
    gate = Gate(5, primary="chrono", auxiliary="master", tied=False)
    held = biases(gate, 1)
    gate.reset_parameters(held, torch.Generator().manual_seed(0))
    assert torch.equal(held["extra"][0], held["extra_input"][0])
    assert float(held["forget"][0][0]) == float(held["input"][0][0]) == 77.0


def test_uniform_initialization_is_uniform() -> None:
    """σ(b) fills [1/H, 1 − 1/H] evenly, so time scales have median 2 and mean about ln H."""
    units = 20_000
    f = torch.sigmoid(ugi_bias(units, torch.Generator().manual_seed(1)).double()).numpy()
    assert 1 / units - 1e-7 <= f.min()
    assert f.max() <= 1 - 1 / units + 1e-7
    quantiles = np.linspace(0.1, 0.9, 9)
    np.testing.assert_allclose(quantiles, np.quantile(f, quantiles), atol=0.012)
    assert 2 == pytest.approx(np.median(1 / (1 - f)), abs=0.06)
    assert np.log(units) == pytest.approx(np.mean(1 / (1 - f)), rel=0.2)
    assert [0.0] == ugi_bias(1).tolist()


@pytest.mark.parametrize("mode", ["zero", "minus_forget"])
def test_effective_gate_at_the_start_by_refine_bias(mode: Any) -> None:
    """Zero: g = f is uniform (variance 1/12); minus_forget: g = 2v − 3v² + 2v³ (variance 0.055)."""
    gate = Gate(20_000, primary="ugi", auxiliary="refine", refine_bias=mode)
    held = biases(gate, 2)
    gate.reset_parameters(held, torch.Generator().manual_seed(2))
    keep = gate(sum(held["forget"]), sum(held["extra"])).keep.detach()
    stored = sum(held["forget"]) if mode == "zero" else gate.beta.detach()
    v = torch.sigmoid(stored)
    expected = v if mode == "zero" else 2 * v - 3 * v**2 + 2 * v**3
    torch.testing.assert_close(keep, expected, rtol=0, atol=1e-6)
    assert 0.5 == pytest.approx(float(keep.mean()), abs=0.01)
    assert (1 / 12 if mode == "zero" else 0.055) == pytest.approx(float(keep.var()), abs=0.002)


def test_forget_bias_is_the_sum_of_the_stored_ones() -> None:
    """A forget bias of 1 is 1 however many vectors are stored."""
    gate = Gate(3, forget_bias=1.0)
    held = biases(gate, 2)
    gate.reset_parameters(held)
    assert [1.0, 1.0, 1.0] == sum(held["forget"]).tolist()


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"primary": "hard"}, "primary: expected one of 'standard', 'chrono', 'cumax', 'ugi'"),
        ({"auxiliary": "extra"}, "auxiliary: expected one of 'none', 'refine', 'master'"),
        ({"refine_bias": "one"}, "refine_bias: expected one of 'minus_forget', 'zero'"),
        ({"primary": "chrono", "t_max": 2}, "t_max: expected a longest dependency above 2"),
        ({"primary": "cumax", "chunk": 4}, "chunk: expected a divisor of the 6 units, got 4"),
        ({"primary": "cumax", "chunk": 0}, "chunk: expected an integer of at least 1"),
        ({"chunk": 2}, "chunk: only primary='cumax' and auxiliary='master'"),
        ({"primary": "ugi", "forget_bias": 1.0}, "forget_bias: expected a finite number with"),
        ({"forget_bias": float("inf")}, "forget_bias: expected a finite number with"),
    ],
)
def test_bad_knobs_are_refused(knobs: dict[str, Any], message: str) -> None:
    """Each wrong knob is named with what was expected."""
    with pytest.raises(ValueError, match=message):
        Gate(6, **knobs)


def test_bad_calls_are_refused() -> None:
    """A missing block, and a value without a bias to hold it, are named."""
    gate = Gate(3, auxiliary="refine")
    with pytest.raises(ValueError, match=r"got none for \('extra',\)"):
        gate(torch.zeros(3))
    plain = Gate(3, primary="ugi")
    with pytest.raises(ValueError, match="primary='ugi' starts from a prescribed bias"):
        plain.reset_parameters(biases(plain, 0))

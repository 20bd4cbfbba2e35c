"""The vertex method: the least radius as an exact fraction, or the corner through which the box escapes."""

# ruff: noqa: ARG005 - the updates share one signature

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import cells
from cells.core.protocol import describe
from properties.proofs.bounded_state import prove_bounded_state
from properties.proofs.result import EXACT
from properties.proofs.saturation import suggest_weights


class _State(NamedTuple):
    hidden: Tensor


class Gated(nn.Module):
    """h′ = ``update``(gate pre-activations a, b, candidate pre-activation c, h), all affine in (x, h)."""

    def __init__(self, update):
        super().__init__()
        self.input_size, self.update = 2, update
        self.weight = nn.Parameter(torch.randn(6, 2, dtype=torch.float64))
        self.recurrent = nn.Parameter(torch.randn(6, 2, dtype=torch.float64))
        self.bias = nn.Parameter(torch.randn(6, dtype=torch.float64))

    def initial_state(self, *batch):
        return _State(torch.zeros(*batch, 2, dtype=torch.float64))

    def step(self, x, state):
        h = state.hidden
        maps = x @ self.weight.T + h @ self.recurrent.T + self.bias
        return _State(self.update(*maps.chunk(3, -1), h))

    def readout(self, state):
        return state.hidden


def prove(update, claimed=None, dtype=None):
    """The proof about the cell with this update."""
    return prove_bounded_state(Gated(update), ("hidden",), claimed, dtype)


def sig(a):
    """The sigmoid, in few letters."""
    return torch.sigmoid(a)


def gato(lam, reg=torch.sigmoid):
    """GATO's recurrent line."""
    return lambda a, _, c, h: lam * reg(a) * h + torch.tanh(c)


# ---- the table of radii ----------------------------------------------------------------------------


@pytest.mark.parametrize("lam", [0.5, 0.7, 0.9, 0.95, -0.7, 0.3])
@pytest.mark.parametrize(
    "knobs", [{}, {"reg": "tanh"}, {"layers": 2}, {"gamma": "sin"}, {"s_fraction": 0.25}]
)
def test_gato_has_the_radius_of_the_paper_at_the_literals_exact_value(lam, knobs):
    """1/(1 − |λ|) with λ the double that the program holds, for every readout and regularizer."""
    cell = cells.get("gato")(2, 4, lam=lam, **knobs)
    proof = prove_bounded_state(cell, ("recurrent",))
    assert ("proved", "vertex", EXACT) == (proof.status, proof.method, proof.semantics)
    assert 1 / (1 - abs(Fraction(lam))) == proof.bound


def test_the_radius_is_printed_as_an_exact_fraction():
    """The radius for λ = 0.7 is the fraction that the double 0.7 gives."""
    proof = prove_bounded_state(cells.get("gato")(2, 4), ("recurrent",), 10 / 3)
    assert "4503599627370496/1351079888211149" == proof.radius
    assert "proved" == proof.status
    assert "all weights" in proof.scope


def test_nine_tenths_breaks_ten():
    """The double 0.9 is above nine tenths, so that the radius exceeds 10 by 2e−15."""
    proof = prove_bounded_state(cells.get("gato")(2, 4, lam=0.9), ("recurrent",), 10.0)
    assert "refuted-abstract" == proof.status
    assert 2e-15 < proof.bound - 10 < 3e-15
    assert "10.000000000000002" in proof.reason
    kept = prove_bounded_state(cells.get("gato")(2, 4, lam=0.9), ("recurrent",), 10.000000000000002)
    assert "proved" == kept.status


GRID = [
    p + a + "-" + core for p in ("c", "o", "u") for a in ("", "r", "m") for core in ("gru", "lstm")
]
ONE = ["gru", "gru-diag", "brhn", "mgu", "kaf-gru", "mogrifier-lstm", "lstm-tied", "elman", *GRID]


@pytest.mark.parametrize("name", [n for n in ONE if n in cells.names()])
def test_cells_of_convex_combinations_have_radius_one(name):
    """GRU, BRHN, the capped Mogrifier and the tied gate grid never leave [−1, 1]."""
    cell = cells.get(name)(2, 4)
    proof = prove_bounded_state(cell, describe(cell).channels.recurrent, 1.0)
    assert ("proved", "1") == (proof.status, proof.radius)


@pytest.mark.parametrize("beta", [0.0, 1.0, 0.5, -1.0, 3.0])
def test_janet_has_radius_e_to_the_beta(beta):
    """σ(β − a) is (1 − σ(a))k with k up to e^β: the radius is e^max(β, 0), rounded up by less than 2^−60."""
    cell = cells.get("janet")(2, 2, beta=beta)
    proof = prove_bounded_state(cell, ("hidden",), math.exp(max(beta, 0.0)))
    assert "proved" == proof.status
    excess = float(proof.bound / Fraction(math.exp(max(beta, 0.0))) - 1)
    assert abs(excess) < 1e-15
    assert proof.bound >= Fraction(math.exp(max(beta, 0.0))) * (1 - Fraction(2) ** -52)


@pytest.mark.parametrize(
    ("name", "size", "growth", "words"),
    [
        ("rhn", 4, "linear", "= |hidden[0]| + 1"),
        (
            "lstm",
            4,
            "linear",
            "sigmoid#1 = 1, sigmoid#2 = 1, tanh#1 = 1: |cell[0]′| = |cell[0]| + 1",
        ),
        ("sru", 10, None, "relu has no bound"),
        ("nru", 3, None, "|memory[0]′| = |memory[0]| + …"),
        ("eurnn", 4, None, "relu"),
        ("rru", 4, None, "has no bound that holds for all weights"),
        ("g-lstm", 4, "linear", "|cell[0]′| = |cell[0]| + 1"),
    ],
)
def test_cells_that_grow_name_the_corner_that_escapes(name, size, growth, words):
    """Where no box is inductive, the reason is the corner, in words."""
    cell = cells.get(name)(2, size)
    channels = describe(cell).channels
    proof = prove_bounded_state(
        cell, channels.recurrent if channels else cell.initial_state()._fields
    )
    assert ("refuted-abstract", growth, None) == (proof.status, proof.growth, proof.radius)
    assert words in proof.reason


def test_an_integrating_rru_keeps_all_of_its_state():
    """With S = 1 the state is kept whole, and what is added has no bound over all weights."""
    proof = prove_bounded_state(cells.get("rru")(2, 4, s_mode="one"), ("hidden",))
    assert "|hidden[0]′| = |hidden[0]| + …" in proof.reason


@pytest.mark.parametrize(("lam", "growth"), [(1.0, "linear"), (1.05, "geometric")])
def test_a_regularizer_that_does_not_contract_escapes(lam, growth):
    """λ = 1 adds one per step, λ = 1.05 multiplies."""
    proof = prove(gato(lam))
    assert ("refuted-abstract", growth) == (proof.status, proof.growth)


def test_the_hidden_state_of_an_lstm_is_bounded_by_itself():
    """The product o·tanh(c) is bounded whatever c is."""
    assert "1" == prove_bounded_state(cells.get("lstm")(2, 4), ("hidden",), 1.0).radius


# ---- what the abstraction recognizes ----------------------------------------------------------------

FORMS = {
    "complement": lambda a, _, c, h: sig(a) * h + (1 - sig(a)) * torch.tanh(c),
    "negated": lambda a, _, c, h: sig(a) * h + sig(-a) * torch.tanh(c),
    "residual": lambda a, _, c, h: h + sig(a) * (torch.tanh(c) - h),
    "lerp": lambda a, _, c, h: torch.lerp(torch.tanh(c), h, sig(a)),
    "odd": lambda a, _, c, h: sig(a) * h - sig(-a) * torch.tanh(-c),
    "refined": lambda a, b, c, h: _tied(_refine(sig(a), sig(b)), h, c),
    "polynomial": lambda a, _, c, h: _tied(sig(a) ** 2, h, c),
    "softmax": lambda a, b, c, h: _tied(torch.softmax(torch.stack((a, b, c)), 0)[0], h, c),
    "cumax": lambda a, b, c, h: _tied(torch.softmax(torch.stack((a, b, c)), 0).cumsum(0)[1], h, c),
    "softmax of six": lambda a, b, c, h: _tied(torch.softmax(torch.cat((a, b, c)), 0)[1:3], h, c),
    "cumax of six": lambda a, b, c, h: _tied(_cumax(torch.cat((a, b, c)))[1:3], h, c),
    "capped": lambda a, b, c, h: sig(a) * h + torch.minimum(sig(b), 1 - sig(a)) * torch.tanh(c),
    "capped, other way": lambda a, b, c, h: (
        sig(a) * h + torch.minimum(sig(-a), sig(b)) * torch.tanh(c)
    ),
    "clamped": lambda a, _, c, h: sig(a) * h + (1 - sig(a)).clamp(0, 1) * torch.tanh(c),
    "gated twice": lambda a, b, c, h: _tied(sig(a) * sig(b), h, c),
    "sine": lambda a, b, c, h: sig(a) * h + sig(-a) * torch.sin(b + c),
    "where": lambda a, b, c, h: torch.where(a > 0, h, torch.tanh(b + c)),
    "exp": lambda a, _, c, h: _tied(torch.exp(-(a**2)), h, c),
    "expm1": lambda a, _, c, h: torch.exp(-(a**2)) * h - torch.expm1(-(a**2)) * torch.tanh(c),
    "abs": lambda a, _, c, h: _tied(torch.tanh(a).abs(), h, c),
    "einsum": lambda a, _, c, h: torch.einsum("i,i->i", sig(a), h) + sig(-a) * torch.tanh(c),
}


def _tied(gate, h, c):
    return gate * h + (1 - gate) * torch.tanh(c)


def _cumax(a):
    return torch.softmax(a, 0).cumsum(0)


def _refine(f, rho):
    return rho * (1 - (1 - f) ** 2) + (1 - rho) * f**2


@pytest.mark.parametrize("form", FORMS)
def test_every_way_of_writing_a_convex_combination_is_seen_through(form):
    """The least radius is 1, however the complement of the gate is written."""
    proof = prove(FORMS[form], 1.0)
    assert ("proved", "1") == (proof.status, proof.radius), proof.reason


@pytest.mark.parametrize(
    ("update", "radius"),
    [
        (lambda a, b, c, h: 0.5 * sig(a) * h + 0.25 * sig(b) * torch.tanh(c), "1/2"),
        (lambda a, b, c, h: 0.5 * torch.tanh(a) * h + 2 * torch.tanh(c), "4"),
        (lambda a, b, c, h: 0.25 * h + 0.25 * h.flip(-1) + sig(a) - sig(b), "2"),
        (lambda a, b, c, h: torch.tanh(c), "1"),
        (lambda a, b, c, h: sig(c), "1"),
        (lambda a, b, c, h: torch.zeros_like(h) * sig(c), "0"),
        (lambda a, b, c, h: 0.5 * h + torch.atan(c).clamp(-1, 1), "2"),
    ],
)
def test_least_radii(update, radius):
    """The radius is the least fraction for which the box is mapped into itself."""
    assert radius == prove(update).radius


@pytest.mark.parametrize(
    "update",
    [
        lambda a, b, c, h: sig(a) * h + sig(b) * torch.tanh(c),
        lambda a, b, c, h: sig(a) * h + (1 - sig(b)) * torch.tanh(c),
        lambda a, b, c, h: sig(a) * h + sig(-2 * a) * torch.tanh(c),
        lambda a, b, c, h: h + 0.05 * torch.tanh(c),
        lambda a, b, c, h: torch.relu(h + c),
        lambda a, b, c, h: h * h + torch.tanh(c),
        lambda a, b, c, h: torch.log(h) + torch.tanh(c),
        lambda a, b, c, h: torch.tanh(c) / h,
        lambda a, b, c, h: torch.tanh(torch.sqrt(h) + c),
        lambda a, b, c, h: torch.tanh(torch.special.bessel_j0(c)),
        lambda a, b, c, h: sig(a) * h + sig(-a) * torch.special.bessel_j0(c),
        lambda a, b, c, h: torch.tanh(c) + float("nan") * h,
        lambda a, b, c, h: torch.tanh(c / h),
        lambda a, b, c, h: torch.tanh(torch.tan(c)),
    ],
)
@pytest.mark.parametrize("dtype", [None, torch.float32])
def test_nothing_is_proved_where_nothing_holds_or_is_known(update, dtype):
    """Growth, unknown operations, numbers that may be NaN: never ``proved``."""
    proof = prove(update, 1.0, dtype)
    assert "proved" != proof.status
    assert proof.reason


@pytest.mark.parametrize(
    "update",
    [
        lambda a, b, c, h: torch.tanh(torch.special.bessel_j0(c)),
        lambda a, b, c, h: torch.tanh(torch.log(h)),
    ],
)
def test_an_unknown_operation_behind_a_bounded_kernel_is_inconclusive(update):
    """The tanh of what may be NaN may be NaN."""
    proof = prove(update, 1.0)
    assert "inconclusive" == proof.status
    assert "no rule" in proof.reason or "may leave the reals" in proof.reason


def test_a_trace_that_is_refused_is_inconclusive():
    """A step that branches on its data has no graph."""
    proof = prove(lambda a, b, c, h: torch.tanh(c) if bool(a.sum() > 0) else h)
    assert "inconclusive" == proof.status
    assert proof.reason.startswith("not traced")


def test_a_field_that_the_state_lacks_is_refused():
    """The message lists the fields."""
    with pytest.raises(ValueError, match=r"fields: expected names among \['hidden'\], got 'cell'"):
        prove_bounded_state(Gated(gato(0.7)), ("cell",))
    with pytest.raises(
        ValueError, match=r"fields: expected at least one of \['hidden'\], got none"
    ):
        prove_bounded_state(Gated(gato(0.7)), ())


def test_evidence_is_plain_data():
    """A certificate can hold the proof."""
    evidence = prove(gato(1.0)).evidence()
    assert "linear" == evidence["growth"]
    assert all(isinstance(v, str | list | None) for v in evidence.values())


# ---- soundness, by evaluation -----------------------------------------------------------------------

SOUND = [
    n
    for n in ("gato", "gru", "brhn", "janet", "mogrifier-lstm", "ur-gru", "om-lstm")
    if n in cells.names()
]


@functools.cache
def proved_radius(name):
    """The radius that is proved for one registered cell, which no draw of weights changes."""
    cell = cells.get(name)(2, 4)
    return float(prove_bounded_state(cell, describe(cell).channels.recurrent).bound)


@pytest.mark.parametrize("name", SOUND)
@given(st.integers(0, 10**6), st.floats(0.05, 60.0))
@settings(max_examples=3, deadline=None)
def test_no_step_leaves_a_proved_box(name, seed, scale):
    """4,000 states and inputs per draw of weights, in the corners of the box and inside it."""
    generator = torch.Generator().manual_seed(seed)
    cell = cells.get(name)(2, 4).double()
    recurrent = describe(cell).channels.recurrent
    radius = proved_radius(name)
    with torch.no_grad():
        for p in cell.parameters():
            p.copy_(scale * torch.randn(p.shape, generator=generator, dtype=torch.float64))
        count = 4000
        x = torch.randn(count, 2, generator=generator, dtype=torch.float64) * 10
        state = cell.initial_state(count)
        spread = [2 * torch.rand(f.shape, generator=generator).double() - 1 for f in state]
        spread = [torch.where(s.abs() > 0.5, s.sign(), s) for s in spread]
        state = type(state)(*(s * radius for s in spread))
        new = cell.step(x, state)
    for field in recurrent:
        assert getattr(new, field).abs().max() <= radius * (1 + 1e-14)


# ---- from the corner to weights ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "knobs", "least"),
    [
        ("rhn", {}, 99.9),
        ("lstm", {}, 99.9),
        ("lstm-diag", {}, 99.9),
        ("gato", {"lam": 1.0}, 99.9),
        ("gato", {"lam": 1.05}, 2000),
        ("on-lstm", {}, 50),
        ("rru", {"s_mode": "one"}, 50),
        ("eurnn", {}, 1000),
    ],
)
def test_the_corner_becomes_weights_under_which_the_state_grows(name, knobs, least):
    """A hundred steps with the suggested weights and input go where the proof said they would."""
    cell = cells.get(name)(2, 4, **knobs).double()
    fields = describe(cell).channels.recurrent
    proof = prove_bounded_state(cell, fields)
    suggestion = suggest_weights(cell, proof.corner)
    cell.load_state_dict(suggestion.parameters, strict=False)
    state = cell.initial_state(1)
    with torch.no_grad():
        for _ in range(100):
            state = cell.step(suggestion.x[None], state)
    assert least < max(float(getattr(state, f).abs().max()) for f in fields)


def test_a_claim_that_is_too_small_is_approached_by_the_suggestion():
    """λ = 0.7 against a claim of 3.3: the saturated step passes it."""
    cell = cells.get("gato")(2, 4).double()
    proof = prove_bounded_state(cell, ("recurrent",), 3.3)
    assert "refuted-abstract" == proof.status
    suggestion = suggest_weights(cell, proof.corner)
    cell.load_state_dict(suggestion.parameters)
    state = cell.initial_state(1)
    with torch.no_grad():
        for _ in range(100):
            state = cell.step(suggestion.x[None], state)
    assert 3.3 < float(state.recurrent.abs().max())


# ---- as executed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [1, 2])
def test_ten_thirds_is_proved_in_float32_and_bfloat16_and_not_in_float16(layers):
    """0.7 rounds up in float16, where the saturated step reaches 3.333984375."""
    cell = cells.get("gato")(2, 4, layers=layers)
    proofs = {
        dtype: prove_bounded_state(cell, ("recurrent",), 10 / 3, dtype)
        for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16)
    }
    assert "refuted-abstract" == proofs.pop(torch.float16).status
    assert {"proved"} == {p.status for p in proofs.values()}
    for dtype, proof in proofs.items():
        assert str(dtype).removeprefix("torch.") in proof.semantics
        assert any("no intermediate is NaN" in a for a in proof.assumptions)


def test_the_float16_radius_is_reached():
    """The radius that refutes the claim in float16 is the limit of a rollout from zero."""
    cell = cells.get("gato")(2, 4)
    proof = prove_bounded_state(cell, ("recurrent",), 10 / 3, torch.float16)
    assert 3.333984375 == float(proof.bound)
    exact = prove_bounded_state(cell, ("recurrent",), 3.0)
    suggestion = suggest_weights(cell, exact.corner)
    cell.load_state_dict(suggestion.parameters)
    cell = cell.to(torch.float16)
    state = cell.initial_state(8)
    with torch.no_grad():
        for _ in range(200):
            state = cell.step(torch.ones(8, 2, dtype=torch.float16), state)
    assert 3.333984375 == state.recurrent.abs().max().double().item()


def test_a_cell_too_large_for_exact_products_is_inconclusive():
    """Products that are not expanded forget what they share: no corner is blamed for that."""

    def update(a, b, c, h):
        mixed = torch.softmax(torch.cat([a, b, c] * 4), 0).cumsum(0)
        return _tied((mixed * mixed.flip(0))[:2] ** 2, h, c)

    proof = prove(update, 1.0)
    assert "refuted-abstract" != proof.status

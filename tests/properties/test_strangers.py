"""Strangers' cells: what the equations of 44 published classes imply, and what the certifier finds.

The table was derived from the equations *as implemented* by torchrecurrent 0.2.5 and PyTorch, before any
certificate of theirs was read; ``because`` gives the argument. Two notions recur. A *convex* update
h′ = z h + (1 − z) u never leaves the hull of h and u, for any gate. An *accumulator* c′ = f c + i g with
separate gates does, as f and i tend to 1: for fixed parameters and inputs it is bounded by |g|/(1 − f),
and that bound itself has none, so that in floating point (f = 1 exactly) it grows for ever.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
import torchrecurrent
from torch import Tensor

import cells
from properties import certify

SCOPES = ("at-init", "all-weights")
HOLDS = frozenset({"tested", "proved"})


@dataclass(frozen=True, slots=True)
class Line:
    """The admissible verdicts of one property in one scope, the growth laws of a failure, and why."""

    statuses: frozenset[str]
    because: str
    laws: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Expectation:
    """Every line of one cell; ``radius``: an M with |state| ≤ 1 ⇒ |state_t| ≤ M for all parameters."""

    lines: Mapping[tuple[str, str], Line]
    radius: float | None = None


def holds(because: str) -> Line:
    """No counterexample exists."""
    return Line(HOLDS, because)


def fails(because: str, *laws: str) -> Line:
    """A counterexample exists and a search of any size should find one."""
    return Line(frozenset({"falsified"}), because, frozenset(laws))


def absent(because: str) -> Line:
    """The statement is about something that the cell does not have."""
    return Line(frozenset({"not-applicable"}), because)


def rare(because: str, *laws: str) -> Line:
    """Counterexamples exist, but few draws at initialization, or only chosen inputs, show one."""
    return Line(HOLDS | {"falsified"}, because, frozenset(laws))


Pair = Line | tuple[Line, Line]

NO_BLOCK = absent("there is no identity block to write")
PURE = holds("the forward is a composition of torch functions of (θ, state, x), row by row")
IDENTITY_SLOPE = holds("the readout is the first state field itself, so γ′ = 1")


def expect(
    *,
    block: str,
    state: Pair,
    decoder: Pair | None = None,
    non_saturating: Pair = IDENTITY_SLOPE,
    gradient: Pair = IDENTITY_SLOPE,
    radius: float | None = None,
) -> Expectation:
    """``decoder`` defaults to ``state``: true of a cell that hands out its only field."""
    table: dict[str, Pair] = {
        "well-posed": PURE,
        "identity-block": fails(block),
        "writable-memory": NO_BLOCK,
        "bounded-decoder": state if decoder is None else decoder,
        "non-saturating": non_saturating,
        "bounded-decoder-gradient": gradient,
        "bounded-state": state,
    }
    lines = {}
    for key, pair in table.items():
        for place, scope in enumerate(SCOPES):
            lines[key, scope] = pair if isinstance(pair, Line) else pair[place]
    return Expectation(lines, radius)


def convex(block: str, update: str, radius: float = 1.0) -> Expectation:
    """A single-state cell whose update is a convex combination with something bounded."""
    return expect(block=block, state=holds(update), radius=radius)


GATED = "∂h′/∂h holds a gate strictly between 0 and 1, and the candidate's slope beside it"
SQUASHED = "the whole new state passes through tanh, whose slope is below 1 away from 0"
FORGETS = "∂c′/∂c is the forget gate, below 1"
READS_TANH = holds("|h| = |gate · tanh(·)| ≤ 1")
ACCUMULATOR = (
    holds("at initialization |x|, |h| ≤ 1 keep f ≤ f̄ < 1, so |c| settles below |g|/(1 − f̄)"),
    fails("with f and i at 1 every step adds ±1 to c, and f, i are separate gates", "linear"),
)


def accumulator(block: str = FORGETS, decoder: Pair = READS_TANH) -> Expectation:
    """An LSTM-like cell: c accumulates behind separate gates, h is squashed."""
    return expect(block=block, state=ACCUMULATOR, decoder=decoder)


PEEPHOLE = fails(
    "f = σ(… + p_f c) and i = σ(… + p_i c) open with c itself where p_f, p_i have its sign: then "
    "1 − f dies out like e^(−p c) and c gains g per step, with p ~ N(0, 1) at initialization too",
    "linear",
)
TGRU_GAIN = (
    holds("f reads inputs only, |x| ≤ 1 keeps it below 1, and the increment is bounded with x"),
    fails(
        "h′ = f h + z tanh(o): the weight of the new term is not 1 − f, so f → 1 adds z", "linear"
    ),
)

EXPECTED: dict[str, Expectation] = {
    # --- torch.nn ---------------------------------------------------------------------------------
    "RNNCell": convex(SQUASHED, "h′ = tanh(·)"),
    "GRUCell": convex(GATED, "h′ = (1 − z) n + z h with n = tanh(·)"),
    "LSTMCell": accumulator(),
    # --- torchrecurrent: the update adds to the old state -------------------------------------------
    "AntisymmetricRNNCell": expect(
        block=(
            "∂h′/∂h = I + ε diag(tanh′)(W − Wᵀ − γI); the bracket is 0 at hidden_size 1 (γ = 0), "
            "where h is an identity block, and generically not 0 from hidden_size 2 on"
        ),
        state=(
            Line(
                frozenset({"falsified", "inconclusive"}),
                "an Euler step of a rotation only ever adds energy: where tanh saturates, Σ|h| is kept "
                "between sign changes and overshoots by O(1) at each, of which there is one per O(|h|) "
                "steps, so |h| ~ √t for two units (faster for more, still below t); at hidden_size 1 h is "
                "the identity block, which this statement leaves out",
                frozenset({"sublinear", "linear"}),
            ),
            fails("W = Wᵀ gives h′ = h + ε tanh(U x + b): one ε per step", "linear"),
        ),
        decoder=(
            rare(
                "at hidden_size 1 h′ = h + tanh(u x) gains |tanh(u x)| per step; wider cells ~ √t",
                "linear", "sublinear",
            ),
            fails("W = Wᵀ gives h′ = h + ε tanh(U x + b): one ε per step", "linear"),
        ),
    ),
    "GatedAntisymmetricRNNCell": expect(
        block=(
            "as AntisymmetricRNNCell: identity at hidden_size 1 only; wider, the gate and tanh both "
            "read (W − Wᵀ) h"
        ),
        state=fails(
            "gate and tanh read the same A h: units with (A h)_i > 0 gain ε per step and those with "
            "(A h)_i < 0 stand still, so the rotation stalls and |h| grows on a ray",
            "linear",
        ),
    ),
    "UnICORNNCell": expect(
        block=(
            "∂c′/∂c = 1 at one step (α = 0), but h′ reads c′ and c reads h, so that the return path "
            "shows from a gap of two on"
        ),
        state=(
            rare(
                "a forced, undamped oscillator with restoring force tanh(w h), 0 < w < 1: bounded for "
                "constant inputs, but an input that resonates gains constant energy per half period "
                "~ |h|^½, so |h| ~ t^⅔; a unit with w → 0 takes more than any horizon to turn back",
                "linear", "geometric", "sublinear",
            ),
            fails(
                "w ≤ 0 pushes away from the origin (and w = 0 with a bias falls freely): c gains "
                "dt σ per step and h its sum, so h ~ t²; the law lies between the two names",
                "linear", "geometric",
            ),
        ),
    ),
    "OriginalLSTMCell": expect(
        block="∂c′/∂c = 1 at one step, but c′ reads h = σ(o) tanh(c), which shows from a gap of two on",
        state=fails("c′ = c + i g without a forget gate: a constant sign of g adds up", "linear"),
        decoder=READS_TANH,
    ),
    # --- accumulators behind separate gates ---------------------------------------------------------
    "MultiplicativeLSTMCell": accumulator(),
    # the gates read tanh(W c), where the package's page has W c; with W c they would open like peepholes
    "WMCLSTMCell": accumulator("∂c′/∂c = f + (slopes of the gates that read tanh(W c)), not 1"),
    "RANCell": accumulator(decoder=holds("h = tanh(c)")),
    "PeepholeLSTMCell": expect(
        block="∂c′/∂c = f + c f′ p_f + g i′ p_i, not 1", state=PEEPHOLE, decoder=READS_TANH
    ),
    "ResLSTMCell": expect(
        block="∂c′/∂c = f + c f′ p_f + g i′ p_i, not 1",
        state=PEEPHOLE,
        decoder=holds("|h| ≤ |W_p|·1 + |W_r x|: no accumulated quantity enters unsquashed"),
    ),
    "MCLSTMCell": expect(
        block="∂c′/∂c is the forget gate, below 1; v′ is read off c′ and never reads itself",
        state=ACCUMULATOR,
        decoder=holds("the emission is o · tanh(c′), at most 1"),
        non_saturating=(
            absent("the emission saturates in c, and c stays bounded at initialization"),
            fails("the emission o · tanh(c′) is flat at large |c|, and c grows without bound"),
        ),
        gradient=holds("c sech²(f c + i g) f′ is bounded, and so are the slopes of o and tanh"),
    ),
    "JANETCell": expect(
        block=FORGETS + ", and h′ = c′ never reads the old c but through it",
        state=(
            holds("β = 1: |c| ≤ (1 − σ(s − 1))/(1 − σ(s)) < e"),
            fails(
                "β is a parameter: f = σ(s) and 1 − σ(s − β) both reach 1 for 0 ≪ s ≪ β", "linear"
            ),
        ),
    ),
    "FastRNNCell": expect(
        block="∂h′/∂h = σ(β) I + σ(α) diag(tanh′) W, and σ(β) < 1",
        state=(
            holds("σ(−3) < 1 contracts and the rest is at most σ(3)"),
            fails("σ(α) and σ(β) are separate parameters: β → ∞ adds ±σ(α) per step", "linear"),
        ),
    ),
    "FastGRNNCell": expect(
        block="∂h′/∂h = gate + (slopes of the gate and of the candidate, which share W x + U h), not 1",
        state=fails(
            "the gate is tanh by default, not σ: at 1 it leaves ν h̃ = σ(−3) h̃ per step, and U h > 0 "
            "holds it there, in about a quarter of the initializations",
            "linear",
        ),
    ),
    "ATRCell": expect(
        block="∂h′/∂h = f − h f′ U + p i′ U, and f < 1",
        state=(
            holds("|h| ≤ |p| max(1, e^(2|p|)) with p = W x + b: up to there at most logarithmic"),
            fails("U = 0: h′ = σ(p)(p + h), and σ(p) → 1 adds p per step", "linear"),
        ),
    ),
    "TGRUCell": expect(
        block="∂h′/∂h = f < 1, and the field of the previous input never reads itself (slope 0)",
        state=TGRU_GAIN,
    ),
    "SCRNCell": expect(
        block="∂c′/∂c = α I, which is the identity for α = 1 alone, and α is a parameter",
        state=(
            holds("α = ½: c is a moving average of W x, and |h| ≤ 1"),
            fails("α is a free parameter: |α| > 1 multiplies c at each step", "geometric"),
        ),
        decoder=holds("|h| = |tanh(·)| ≤ 1 for every finite c, however large"),
    ),
    "LiGRUCell": expect(
        block=GATED,
        state=(
            rare(
                "u > 1 with a closed update gate, both within U(±√2) at hidden_size 1, multiplies h; "
                "few draws have it, fewer the wider the cell",
                "geometric",
            ),
            fails("z → 0 leaves h′ = relu(W x + U h), which U > 1 multiplies", "geometric"),
        ),
    ),
    # --- convex updates -----------------------------------------------------------------------------
    "BRCell": convex(GATED, "h′ = c h + (1 − c) tanh(·)"),
    "NBRCell": convex(GATED, "h′ = c h + (1 − c) tanh(·)"),
    "MGUCell": convex(GATED, "h′ = f tanh(·) + (1 − f) h"),
    "MinimalRNNCell": convex(GATED, "h′ = u h + (1 − u) tanh(W x + b)"),
    "MiRU1Cell": convex("∂h′/∂h = ½ I + ½ (slopes of tanh)", "h′ = ½ h + ½ tanh(·)"),
    "MiRU2Cell": convex("∂h′/∂h = ½ I + ½ (slopes of tanh)", "h′ = ½ h + ½ tanh(·)"),
    "MUT1Cell": convex(GATED, "h′ = z tanh(·) + (1 − z) h"),
    "MUT2Cell": convex(GATED, "h′ = z tanh(·) + (1 − z) h"),
    "MUT3Cell": convex(GATED, "h′ = z tanh(·) + (1 − z) h"),
    "LightRUCell": convex(GATED, "h′ = (1 − f) h + f tanh(W x + b)"),
    "UGRNNCell": convex(GATED, "h′ = g h + (1 − g) tanh(·)"),
    "DSGUCell": convex(GATED, "h′ = (1 − z) h + z σ(·), z in [0, 1]"),
    "LEMCell": expect(
        block="∂c′/∂c = 1 − Δt σ(·) < 1 and ∂h′/∂h = 1 − Δt̄ σ(·) + …, not 1",
        state=holds("Δt = 1: both lines are convex combinations with a tanh"),
        radius=1.0,
    ),
    "tauGRUCell": convex(
        GATED, "h′ = (1 − g) h + g (u + a z), and |u + a z| ≤ 2; the delayed state is never given", 2.0
    ),
    "TRNNCell": expect(
        block="∂h′/∂h = f < 1",
        state=holds(
            "h′ = f h + (1 − f) z with z = W x + b: h never leaves the hull of h_0 and of the z seen, "
            "however slowly a gate near 1 lets it creep there"
        ),
    ),
    "SGUCell": expect(
        block=GATED,
        state=holds(
            "h′ ≤ max(h, softplus(h)) since |z_g| ≤ 1: log growth (softplus(h) − h ~ e^(−h)) until 20, "
            "where torch's softplus becomes the identity"
        ),
        radius=20.0 + 1e-8,
    ),
    "TLSTMCell": expect(
        block="∂c′/∂c = f < 1, and the field of the previous input never reads itself (slope 0)",
        state=holds("c′ = f c + (1 − f) z, with z affine in the last two inputs, as TRNNCell's"),
        decoder=holds("the emission is c′ tanh(o), at most |c′|"),
        non_saturating=absent(
            "the emission is f tanh(o) c plus a constant: f → 0 flattens it along the previous input, "
            "but c and the previous input stay bounded"
        ),
        gradient=Line(
            HOLDS | {"falsified"},
            "∂emission/∂(previous input) holds c f′: without bound over the plane of all states, but "
            "not along rays on which f saturates, and finite on every state that can be reached",
        ),
    ),
    "IntersectionRNNCell": expect(
        block="∂h′/∂h = g + (slopes of the gate and of tanh), not 1",
        state=holds("h′ = g h + (1 − g) tanh(·)"),
        decoder=holds("|emission| ≤ max(|x|, |W x + U h + b|), and |h| ≤ 1"),
        non_saturating=absent("g → 1 or a dead relu flattens the emission, but |h| ≤ 1"),
        gradient=Line(
            HOLDS | {"falsified"},
            "∂emission/∂h holds g′ relu(U h): without bound in a direction that the gate does not see, "
            "but not along rays on which it saturates, and finite for |h| ≤ 1",
        ),
    ),
    # --- bounded by another argument ----------------------------------------------------------------
    "CFNCell": convex("∂h′/∂h = θ tanh′(h) + …, and θ < 1", "h′ = θ tanh(h) + η tanh(W x), two tanhs", 2.0),
    "IndRNNCell": convex(SQUASHED, "tanh by default: h′ = tanh(·)"),
    "SGRNCell": convex(SQUASHED, "h′ = tanh(·)"),
    "STARCell": convex(SQUASHED, "h′ = tanh(·)"),
    # the package's page drops c(t−1) from c(t); the code keeps it, inside a tanh
    "NASCell": expect(
        block=SQUASHED, state=holds("c′ = tanh(·) tanh(·) and h′ = tanh(·)"), radius=1.0
    ),
    # damping reads c(t−1), where the package's page has c(t): the linear part is the explicit one
    "coRNNCell": expect(
        block="∂c′/∂c = 1 − dt ε + dt tanh′ W_c, not 1, and h′ reads h and c",
        state=holds(
            "dt = 0.1, γ = ε = 1 are constants: the linear part has spectral radius √0.9, and its summed "
            "impulse response is 1.37, its largest transient 1.23"
        ),
        radius=2.6,
    ),
}  # fmt: skip


# ---- what the arguments rest on, without the certifier ---------------------------------------------


def build(name: str, input_size: int, hidden_size: int) -> Any:
    """The class called ``name``, from either package, in float64."""
    package = torchrecurrent if hasattr(torchrecurrent, name) else torch.nn
    return getattr(package, name)(input_size, hidden_size).double()


def factory(name: str) -> Callable[[int, int], Any]:
    """``(input_size, hidden_size) -> cell`` as the certifier takes it."""
    return lambda input_size, hidden_size: cells.adapt(build(name, input_size, hidden_size))


def test_the_table_names_every_cell_that_the_package_exports():
    """41 classes of torchrecurrent and three of torch.nn, each with seven properties in two scopes."""
    exported = {name for name in torchrecurrent.__all__ if name.endswith("Cell")}
    assert exported | {"RNNCell", "GRUCell", "LSTMCell"} == set(EXPECTED)
    assert len(exported) == 41
    assert {14} == {len(e.lines) for e in EXPECTED.values()}
    assert all(line.because for e in EXPECTED.values() for line in e.lines.values())


@torch.no_grad()
@pytest.mark.parametrize("name", [n for n, e in EXPECTED.items() if e.radius is not None])
def test_a_parameter_free_radius_holds_for_saturating_parameters(name):
    """From |state| ≤ 1 no draw of parameters and inputs leads out of the radius that was derived."""
    generator = torch.Generator().manual_seed(0)
    for draw in range(24):
        cell = cells.adapt(build(name, 3, 3))
        for parameter in cell.parameters():
            scale = 10 ** float(2 * torch.rand((), generator=generator))
            parameter.normal_(generator=generator).mul_(scale)
        shape = cell.initial_state(1)
        state = type(shape)(
            *(2 * torch.rand(s.shape, generator=generator, dtype=s.dtype) - 1 for s in shape)
        )
        size = 10 ** (3 * float(torch.rand((), generator=generator)))
        x = size * torch.randn(1, 3, generator=generator, dtype=torch.float64)
        for t in range(200):
            wave = (-1) ** t if draw % 3 == 0 else 1.0 if draw % 3 == 1 else (-1) ** (t // 10)
            state = cell.step(wave * x, state)
            inner = [v for k, v in state._asdict().items() if k != "emission"]
            assert max(float(v.abs().max()) for v in inner) <= EXPECTED[name].radius * (1 + 1e-12)


@dataclass(frozen=True)
class Escape:
    """One unit that escapes: parameters not named are 0, or as constructed where ``keep`` says so."""

    scope: str
    field: str
    law: str
    parameters: dict[str, tuple[float, ...]]
    x: float = 1.0
    start: float = 0.0
    keep: tuple[str, ...] = field(default=())


# fmt: off
ESCAPES = {
    # within the support of the initialization: Xavier's uniform at 1 input and 1 unit, N(0, 1) for peepholes
    ("AntisymmetricRNNCell", 0): Escape("at-init", "hidden", "linear", {"weight_ih": (1,)}),
    ("GatedAntisymmetricRNNCell", 0): Escape("at-init", "hidden", "linear", {"weight_ih": (1, 1)}),
    ("OriginalLSTMCell", 0): Escape("at-init", "cell", "linear", {"weight_ih": (0, 1.2, 0)}),
    ("PeepholeLSTMCell", 0): Escape(
        "at-init", "cell", "linear", {"weight_ih": (0, 0, 1, 0), "weight_ph": (1, 1, 0)}),
    ("ResLSTMCell", 0): Escape(
        "at-init", "cell", "linear", {"weight_ih": (0, 0, 1, 0), "weight_ph": (1, 1, 0)}),
    ("FastGRNNCell", 0): Escape(
        "at-init", "hidden", "linear", {"weight_ih": (1.7,), "weight_hh": (1.7,)}, keep=("zeta", "nu")),
    ("LiGRUCell", 0): Escape(
        "at-init", "hidden", "geometric", {"weight_hh": (-1.4, 1.4)}, x=0.0, start=3.0),
    # anywhere
    ("LSTMCell", 1): Escape("all-weights", "cell", "linear", {"bias_ih": (40, 40, 40, 0)}),
    ("MultiplicativeLSTMCell", 1): Escape("all-weights", "cell", "linear", {"bias_ih": (0, 40, 40, 40, 0)}),
    ("WMCLSTMCell", 1): Escape("all-weights", "cell", "linear", {"bias_ih": (40, 40, 40, 0)}),
    ("MCLSTMCell", 1): Escape("all-weights", "cell", "linear", {"bias_ih": (40, 40, 0, 0, 40)}),
    ("RANCell", 1): Escape("all-weights", "cell", "linear", {"weight_ih": (1, 40, 40)}),
    ("JANETCell", 1): Escape("all-weights", "hidden", "linear", {"bias_ih": (40, 40), "beta": (80,)}),
    ("FastRNNCell", 1): Escape("all-weights", "hidden", "linear", {"bias_ih": (40,), "beta": (40,)}),
    ("ATRCell", 1): Escape("all-weights", "hidden", "linear", {"weight_ih": (1,)}, x=40.0),
    ("TGRUCell", 1): Escape("all-weights", "hidden", "linear", {"bias_ih": (1, 40, 40)}),
    ("SCRNCell", 1): Escape("all-weights", "cell", "geometric", {"alpha": (1.5,)}, start=1.0),
    ("UnICORNNCell", 1): Escape("all-weights", "hidden", "quadratic", {"weight_ih": (40,)}),
}
# fmt: on


@torch.no_grad()
@pytest.mark.parametrize("case", ESCAPES, ids=lambda case: f"{case[0]}-{SCOPES[case[1]]}")
def test_a_state_said_to_grow_does_so_under_the_law_that_was_derived(case):
    """One unit, constant input: doubling the steps shows the law, without the certifier."""
    name, place = case
    escape = ESCAPES[case]
    assert SCOPES[place] == escape.scope
    cell = cells.adapt(build(name, 1, 1))
    for key, parameter in cell.module.named_parameters():
        if key in escape.parameters:
            values = torch.tensor(escape.parameters[key], dtype=torch.float64)
            parameter.copy_(values.reshape(parameter.shape))
        elif key not in escape.keep:
            parameter.zero_()
    state = cell.initial_state(1)
    state = state._replace(**{escape.field: torch.full_like(state[0], escape.start)})
    x = torch.full((1, 1), escape.x, dtype=torch.float64)
    seen = []
    for _ in range(400):
        state = cell.step(x, state)
        seen.append(float(getattr(state, escape.field).abs()))
    first, second, last = seen[99], seen[199], seen[399]
    if escape.law == "geometric":
        assert math.log(last / second) == pytest.approx(2 * math.log(second / first), rel=1e-2)
        assert last > 1e6 * first
    elif escape.law == "quadratic":
        assert last / second == pytest.approx(4, rel=2e-2)
    else:
        assert last - second == pytest.approx(2 * (second - first), rel=2e-2)
        assert last > 1.9 * second


def test_the_antisymmetric_cell_has_an_identity_block_of_one_unit_and_none_of_two():
    """W − Wᵀ vanishes at hidden_size 1: a verdict read off that size alone would be wrong."""
    for width, expected in ((1, True), (2, False)):
        torch.manual_seed(0)
        cell = cells.adapt(build("AntisymmetricRNNCell", 1, width))
        x, h = torch.ones(1, dtype=torch.float64), torch.zeros(width, dtype=torch.float64)
        kind = type(cell.initial_state())
        jacobian = torch.autograd.functional.jacobian(
            lambda q, cell=cell, kind=kind, x=x: cell.step(x, kind(q)).hidden, h
        )
        assert expected == torch.equal(jacobian, torch.eye(width, dtype=torch.float64))


@torch.no_grad()
def test_the_antisymmetric_state_grows_like_the_square_root_of_time():
    """Two units, no input: sixteen times the steps give four times the state."""
    cell = build("AntisymmetricRNNCell", 1, 2)
    cell.weight_hh.copy_(torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))
    h, peaks = torch.ones(1, 2, dtype=torch.float64), []
    x = torch.zeros(1, 1, dtype=torch.float64)
    for _ in range(6400):
        h = cell(x, h)
        peaks.append(float(h.abs().max()))
    assert max(peaks) / max(peaks[:400]) == pytest.approx(4, rel=0.1)


@torch.no_grad()
def test_the_undamped_oscillator_is_pumped_by_a_resonant_input_at_initialization():
    """UnICORNN with 0 < w < 1 and |x| ≤ 1: eight times the steps give four times the state (t^⅔)."""
    cell = build("UnICORNNCell", 1, 1)
    cell.weight_ih.fill_(1.5)
    cell.weight_hh.fill_(0.5)
    state: tuple[Tensor, Tensor] = (torch.zeros(1, 1).double(), torch.zeros(1, 1).double())
    peaks = []
    for _ in range(16000):
        x = torch.where(state[1] < 0, 1.0, -1.0).double()
        state = cell(x, state)
        peaks.append(float(state[0].abs()))
    assert max(peaks) / max(peaks[:2000]) == pytest.approx(4, rel=0.15)


# ---- the certifier ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_the_certifier_finds_what_the_equations_imply(name):
    """Every line of the certificate is an admissible one, with its growth law where it fails."""
    certificate = certify(factory(name), name=name, profile="dev", seed=0)
    surprises = []
    for (key, scope), line in EXPECTED[name].lines.items():
        result = certificate.verdict(key, scope)
        status = str(result.status)
        wrong_law = status == "falsified" and line.laws and result.law not in line.laws
        if status not in line.statuses or wrong_law:
            surprises.append((key, scope, status, result.law, result.reason, "but", line.because))
    assert [] == surprises

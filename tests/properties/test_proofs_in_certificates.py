"""What certificates say where a proof runs beside the search: proved, refused, or a conflict of ours."""

from __future__ import annotations

import functools
import itertools
import json
import math
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

import cells
from cells import Channels, Claim
from properties import certify
from properties.core import checks
from properties.core.context import Context
from properties.core.desideratum import properties
from properties.core.profile import Profile
from properties.core.proof import Proof, attempt
from properties.core.subject import Subject

BRIEF = Profile("brief", 1, 16, 4, 8, 32, 2, 2, 2)
SIZES = [(1, 2), (2, 4)]
CRITERIA = (
    "identity-block",
    "bounded-decoder",
    "non-saturating",
    "bounded-decoder-gradient",
    "bounded-state",
)
SCOPES = ("at-init", "all-weights")


def certificate(factory, **options):
    """A small certificate."""
    return certify(factory, profile=BRIEF, **{"sizes": SIZES, **options})


def proof_of(factory, key, scope="all-weights", **options):
    """The proof of one property alone, without any search."""
    return proofs_of(factory, [key], scope, **options)[key]


def proofs_of(factory, keys, scope="all-weights", **options):
    """The proofs of several properties, made from one set of traces as a certificate makes them."""
    context = Context(Subject(factory, **{"sizes": SIZES, **options}), BRIEF, 0)
    context.scope = scope
    provers = {p.key: p.prove for p in properties()}
    return {key: attempt(context, key, scope, provers[key]) for key in keys}


# ---- GATO ------------------------------------------------------------------------------------------------

KNOBS = (
    {},
    {"layers": 2, "k": 4, "gamma": "sin"},
    {"readout": "gamma_s_only", "reg": "tanh", "lam": -0.7},
    {"readout": "gamma_s_raw_r", "gamma": "sin", "lam": 0.5},
    {"layers": 2, "k": 4, "readout": "gamma_s_raw_r", "reg": "tanh"},
)


@pytest.mark.parametrize("knobs", KNOBS, ids=str)
def test_gato_is_proved_in_all_five_criteria(knobs):
    """In both scopes; the semantics say that it is about exact reals or what autograd returns."""
    made = certificate(functools.partial(cells.get("gato"), **knobs))
    for key, scope in itertools.product(CRITERIA, SCOPES):
        line = made.verdict(key, scope)
        assert "proved" == line.status, (
            f"{key} ({scope}): {line.reason} {line.evidence.get('proof')}"
        )
        assert "exact reals" in " ".join(line.semantics)
    assert 0 == made.exit_status


GRID = tuple(
    itertools.product(
        (1, 2), ("cos", "sin"), ("gamma_both", "gamma_s_raw_r", "gamma_s_only"), ("sigmoid", "tanh")
    )
)  # fmt: skip


@pytest.mark.parametrize(("layers", "gamma", "readout", "reg"), GRID)
def test_the_proofs_of_gato_hold_for_every_knob(layers, gamma, readout, reg):
    """Every readout and regularizer, one and two layers: five proofs at the smallest size, no search."""
    cell = functools.partial(
        cells.get("gato"), layers=layers, k=3, gamma=gamma, readout=readout, reg=reg
    )
    found = proofs_of(cell, CRITERIA, sizes=[(1, 2)])
    assert {"proved"} == {p.status for p in found.values()}, {
        key: p.reason for key, p in found.items()
    }
    assert 1 / (1 - Fraction(0.7)) == Fraction(found["bounded-state"].evidence["radius"])


@pytest.mark.parametrize("lam", [-0.99, -0.7, 0.0, 0.5, 0.99])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("reg", ["sigmoid", "tanh"])
def test_the_radius_of_gato_is_exact_for_every_contraction(layers, reg, lam):
    """1/(1 − |λ|) with the double that λ is; readout and γ do not enter the recurrent line."""
    cell = functools.partial(cells.get("gato"), layers=layers, k=3, reg=reg, lam=lam)
    proof = proof_of(cell, "bounded-state", sizes=[(1, 2)])
    assert "proved" == proof.status, proof.reason
    assert 1 / (1 - abs(Fraction(lam))) == Fraction(proof.evidence["radius"])


# ---- the catalogue ---------------------------------------------------------------------------------------

JANET = Fraction(
    12535862302449814171, 4611686018427387904
)  # 1/(1 − 1/(1 + (e − 1)…)): the doubles of β
RADII = {
    "gru": 1,
    "brhn": 1,
    "mogrifier-lstm": 1,
    "lstm-tied": 1,
    "c-gru": 1,
    "mgu": 1,
    "janet": JANET,
}


@pytest.mark.parametrize("name", RADII)
def test_convex_cells_have_their_exact_radius(name):
    """Bounded by a convex combination: the least radius is 1; of JANET, e up to the double that it uses."""
    made = certificate(name, only=["bounded-state"])
    for scope in SCOPES:
        line = made.verdict("bounded-state", scope)
        assert "proved" == line.status, line.reason
        assert Fraction(RADII[name]) == Fraction(line.evidence["proof"]["radius"])
    assert float(JANET) == pytest.approx(math.e, rel=1e-15)


GATES = [
    (core, primary, auxiliary)
    for core in ("lstm", "gru")
    for primary in ("standard", "chrono", "cumax", "ugi")
    for auxiliary in ("none", "refine", "master")
]
EVERY_SIZE = [["gru"], ["brhn"], ["janet"], ["mogrifier-lstm"], ["gato"], ["gato-2"], *GATES]


@pytest.mark.parametrize("case", EVERY_SIZE, ids="-".join)
def test_the_radius_is_the_same_at_every_proof_size(case):
    """What a certificate proves it proves at all of its sizes; of the tied gate grid, every combination."""
    name, *gate = case
    factory = cells.get(name)
    if gate:
        tied = {"tied": True} if name == "lstm" else {}
        factory = functools.partial(factory, primary=gate[0], auxiliary=gate[1], **tied)
    sizes = Context(Subject(factory), BRIEF, 0).proof_sizes
    assert 3 == len(sizes)
    proof = proof_of(factory, "bounded-state", sizes=None)
    assert "proved" == proof.status, proof.reason
    assert [list(s) for s in sizes] == proof.evidence["at_sizes"]
    assert not proof.evidence["open_at_sizes"]
    expected = {"janet": JANET, "gato": 1 / (1 - Fraction(0.7)), "gato-2": 1 / (1 - Fraction(0.7))}
    assert expected.get(name, Fraction(1)) == Fraction(proof.evidence["radius"])


IMPOSSIBLE = {
    "rhn": "sigmoid#1 = 1, sigmoid#2 = 1, tanh#1 = 1: |hidden[0]′| = |hidden[0]| + 1",
    "lstm": "sigmoid#1 = 1, sigmoid#2 = 1, tanh#1 = 1: |cell[0]′| = |cell[0]| + 1",
    "sru": "relu = ∞",
    "nru": "= ∞: |memory[0]′| = |memory[0]| + …",
    "eurnn": "= ∞",
    "rru": "= ∞: |hidden[0]′| = |hidden[0]| + …",
}


def impossible(name):
    """The cell of one name, of RRU with S = 1."""
    return functools.partial(cells.get("rru"), s_mode="one") if name == "rru" else name


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_the_corner_that_escapes_is_the_reason(name):
    """Where no proof is possible, the evidence holds the corner, and the reason reads like it."""
    proof = proof_of(impossible(name), "bounded-state", sizes=None if name == "sru" else SIZES)
    assert "refuted" == proof.status
    assert IMPOSSIBLE[name] in proof.reason
    assert proof.evidence["corner"] in proof.reason


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_the_reason_is_printed(name, capsys):
    """The terminal's view of one cell shows why there is no proof, as the corner that escapes."""
    import rich.console

    from properties.report.matrix import detail

    made = certificate(
        impossible(name), only=["bounded-state"], sizes=None if name == "sru" else SIZES
    )
    rich.console.Console(width=240).print(detail(made))
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert IMPOSSIBLE[name] in shown


# ---- cells of a user's own -------------------------------------------------------------------------------


class State(NamedTuple):
    """``memory`` and ``recurrent``, (\\*batch, n) each."""

    memory: Tensor
    recurrent: Tensor


class Own(nn.Module):
    """Memory that adds an increment, and a regulated recurrent part; parts are replaced below."""

    channels = Channels(memory=("memory",), recurrent=("recurrent",))
    claims: tuple[Claim, ...] = ()
    denies: tuple[Claim, ...] = ()

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.units = input_size, hidden_size // 2
        self.f, self.g, self.gate = (
            self.part(input_size + self.units, self.units) for _ in range(3)
        )

    def part(self, width: int, units: int) -> nn.Module:
        return nn.Linear(width, units)

    def initial_state(self, *batch: int) -> State:
        like = next(self.parameters())
        return State(like.new_zeros(*batch, self.units), like.new_zeros(*batch, self.units))

    def carry(self, memory: Tensor) -> Tensor:
        return memory

    def step(self, x: Tensor, state: State) -> State:
        both = torch.cat((x, state.recurrent), -1)
        gain = torch.logaddexp(self.f(both), torch.zeros_like(state.memory))
        kept = 0.5 * torch.sigmoid(self.gate(both)) * state.recurrent
        return State(self.carry(state.memory) + gain, kept + torch.tanh(self.g(both)))

    def readout(self, state: State) -> Tensor:
        return torch.cos(torch.cat((state.memory, state.recurrent), -1))


class Detached(Own):
    def carry(self, memory: Tensor) -> Tensor:
        return memory.detach()


class Clip(torch.autograd.Function):
    @staticmethod
    def forward(ctx, memory):  # noqa: ARG004 - autograd's signature
        return memory.clone()

    @staticmethod
    def backward(ctx, gradient):  # noqa: ARG004 - ditto
        return gradient.clamp(-0.5, 0.5)


class Clipped(Own):
    def carry(self, memory: Tensor) -> Tensor:
        return Clip.apply(memory)


class Hooked(Own):
    def carry(self, memory: Tensor) -> Tensor:
        memory = memory.clone()
        if memory.requires_grad:
            memory.register_hook(lambda gradient: 0.5 * gradient)
        return memory


@pytest.mark.parametrize("factory", [Detached, Clipped, Hooked])
def test_a_tampered_gradient_is_refused_and_falsified(factory):
    """Forward the block is the identity, and that is said; autograd returns another, and search shows it."""
    line = certificate(factory, only=["identity-block"]).verdict("identity-block")
    assert "falsified" == line.status
    proof = line.evidence["proof"]
    assert "refuted" == proof["status"]
    assert ["exact reals"] == proof["semantics"]
    assert "autograd may differ from the mathematics" in proof["reason"]


class Counting(Own):
    calls = 0

    def carry(self, memory: Tensor) -> Tensor:
        self.calls += 1
        return 0.5 * memory if self.calls > 100 else memory


def test_a_counter_in_python_is_caught():
    """One trace cannot show it; the replay gate does, and well-posedness may have done so before."""
    proof = proof_of(Counting, "identity-block")
    assert "inconclusive" == proof.status
    assert "graph and cell differ at step" in proof.reason
    made = certificate(Counting, only=["identity-block"])
    assert "proved" not in {line.status for line in made.results}


class Undefined(Own):
    def step(self, x: Tensor, state: State) -> State:
        new = super().step(x, state)
        return new._replace(recurrent=new.recurrent + 0 * torch.log(state.recurrent - 1))


def test_what_may_be_no_number_is_never_proved():
    """0·log(r − 1) is zero or NaN."""
    proof = proof_of(Undefined, "bounded-state")
    assert "inconclusive" == proof.status
    assert "NaN" in proof.reason or "reals" in proof.reason
    assert "proved" not in {
        line.status for line in certificate(Undefined, only=["bounded-state"]).results
    }


class TwoLayers(Own):
    def part(self, width: int, units: int) -> nn.Module:
        return nn.Sequential(nn.Linear(width, 3), nn.ReLU(), nn.Linear(3, units))


class Normalized(Own):
    def part(self, width: int, units: int) -> nn.Module:
        return nn.Sequential(nn.Linear(width, units), nn.LayerNorm(units))


class Convolution(nn.Module):
    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(1, 1, 3, padding=1)
        self.linear = nn.Linear(width, units)

    def forward(self, v: Tensor) -> Tensor:
        flat = v.reshape(-1, 1, v.shape[-1])
        return self.linear(self.convolution(flat).reshape(v.shape))


class Convolved(Own):
    def part(self, width: int, units: int) -> nn.Module:
        return Convolution(width, units)


class Looped(Own):
    def step(self, x: Tensor, state: State) -> State:
        for _ in range(3):
            state = super().step(x, state)
        return state


class Transcendental(nn.Module):
    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, units)

    def forward(self, v: Tensor) -> Tensor:
        return torch.special.bessel_j0(self.linear(v))


class Unsupported(Own):
    def part(self, width: int, units: int) -> nn.Module:
        return Transcendental(width, units)


@pytest.mark.parametrize("factory", [TwoLayers, Normalized, Convolved, Looped, Unsupported])
def test_networks_inside_the_cell_have_a_verdict_or_a_reason(factory):
    """Proved, or inconclusive with the operation that has no rule; nothing crashes, nothing conflicts."""
    for key in CRITERIA:
        proof = proof_of(factory, key)
        assert proof is not None
        unruled = {
            Normalized: "native_layer_norm",
            Convolved: "convolution",
            Unsupported: "special_bessel_j0",
        }
        if key == "bounded-state" and factory in unruled:
            assert "inconclusive" == proof.status
            assert f"no rule for the operations {unruled[factory]} (test_proofs_in_" in proof.reason
        else:
            assert "proved" == proof.status, f"{key}: {proof.reason}"
    if factory in (TwoLayers, Looped):
        assert "2" == proof.evidence["radius"]


class Strided(Own):
    def carry(self, memory: Tensor) -> Tensor:
        return torch.as_strided(memory, memory.shape, memory.stride())


def test_an_operation_without_a_rule_is_named_with_its_line():
    """The operator, and the file from its package on: no folder of this machine."""
    proof = proof_of(Strided, "identity-block")
    assert "inconclusive" == proof.status
    assert "no rule for aten.as_strided.default" in proof.reason
    assert "test_proofs_in_certificates.py:" in proof.reason
    assert "/test_proofs" not in proof.reason


def test_no_certificate_holds_a_path_of_this_machine():
    """The line of an offending operation is named from its package on, so checkouts agree byte by byte."""
    text = certificate("gru").dumps()
    assert "cells/parts/affine.py:" in text
    assert str(cells.__path__[0]).removesuffix("cells") not in text
    again = json.loads(certificate("gru").dumps()) | {"created_at": ""}
    assert json.loads(text) | {"created_at": ""} == again


# ---- rounding --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_gato_is_proved_as_it_is_executed(name):
    """The claim 10/3 holds for the rounded step as well, and the line says so."""
    made = certificate("gato", dtype=getattr(torch, name), only=["bounded-state"])
    line = made.verdict("bounded-state")
    assert "proved" == line.status
    assert f"rounded execution in {name}" in line.semantics


def test_half_precision_passes_the_claim_of_gato():
    """0.7 rounds up in float16: saturated gates lift the state one unit above 10/3, as the proof says."""
    made = certificate("gato", dtype=torch.float16, only=["bounded-state"])
    line = made.verdict("bounded-state")
    assert "falsified" == line.status
    assert "rounded execution in float16" not in line.semantics
    assert (
        1707 / 512
        == line.witness.observed
        == float(Fraction(line.evidence["proof"]["rounded_radius"]))
    )
    assert line.evidence["proof"]["rounding_exceeds_claim"]
    assert 1 == made.exit_status


# ---- sizes -----------------------------------------------------------------------------------------------


class Crowded(nn.Module):
    """h′ = tanh(Wx) + (h₁ + … + hₙ)/7: bounded up to six units, growing from eight on."""

    channels = Channels(recurrent=("memory",))
    claims = ()
    denies = ()

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.units = input_size, hidden_size
        self.w = nn.Linear(input_size, hidden_size)

    def initial_state(self, *batch: int) -> State:
        zero = self.w.weight.new_zeros(*batch, self.units)
        return State(zero, zero[..., :0])

    def step(self, x: Tensor, state: State) -> State:
        return State(
            torch.tanh(self.w(x)) + state.memory.sum(-1, keepdim=True) / 7, state.recurrent
        )

    def readout(self, state: State) -> Tensor:
        return torch.cos(state.memory)


def test_a_radius_that_depends_on_the_width_is_not_proved():
    """Two units are bounded, ten are not: the proof is made at three sizes."""
    assert "proved" == proof_of(Crowded, "bounded-state", sizes=[(1, 2), (1, 5)]).status
    proof = proof_of(Crowded, "bounded-state", sizes=[(1, 2), (1, 5), (2, 10)])
    assert "refuted" == proof.status
    assert "|memory[0]′| = 1.42857·|memory[0]| + 1" in proof.reason
    assert ([[1, 2]], ["2, 10"]) == (
        proof.evidence["at_sizes"],
        list(proof.evidence["open_at_sizes"]),
    )


def test_a_counterexample_at_a_size_without_a_proof_is_no_conflict(monkeypatch):
    """The proof is asked again at the counterexample's own size, where it fails."""
    monkeypatch.setattr(Context, "proof_sizes", property(lambda c: ((c.doubt or (1, 2)),)))
    made = certificate(Crowded, sizes=[(1, 2), (2, 10)], only=["bounded-state"])
    line = made.verdict("bounded-state")
    assert "falsified" == line.status
    assert ("refuted", []) == (line.evidence["proof"]["status"], line.evidence["proof"]["at_sizes"])


# ---- conflicts and defects of ours -----------------------------------------------------------------------


def with_prover(monkeypatch, key, prove):
    """Replace the prover of one property."""
    found = tuple(replace(p, prove=prove) if p.key == key else p for p in properties())
    monkeypatch.setattr(checks, "properties", lambda: found)


def test_a_proof_against_a_counterexample_is_a_conflict(monkeypatch):
    """Both pieces of evidence stay in the line, and the certificate fails."""
    wrong = Proof("proved", ("wishful thinking",), "it is so", {"method": "none"})
    with_prover(monkeypatch, "identity-block", lambda *_: wrong)
    made = certificate("gru", only=["identity-block"])
    line = made.verdict("identity-block")
    assert "verifier-conflict" == line.status
    assert "it is so" == line.evidence["proof"]["reason"]
    assert line.witness is not None
    assert "it is so" in line.reason
    assert line.witness.sentence in line.reason
    assert 1 == made.exit_status


def test_a_prover_that_raises_is_inconclusive_evidence(monkeypatch):
    """The search decides, and the line says what went wrong."""

    def broken(*_):
        raise ZeroDivisionError("division by zero")

    with_prover(monkeypatch, "bounded-decoder-gradient", broken)
    made = certificate("gru", only=["bounded-decoder-gradient"])
    line = made.verdict("bounded-decoder-gradient")
    assert "tested" == line.status
    assert "inconclusive" == line.evidence["proof"]["status"]
    assert (
        "the proof stopped with ZeroDivisionError: division by zero"
        == line.evidence["proof"]["reason"]
    )

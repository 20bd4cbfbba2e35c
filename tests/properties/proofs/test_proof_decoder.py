"""The decoder properties of whole cells: γ scalar by scalar, and over reachable states where it must be."""

# ruff: noqa: ARG005 - the readouts share one signature

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

import cells
from cells.core.claims import Channels
from properties.proofs.decoder import REACHABLE, prove_decoder, substitute
from properties.proofs.expression import Expressions

WINDOW = (2 * math.pi, 0.1)


class _State(NamedTuple):
    memory: Tensor
    hidden: Tensor


class Reader(nn.Module):
    """An additive memory and a tanh hidden state behind any readout of (memory, hidden)."""

    def __init__(self, readout, channels=None):
        super().__init__()
        self.input_size, self.gamma = 2, readout
        self.weight = nn.Parameter(torch.randn(2, 2, dtype=torch.float64))
        if channels is not None:
            self.channels = channels

    def initial_state(self, *batch):
        return _State(*(torch.zeros(*batch, 2, dtype=torch.float64) for _ in range(2)))

    def step(self, x, state):
        drive = x @ self.weight.T
        return _State(state.memory + drive, torch.tanh(drive + state.hidden))

    def readout(self, state):
        return self.gamma(self, *state)


def statuses(proofs):
    """The three verdicts."""
    return (
        proofs.bounded_decoder.status,
        proofs.non_saturating.status,
        proofs.bounded_gradient.status,
    )


ALL = ("proved",) * 3


@pytest.mark.parametrize(
    "knobs", [{}, {"gamma": "sin"}, {"layers": 2}, {"readout": "gamma_s_only"}]
)
def test_gato_meets_all_three(knobs):
    """Cosine and sine of every unit: bounded by 1, period 2π, slope at most 1."""
    proofs = prove_decoder(cells.get("gato")(2, 4, **knobs), 1.0, WINDOW, 1.0)
    assert ALL == statuses(proofs)
    assert ("1", "period", "1") == (
        proofs.bounded_decoder.bound,
        proofs.non_saturating.method,
        proofs.bounded_gradient.bound,
    )
    assert "whole line" in proofs.bounded_decoder.scope


def test_a_raw_recurrent_part_is_bounded_by_the_states_it_reaches():
    """Decoding r itself: K is the radius of bounded-state, in the scope of reachable states."""
    cell = cells.get("gato")(2, 4, readout="gamma_s_raw_r")
    proofs = prove_decoder(cell, 1 / (1 - 0.7), WINDOW, 1.0)
    assert ALL == statuses(proofs)
    assert "4503599627370496/1351079888211149" == proofs.bounded_decoder.bound
    assert REACHABLE == proofs.bounded_decoder.scope
    assert "inconclusive" == prove_decoder(cell, 1.0).bounded_decoder.status


@pytest.mark.parametrize(
    ("name", "bound"),
    [("gru", "1"), ("lstm", "1"), ("brhn", "1"), ("elman", "1"), ("ur-lstm", "1")],
)
def test_an_identity_readout_is_judged_over_reachable_states(name, bound):
    """γ = identity: slope exactly 1, no window too short, and K from bounded-state."""
    proofs = prove_decoder(cells.get(name)(2, 4), 1.0, (1.0, 0.5), 1.0)
    assert ALL == statuses(proofs)
    assert bound == proofs.bounded_decoder.bound


@pytest.mark.parametrize("name", ["rhn", "indrnn"])
def test_where_the_state_escapes_the_decoder_says_why(name):
    """The reason of the failed bounded-state proof is the decoder's."""
    proof = prove_decoder(cells.get(name)(2, 4), 1.0).bounded_decoder
    assert "inconclusive" == proof.status
    assert "hidden[0]" in proof.reason


def test_an_emission_is_not_judged_through_the_readout_alone():
    """RRU's o is computed by the step: γ is the map through it."""
    proofs = prove_decoder(cells.get("rru")(2, 4), 1.0)
    assert ("inconclusive",) * 3 == statuses(proofs)
    assert "emitted by the step" in proofs.non_saturating.reason


@pytest.mark.parametrize(
    ("readout", "expected"),
    [
        (lambda _, s, h: torch.tanh(s), ("proved", "refuted-abstract", "proved")),
        (
            lambda _, s, h: torch.cat((torch.cos(s), torch.tanh(h))),
            ("proved", "refuted-abstract", "proved"),
        ),
        (lambda _, s, h: torch.cos(30 * s), ("proved", "proved", "refuted-abstract")),
        (lambda _, s, h: torch.cos(s) * h, ("proved", "inconclusive", "inconclusive")),
        (lambda _, s, h: s, ("inconclusive", "proved", "proved")),
        (lambda cell, s, h: cell.weight @ h, ("inconclusive", "inconclusive", "inconclusive")),
        (lambda cell, s, h: torch.sin(cell.weight @ h), ("proved", "inconclusive", "inconclusive")),
        (lambda _, s, h: torch.special.i0e(s), ("inconclusive", "inconclusive", "inconclusive")),
        (lambda _, s, h: torch.cos(s / h), ("inconclusive", "inconclusive", "inconclusive")),
        (lambda _, s, h: torch.cos(s) if bool(h.sum() > 0) else s, ("inconclusive",) * 3),
    ],
)
def test_readouts(readout, expected):
    """Each readout against K = 1, the default window and K′ = 1."""
    proofs = prove_decoder(Reader(readout), 1.0, WINDOW, 1.0)
    assert expected == statuses(proofs)
    for proof in (proofs.bounded_decoder, proofs.non_saturating, proofs.bounded_gradient):
        assert proof.reason or proof.status == "proved"


def test_the_gradient_is_the_one_that_autograd_returns():
    """A detached readout is bounded and has no gradient at all: it saturates."""
    proofs = prove_decoder(Reader(lambda _, s, h: torch.cos(s).detach() + 0 * s), 1.0, WINDOW, 1.0)
    assert ("proved", "refuted-abstract", "proved") == statuses(proofs)
    assert "autograd" in proofs.bounded_gradient.semantics


def test_an_emission_that_is_bounded_is_proved_bounded():
    """The bound over reachable states speaks about emitted fields too."""
    cell = Reader(lambda _, s, h: h, Channels(memory=("memory",), emission=("hidden",)))
    proofs = prove_decoder(cell, 1.0)
    assert ("proved", "inconclusive", "inconclusive") == statuses(proofs)


def test_evidence_is_plain_data():
    """A certificate can hold the proofs: fractions as text, points as hexadecimal floats."""
    proofs = prove_decoder(Reader(lambda _, s, h: torch.tanh(s)), 1.0, WINDOW, 1.0)
    evidence = proofs.non_saturating.evidence()
    assert all(isinstance(end, str) and end.startswith("0x") for end in evidence["window"])
    assert "1" == proofs.bounded_decoder.evidence()["bound"]


def test_substitution_keeps_the_structure():
    """Two units of one γ become the same expression of one variable."""
    arena, shared = Expressions(), Expressions()
    new = shared.leaf("state", "h", 0)
    found = set()
    for i in range(2):
        old = arena.leaf("state", "state", i)
        place = arena.apply("cos", arena.apply("add", old, arena.literal(1.0)))
        found.add(substitute(arena, place, old, shared, new))
    assert 1 == len(found)

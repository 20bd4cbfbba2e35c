"""The catalogue against theory: what the papers and short proofs say of each cell, and what is found.

The table is independent of the cells' own declarations. "grows" is the envelope over parameters: an LSTM's c
and an RRU's h are bounded for each fixed parameter, and their bound is not.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

import cells
from properties import certify

HOLDS = {"tested", "proved"}
SCOPES = ("at-init", "all-weights")


class Theory(NamedTuple):
    """Expected verdicts. A growth law stands where the statement fails; None where it holds.

    ``block``: "live", "dead" or None; ``state`` and ``decoder``: (at-init, all-weights), "either" where
    the draw decides; ``tails``: of γ′ per scope, "holds", "vacuous" or "fails".
    """

    because: str
    block: str | None = None
    state: tuple[str | None, str | None] = (None, None)
    decoder: tuple[str | None, str | None] = (None, None)
    tails: tuple[str, str] = ("holds", "holds")


CONVEX = Theory("h′ is a convex combination of h and something within [−1, 1]")
ENVELOPE = Theory(
    "f, i → 1 gives c_t = t; each fixed θ is bounded; h = o·tanh(c)", state=(None, "linear")
)
DEAD = Theory(
    "the last softmax chunk keeps with weight exactly 1 and writes with exactly 0", block="dead"
)

THEORY = {
    "gato": Theory("s enters additively; |r| ≤ 1/(1−λ); γ = cos", block="live"),
    "gato-2": Theory("as one layer: the increment reads x and r only", block="live"),
    "elman": Theory("|tanh| < 1"),
    "lstm": ENVELOPE,
    "lstm-diag": ENVELOPE,
    "gru": CONVEX,
    "gru-diag": CONVEX,
    "rhn": Theory(
        "r and z are free: h′ = h + 1 where all saturate", state=(None, "linear"), decoder=(None, "linear")
    ),
    "brhn": CONVEX,
    "brhn-diag": CONVEX,
    "eurnn": Theory(
        "U is unitary: an input in phase with it adds up at every step",
        state=("linear", "linear"), decoder=("linear", "linear"),
    ),
    "sru": Theory(
        "a loop gain above 1 through two ReLU layers", state=(None, "geometric"), decoder=(None, "geometric")
    ),
    "rru": Theory(
        "σ(κS) → 1 lets Z⊙c add up; the emission stays bounded by normalization; ∂o/∂h ~ 1/|h|",
        state=(None, "linear"), tails=("vacuous", "fails"),
    ),
    "janet": Theory("σ(β−a) ≤ e^β (1−σ(a)), so |h| ≤ e^β"),
    "mgu": CONVEX,
    "kaf-gru": CONVEX,
    "mogrifier-lstm": Theory("capped: i ≤ 1−f"),
    "nru": Theory(
        "α, β linear in m feed back into m", state=("geometric", "geometric"), decoder=("either", "geometric")
    ),
    "li-gru": Theory(
        "an unbounded candidate that reads h", state=("either", "geometric"), decoder=("either", "geometric")
    ),
    "g-lstm": ENVELOPE,
    "indrnn": Theory(
        "h_t = u^t h_0 with all drives at rest: |u| < 1 at the initialization, and any u > 1 elsewhere",
        state=(None, "geometric"), decoder=(None, "geometric"),
    ),
    "on-lstm": Theory(
        "the last chunk keeps with exactly 1 and writes with exactly 0; where master gates are open, and "
        "f, i → 1, each other unit adds up to 1 per step, as an LSTM's c; h = o·tanh(c)",
        block="dead", state=(None, "linear"),
    ),
}  # fmt: skip
CUMAX = {f"{a}{core}" for a in ("o-", "or-", "om-") for core in ("lstm", "gru")}
GRID = {
    f"{gate}-{core}"
    for gate in ("c", "cr", "cm", "u", "ur", "um", "r", "m")
    for core in ("lstm", "gru")
} | {"lstm-tied"}


def theory(name: str) -> Theory:
    """The expectation of one registered name; the tied gate grid is convex, cumax gates have a dead unit."""
    if name in CUMAX:
        return DEAD
    return CONVEX if name in GRID else THEORY[name]


def check_line(found, expected, laws=True):
    """One line against an expected growth law, or None for "holds"."""
    if expected == "either":
        assert found.status in HOLDS | {"falsified"}, found.reason
    elif expected is None:
        assert found.status in HOLDS, found.reason
    else:
        assert found.status == "falsified", found.reason
        if laws:
            assert found.law == expected, found.reason


@pytest.mark.parametrize("name", cells.names())
def test_verdicts_agree_with_theory(name):
    """Every verdict of a registered cell is the one its equations imply, in both scopes."""
    expected = theory(name)
    certificate = certify(name)
    assert certificate.exit_status == 0, certificate.statement
    for place, scope in enumerate(SCOPES):
        line = {r.property: r for r in certificate.results if r.scope == scope}
        assert line["well-posed"].status in HOLDS
        assert (line["identity-block"].status in HOLDS) == (expected.block is not None)
        memory = line["writable-memory"].status
        if expected.block is None:
            assert memory == "not-applicable"
        else:
            assert (memory in HOLDS) == (expected.block == "live")
        check_line(line["bounded-state"], expected.state[place])
        check_line(line["bounded-decoder"], expected.decoder[place])
        assert line["bounded-decoder-gradient"].status in HOLDS
        tails = {"holds": HOLDS, "vacuous": {"not-applicable"}, "fails": {"falsified"}}
        assert line["non-saturating"].status in tails[expected.tails[place]], line[
            "non-saturating"
        ].reason


@pytest.mark.parametrize("lam", [0.5, 0.7, 0.9])
def test_gato_reaches_its_bound(lam):
    """The measured supremum lies within 1 % below 1/(1−λ), and never above."""
    from functools import partial

    found = certify(partial(cells.get("gato"), lam=lam), only=["bounded-state"])
    supremum = found.verdict("bounded-state").evidence["supremum"]
    assert 0.99 / (1 - lam) <= supremum <= (1 + 1e-9) / (1 - lam)


@pytest.mark.parametrize("mode", ["zero", "no_residual"])
def test_the_ablations_lose_the_block(mode):
    """Without the residual carry ∂s_T/∂s_t is 0, and the certificate shows it."""
    from functools import partial

    found = certify(
        partial(cells.get("gato"), s_mode=mode), only=["identity-block", "bounded-state"]
    )
    for scope in SCOPES:
        assert found.verdict("identity-block", scope).status == "falsified"
        assert found.verdict("identity-block", scope).declared == "denies"
        assert found.verdict("bounded-state", scope).status in HOLDS


def test_the_moving_average_with_alpha_1_is_a_dead_block():
    """μ^(1) never changes: an identity block, and no memory."""
    from functools import partial

    frozen = partial(cells.get("sru"), alphas=(0.0, 0.5, 1.0), allow_frozen=True)
    found = certify(frozen, only=["identity-block", "writable-memory"])
    for scope in SCOPES:
        assert found.verdict("identity-block", scope).status in HOLDS
        assert found.verdict("writable-memory", scope).status == "falsified"
    assert found.exit_status == 0


def test_every_name_has_an_expectation():
    """A new cell needs a line here, and a line needs a cell; no name is expected by its ending."""
    assert set(cells.names()) == THEORY.keys() | GRID | CUMAX
    assert not THEORY.keys() & (GRID | CUMAX)

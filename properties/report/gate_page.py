"""What the page about gates shows: tables of gradients and of initial distributions, and what follows.

Everything is computed; the numbers depend on torch's generator alone, and are printed with so few digits
that platforms agree.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence

import cells
from cells.parts.gates import GRID, Gate
from properties.core.effective_gate import EffectiveGate, effective_gates
from properties.core.initial_gates import InitialGate, initial_gates
from properties.core.saturation import EPSILONS, SIDES, Level, decay, levels
from properties.core.subject import Subject

UNITS = 8
SEED = 0

Curves = Mapping[str, tuple[Level, ...]]


def gates() -> dict[str, EffectiveGate]:
    """The gates of the page; the refine gate starts at 1/2, so that the path from zero favors no side."""
    made = {
        "sigmoid": Gate(UNITS),
        "refine": Gate(UNITS, auxiliary="refine", refine_bias="zero"),
        "master": Gate(UNITS, auxiliary="master"),
        "cumax": Gate(UNITS, primary="cumax"),
        "cumax, refine": Gate(UNITS, primary="cumax", auxiliary="refine", refine_bias="zero"),
        "cumax, master": Gate(UNITS, primary="cumax", auxiliary="master"),
    }
    found = {name: EffectiveGate(name, gate.blocks, gate.double()) for name, gate in made.items()}
    (kernel,) = effective_gates(cells.get("kaf-gru")(1, UNITS).double())
    return found | {"kernel activation": kernel}


def power(epsilon: float) -> str:
    """A power of ten as a reader writes it: 10⁻³."""
    return f"10⁻{'⁰¹²³⁴⁵⁶⁷⁸⁹'[-round(math.log10(epsilon))]}"


@functools.cache
def curves() -> Curves:
    """Every gate of the page, measured."""
    return {name: levels(gate, SEED) for name, gate in gates().items()}


@functools.cache
def distributions() -> dict[str, InitialGate]:
    """The twelve gates of the grid in the tied LSTM, as initialized."""
    names = [f"{letters}-lstm" if letters else "lstm-tied" for letters in GRID]
    return {name: initial_gates(Subject(name, sizes=[(1, 64)]), SEED)[0] for name in names}


def at(found: Sequence[Level], side: str, epsilon: float) -> Level | None:
    """The level at one distance on one side, if the gate reaches it."""
    same = (v for v in found if v.side == side and math.isclose(v.epsilon, epsilon))
    return next(same, None)


def gradients(side: str) -> str:
    """Table of one side: a sigmoid's gradient, then for each gate how many times that it passes."""
    head = ["near " + side, *(f"ε = {power(e)}" for e in EPSILONS)]
    rows = [["ε(1 − ε), a sigmoid's gradient", *(f"{e * (1 - e):.2e}" for e in EPSILONS)]]
    for name, found in curves().items():
        row = [name]
        for epsilon in EPSILONS:
            level = at(found, side, epsilon)
            row.append("–" if level is None else f"{level.most:.2f} ({_climbed(level)})")
        rows.append(row)
    return _table(head, rows)


def initializations() -> str:
    """Table of the distributions at the initialization."""
    head = ["cell", "least", "median", "largest", "KS to U(0, 1)", "stated law", "KS to it", "p"]
    rows = []
    for name, gate in distributions().items():
        plain = gate.to_json()
        numbers = [f"{plain[k]:.3f}" for k in ("least", "median", "largest")]
        law = ["none", "", ""]
        if gate.law is not None and gate.stated is not None:
            law = [gate.law, f"{gate.stated[0]:.3f}", f"{gate.stated[1]:.2f}"]
        rows.append([f"`{name}`", *numbers, f"{gate.uniform[0]:.3f}", *law])
    return _table(head, rows)


def conclusion() -> str:
    """What the numbers say, in sentences that change when the numbers do."""
    last = EPSILONS[-1]
    said = []
    for side in SIDES:
        ratio = {name: at(found, side, last) for name, found in curves().items()}
        refine, master = ratio["refine"], ratio["master"]
        if refine is None or master is None:
            said.append(f"Near {side}, not every gate comes within {power(last)}.")
            continue
        more = [
            f"the {name}"
            for name, other in (("sigmoid", 1.0), ("master gate", master.most))
            if refine.most > 1.01 * other
        ]
        verdict = f"more than {' and '.join(more)}" if more else "no more than the others"
        verdict += "" if len(more) != 1 else ", and no more than the master gate"
        said.append(
            f"Within {power(last)} of {side} the refine gate passes up to {refine.most:.2f} times the "
            f"gradient of a sigmoid ({_climbed(refine)} on the path of gradient ascent), the master gate up "
            f"to {master.most:.2f} ({_climbed(master)}): {verdict}."
        )
    refine_rate, sigmoid_rate = (decay(curves()[name], "open") for name in ("refine", "sigmoid"))
    same = abs(refine_rate - sigmoid_rate) < 0.05
    said.append(
        f"Toward open the largest gradient shrinks like ε to the power {refine_rate:.2f} with the refine "
        f"gate and {sigmoid_rate:.2f} with the sigmoid: what it gains is "
        f"{'a factor, not another law' if same else 'more than a factor'}."
    )
    drawn = distributions()
    for name in ("u-lstm", "ur-lstm"):
        gate = drawn[name]
        uniform = gate.uniform[1] >= 0.01
        said.append(
            f"At the initialization the gate of `{name}` {'cannot be told from' if uniform else 'is not'} "
            f"uniform (Kolmogorov–Smirnov statistic {gate.uniform[0]:.3f} of {len(gate.values)} values)."
        )
    return "\n".join(f"- {one}" for one in said)


def _climbed(level: Level) -> str:
    return "–" if level.ascent is None else f"{level.ascent:.2f}"


def block() -> str:
    """The generated part of the page."""
    return "\n\n".join((gradients("open"), gradients("shut"), conclusion(), initializations()))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

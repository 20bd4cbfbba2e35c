"""The decoder properties of a cell's readout: γ taken apart into the scalar functions it consists of.

A readout that applies a nonlinearity to every unit is, scalar by scalar, a function of one state scalar;
equal functions are judged once. Where γ is unbounded over the line, as an identity readout is, the bound
sought is the one over the states that the step can reach: what ``bounded-state`` proves of the fields read.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import torch

from cells.core.protocol import describe
from properties.proofs.bounded_state import prove_bounded_state
from properties.proofs.expression import Expressions
from properties.proofs.gamma import LINE, ScalarMap, prove_bound, prove_non_saturating, worst
from properties.proofs.gamma_rules import WholeLine
from properties.proofs.lowering import Lowered, TooLarge, lower
from properties.proofs.ranges import Range
from properties.proofs.result import AUTOGRAD, EXACT, DecoderProof, ratio
from properties.proofs.trace import ReadoutTrace, StepTrace, TraceRefused, trace_readout

REACHABLE = "states that the step can reach, all weights, all inputs, sizes as built"
_WHOLE = "γ over the whole line, all weights, sizes as built"


@dataclass(frozen=True, slots=True)
class DecoderProofs:
    """What is known of ``bounded-decoder``, ``non-saturating`` and ``bounded-decoder-gradient``."""

    bounded_decoder: DecoderProof
    non_saturating: DecoderProof
    bounded_gradient: DecoderProof


def prove_decoder(
    cell: Any,
    bound: float | None = None,
    window: tuple[float, float] | None = None,
    gradient_bound: float | None = None,
    *,
    readout: ReadoutTrace | None = None,
    step: StepTrace | None = None,
) -> DecoderProofs:
    """Decide the three properties of ``cell.readout`` for all weights.

    ``bound``: K; ``window``: (L, δ); ``gradient_bound``: K′, as claimed, None where there is no number.
    ``readout`` and ``step``: traces, made here where absent. A γ that reads several scalars at once, or an
    emission field, of which γ is the map through a whole step, is ``inconclusive`` where a bound over
    the whole line does not settle it.
    """
    try:
        gammas = _Gammas(readout or trace_readout(cell))
    except (TraceRefused, TooLarge) as refusal:
        refused = DecoderProof(
            "inconclusive", EXACT, _WHOLE, "none", reason=f"not traced: {refusal}"
        )
        return DecoderProofs(refused, refused, refused)
    emission = _emission_read(cell, gammas)
    if emission:
        why = f"{emission} is emitted by the step: γ is the map through it, not the readout alone"
        blank = DecoderProof("inconclusive", AUTOGRAD, _WHOLE, "none", reason=why)
        return DecoderProofs(_bounded(cell, gammas, bound, step), blank, blank)
    return DecoderProofs(
        _bounded(cell, gammas, bound, step),
        _judged(gammas, lambda g: prove_non_saturating(g, window)),
        _judged(gammas, lambda g: prove_bound(g, g.derivative, gradient_bound, AUTOGRAD)),
    )


@dataclass(frozen=True, slots=True)
class _Output:
    """One readout scalar: its place, the state scalars it reads, and whether it reads anything else."""

    index: int
    place: int
    reads: tuple[int, ...]
    alone: bool


class _Gammas:
    """A readout's scalars, and the distinct scalar functions among them."""

    def __init__(self, trace: ReadoutTrace) -> None:
        self.trace = trace
        self._lowered: dict[int | None, Lowered] = {}
        self.lowered: Lowered = lower(trace.forward)
        self.arena = self.lowered.arena
        flat = self.lowered.outputs[0].reshape(-1).tolist()
        self.outputs = [self._output(i, place) for i, place in enumerate(flat)]

    def _output(self, index: int, place: int) -> _Output:
        leaves = self.arena.leaves([place])
        reads = [p for p in leaves if self.arena[p].data[0] == "state"]
        return _Output(index, place, tuple(reads), len(reads) == 1 == len(leaves))

    def fields(self) -> set[str]:
        """The state's fields that the readout reads."""
        indices = {int(self.arena[p].data[2]) for o in self.outputs for p in o.reads}
        return {
            f.name
            for f in self.trace.layout.fields
            if indices & set(self.trace.layout.indices(f.name))
        }

    def distinct(self) -> list[ScalarMap]:
        """The scalar functions, each once, with the derivatives that autograd returns."""
        shared = Expressions()
        leaf = shared.leaf("state", "h", 0)
        found: dict[tuple[int, int], ScalarMap] = {}
        for output in self.outputs:
            if not output.alone:
                continue
            value = substitute(self.arena, output.place, output.reads[0], shared, leaf)
            # not skipped where the value is known already: a detached copy has another derivative
            derivative = self._derivative(output, shared, leaf)
            found.setdefault((value, derivative), ScalarMap(shared, leaf, value, derivative))
        return list(found.values())

    def _derivative(self, output: _Output, shared: Expressions, leaf: int) -> int:
        lowered = self._backward(None if self._apart else output.index)
        index = int(self.arena[output.reads[0]].data[2])
        place = int(lowered.outputs[0].reshape(-1)[index])
        old = lowered.arena.leaf("state", "state", index)
        return substitute(lowered.arena, place, old, shared, leaf)

    @functools.cached_property
    def _apart(self) -> bool:
        """Whether every state scalar is read by one output: then one cotangent of ones serves them all."""
        reads = [place for output in self.outputs for place in output.reads]
        return len(reads) == len(set(reads))

    def _backward(self, index: int | None) -> Lowered:
        """The backward graph for output ``index`` alone, or for all of them at once."""
        if index not in self._lowered:
            shape = self.trace.forward.outputs[0].shape
            cotangent = torch.ones(math.prod(shape), dtype=torch.float64)
            if index is not None:
                cotangent = torch.zeros_like(cotangent)
                cotangent[index] = 1
            given = {"readout": cotangent.reshape(shape)}
            self._lowered[index] = lower(self.trace.backward, None, given)
        return self._lowered[index]


def substitute(arena: Expressions, place: int, old: int, target: Expressions, new: int) -> int:
    """Copy the expression at ``place`` into ``target`` with the leaf ``old`` replaced by ``new`` there."""
    copies: dict[int, int] = {}
    for p in arena.cone([place]):
        node = arena[p]
        copies[p] = (
            new
            if p == old
            else target.apply(node.op, *(copies[a] for a in node.args), data=node.data)
        )
    return copies[place]


def _emission_read(cell: Any, gammas: _Gammas) -> str:
    channels = describe(cell).channels
    names = gammas.fields() & set(channels.emission) if channels is not None else set()
    return ", ".join(sorted(names))


def _judged(gammas: _Gammas, prove: Any) -> DecoderProof:
    if not all(o.alone for o in gammas.outputs):
        reason = (
            "γ reads several state scalars or weights at once; only functions of one are judged"
        )
        return DecoderProof("inconclusive", AUTOGRAD, _WHOLE, "none", reason=reason)
    return replace(worst([prove(g) for g in gammas.distinct()]), scope=_WHOLE)


def _bounded(
    cell: Any, gammas: _Gammas, bound: float | None, step: StepTrace | None
) -> DecoderProof:
    """The supremum of |γ| over the line, or over the reachable states where the line gives nothing."""
    claimed = None if bound is None else str(Fraction(bound))
    blank = DecoderProof("inconclusive", EXACT, _WHOLE, "range", claimed=claimed)
    places = [o.place for o in gammas.outputs]
    unknown = gammas.arena.unknown(places)
    if unknown:
        return replace(
            blank, reason=f"no rule for the operations {gammas.trace.forward.named(unknown)}"
        )
    size, problem = _size(gammas.arena, places, {})
    if problem:
        return replace(blank, reason=problem)
    if not math.isinf(size) and (bound is None or Fraction(size) <= Fraction(bound)):
        return replace(blank, status="proved", bound=ratio(Fraction(size)))
    blank = replace(blank, scope=REACHABLE, bound=None)
    ranges, reason, assumptions = _reachable(cell, gammas, step)
    size, _ = _size(gammas.arena, places, ranges)
    if math.isinf(size):
        whole = f"γ has no bound over {LINE}"
        return replace(blank, reason=f"{whole}, and of the states: {reason}" if reason else whole)
    proof = replace(blank, bound=ratio(Fraction(size)), assumptions=assumptions)
    if bound is None or float(size) <= bound:
        return replace(proof, status="proved", method="range and vertex")
    return replace(proof, reason=f"the bound found is {float(size):.6g}, the claim {bound:.6g}")


def _size(arena: Expressions, places: Iterable[int], known: dict[int, Range]) -> tuple[Any, str]:
    domain = WholeLine(arena, known)
    size = max((domain.at(p).magnitude for p in places), default=Fraction(0))
    return size, domain.unproved[0] if domain.unproved else ""


def _reachable(
    cell: Any, gammas: _Gammas, step: StepTrace | None
) -> tuple[dict[int, Range], str, tuple[str, ...]]:
    """Ranges of the state's leaves: each field on its own if possible, else with the recurrent part."""
    channels = describe(cell).channels
    recurrent = channels.recurrent if channels is not None else ()
    ranges: dict[int, Range] = {}
    reasons: list[str] = []
    assumptions: tuple[str, ...] = ()
    for name in sorted(gammas.fields()):
        candidates = [(name,)] + ([recurrent] if name in recurrent and len(recurrent) > 1 else [])
        proofs = [prove_bounded_state(cell, fields, trace=step) for fields in candidates]
        proved = [p for p in proofs if p.status == "proved" and p.bound is not None]
        if not proved:
            reasons.append(proofs[-1].reason)
            continue
        radius = min(p.bound for p in proved if p.bound is not None)
        assumptions = proved[0].assumptions
        for i in gammas.trace.layout.indices(name):
            ranges[gammas.arena.leaf("state", "state", i)] = Range(-radius, radius)
    return ranges, "; ".join(reasons), assumptions

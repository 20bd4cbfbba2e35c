"""bounded-decoder: the readout γ is bounded (GATO criterion 2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from properties.core import line
from properties.core.context import Bench, Context
from properties.core.decoder_proof import decoder_proof
from properties.core.desideratum import Finding, Property
from properties.core.engine import Engine
from properties.core.growth_script import growth_lines
from properties.core.proof import Proof
from properties.core.rollout import SHORTEST, Magnitudes, adversarial_draws, boundedness, long_law
from properties.core.sampling import LARGEST_INPUT, Regime
from properties.core.search import Evaluate, Margins, Outcome, search
from properties.core.verdict import Status
from properties.core.witness import Draws, Witness
from properties.desiderata.bounded_state import start

_ADVERSARIAL_SEED = 1


def on_the_line(context: Context, engine: Engine, draws: Draws, bound: float | None) -> Margins:
    """Margins of sup |γ| over states of every scale; without a bound, of its growth with the scale."""
    values = engine.readouts(draws, line.points(draws)).abs().amax(-1)
    sup = line.by_scale(values)
    observed = torch.nan_to_num(sup.amax(-1), nan=torch.inf).double()
    if bound is not None:
        margin = bound * (1 + context.tolerance.bound) - observed
        required = torch.full_like(observed, bound)
    else:
        margin = torch.where(line.grows(sup), -1.0, 1.0).double()
        required = torch.full_like(observed, torch.inf)
    return Margins(margin, observed, required, lambda i: f"|γ| reaches {float(observed[i]):.6g}")


def judge(context: Context, scope: str) -> Finding:
    """First the whole line; where γ is unbounded there, the states that rollouts reach."""
    claim = context.subject.description.claim("bounded-decoder", scope)
    bound = claim.bound if claim else None
    bench = context.standard
    if not line.emits(context, bench):
        seed = context.derive("line", scope)
        draws = context.draws(Regime(bench.size, 1, seed), scope, min(24, context.count))
        margins = on_the_line(context, bench.engine, draws, bound)
        if bool((margins.margin >= 0).all()):
            reason = f"sup |γ| = {float(margins.observed.max()):.6g} over the whole line"
            quantifiers = {
                "parameters": scope,
                "states": "0 and ±1e-4 … 1e7",
                "sizes": [list(bench.size)],
            }
            evidence = {
                "domain": "whole line", "bound": bound, "supremum": float(margins.observed.max()),
                "law": "bounded", "slope": 0.0,
            }  # fmt: skip
            count = len(draws) * line.points(draws).shape[1]
            return Finding(Status.TESTED, reason, quantifiers, count, 0, evidence)
    return _reachable(context, scope, bound)


def _reachable(context: Context, scope: str, bound: float | None) -> Finding:
    kinds = start(context, scope)
    horizon = context.horizon(context.profile.horizon)
    confirm = context.profile.confirm

    def magnitudes(engine: Engine, draws: Draws) -> Tensor:
        states = engine.trajectories(draws).transpose(0, 1)
        return engine.readouts(draws, states).abs().amax(-1).transpose(0, 1)

    def units(bench: Bench) -> Tensor:
        return torch.ones(bench.layout.size, dtype=context.subject.dtype)

    def evaluate(bench: Bench, engine: Engine, draws: Draws, *, replay: bool = True) -> Margins:
        return boundedness(
            context, engine, draws, magnitudes, units(bench),
            bound=bound, confirm=confirm, replay=replay, what="γ",
        )  # fmt: skip

    def make(regime: Regime) -> Draws:
        if regime.seed == _ADVERSARIAL_SEED:
            mask = units(context.bench(regime.size))
            return adversarial_draws(context, regime, scope, mask, **kinds)
        return context.draws(regime, scope, **kinds)

    outcome = _same_case(context, scope, evaluate)
    if outcome is not None:
        return _reachable_finding(context, scope, outcome, bound, kinds, magnitudes)
    standard = context.subject.standard_size
    outcome = search(
        context, "bounded-decoder", scope, evaluate, longest=horizon,
        shortest=1 if bound is not None else min(SHORTEST, horizon),
        explicit=(
            Regime(standard, horizon, context.derive("reach", scope)),
            Regime(standard, min(horizon, 96), _ADVERSARIAL_SEED),
        ),
        make=make, fast=lambda bench, engine, draws: evaluate(bench, engine, draws, replay=False),
        tentative=bound is None,
    )  # fmt: skip
    return _reachable_finding(context, scope, outcome, bound, kinds, magnitudes)


def _same_case(context: Context, scope: str, evaluate: Evaluate) -> Outcome | None:
    """What broke ``bounded-state`` often breaks this too: its witness is tried before any search."""
    found = context.notes.get(("witness", "bounded-state", scope))
    if not isinstance(found, Witness):
        return None
    case = found.draws
    bench = context.bench((case.input_size, case.hidden_size))
    margins = evaluate(bench, bench.real, case)
    if not float(margins.margin[0]) < 0:
        return None
    witness = Witness(
        case, float(margins.observed[0]), float(margins.required[0]), margins.sentence(0)
    )
    size = {(case.input_size, case.hidden_size)}
    return Outcome(0, 0, witness.observed, witness, 0, witness.horizon, size)


def _reachable_finding(
    context: Context,
    scope: str,
    outcome: Outcome,
    bound: float | None,
    kinds: dict[str, Any],
    magnitudes: Magnitudes,
) -> Finding:
    law = None
    if outcome.witness is not None:
        case = outcome.witness.draws
        bench = context.bench((case.input_size, case.hidden_size))
        everything = torch.ones(bench.layout.size, dtype=context.subject.dtype)
        # without a bound the witness's replay, the last evaluation made, has read its law already
        law = (
            context.notes["replayed law"]
            if bound is None
            else long_law(context, bench, case, magnitudes, everything)
        )
    supremum = outcome.extreme
    evidence = {
        "domain": "reachable states", "bound": bound,
        "supremum": supremum if supremum < float("inf") else "infinity",
        "law": law.law if law else "bounded",
        "slope": law.slope if law else 0.0,
    }  # fmt: skip
    box = f"the box of radius {kinds['radius']:g}" if kinds["radius"] else "normal ones"
    quantifiers = {
        "parameters": scope,
        "inputs": f"|x| ≤ {LARGEST_INPUT.get(scope, 1.0):g}, every kind",
        "states": f"reached from the cell's own and {box}",
        "horizon": f"1 … {outcome.horizon}",
        "sizes": sorted(list(s) for s in outcome.sizes),
    }
    counts = (outcome.passed, outcome.discarded)
    if outcome.witness is not None:
        return Finding(
            Status.FALSIFIED,
            outcome.witness.sentence,
            quantifiers,
            *counts,
            evidence,
            outcome.witness,
        )
    if outcome.unconfirmed:
        reason = (
            f"{outcome.unconfirmed} violations in the batch were not confirmed on the real cell"
        )
        return Finding(Status.INCONCLUSIVE, reason, quantifiers, *counts, evidence)
    reason = f"sup |γ| = {supremum:.6g} over the states reached"
    return Finding(Status.TESTED, reason, quantifiers, *counts, evidence)


def prove(context: Context, scope: str) -> Proof | None:
    """γ by ranges, periods and balls, for all weights."""
    return decoder_proof(context, scope, "bounded_decoder")


def reproduce(context: Context, witness: Witness) -> list[str]:
    """Lines of a script that print |γ| along the rollout."""
    bench = context.bench((witness.draws.input_size, witness.draws.hidden_size))
    return [
        "def magnitude(flat):",
        "    return readout(flat).abs().max()",
        *growth_lines(context, witness, "magnitude", "readout", torch.ones(bench.layout.size)),
    ]


PROPERTY = Property(
    key="bounded-decoder",
    title="bounded decoder",
    statement=(
        "sup |γ| ≤ K over every state of any size; where γ is unbounded on the whole line (γ the identity, "
        "say), over every state that a rollout in scope reaches."
    ),
    source="GATO section 3, criterion 2",
    order=30,
    judge=judge,
    prove=prove,
    after=("bounded-state",),
    semantics=("F",),
    reproduce=reproduce,
)

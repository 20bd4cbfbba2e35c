"""bounded-decoder-gradient: sup |γ′| ≤ K′, the derivative taken by autograd (GATO criterion 4)."""

from __future__ import annotations

import torch

from properties.core import line
from properties.core.context import Bench, Context
from properties.core.decoder_proof import decoder_proof
from properties.core.desideratum import Finding, Property
from properties.core.engine import Engine
from properties.core.proof import Proof
from properties.core.sampling import Regime
from properties.core.search import Margins, search
from properties.core.verdict import Status
from properties.core.witness import Draws, Witness


def judge(context: Context, scope: str) -> Finding:
    """Search states of every scale; without a claimed K′, for growth with the scale."""
    claim = context.subject.description.claim("bounded-decoder-gradient", scope)
    bound = claim.bound if claim else None

    def evaluate(bench: Bench, engine: Engine, draws: Draws) -> Margins:
        at = draws.extra["points"]
        slopes = engine.slopes(draws, at, emitted=line.emits(context, bench))
        magnitude = slopes.abs().amax((-1, -2))  # (N, P)
        observed = torch.nan_to_num(magnitude.amax(-1), nan=torch.inf).double()
        if bound is not None:
            margin = bound * (1 + context.tolerance.bound) - observed
            required = torch.full_like(observed, bound)
        else:
            grown = line.grows(line.by_scale(magnitude))
            margin = torch.where(grown, -1.0, 1.0).double()
            required = torch.full_like(observed, torch.inf)

        def sentence(i: int) -> str:
            where = at[i, int(torch.nan_to_num(magnitude[i], nan=torch.inf).argmax())].abs().max()
            limit = (
                f"above the claimed {bound:g}" if bound is not None else "and grows with the state"
            )
            return f"|γ′| = {float(observed[i]):.6g} at a state of size {float(where):.6g}, {limit}"

        return Margins(margin, observed, required, sentence)

    def make(regime: Regime) -> Draws:
        draws = context.draws(regime, scope, min(16, context.count))
        return draws.replace(extra={"points": _jittered(draws, regime.seed)})

    outcome = search(
        context, "bounded-decoder-gradient", scope, evaluate, longest=1,
        explicit=(Regime(context.subject.standard_size, 1, 0),), make=make,
    )  # fmt: skip
    quantifiers = {
        "parameters": scope,
        "states": "0 and ±1e-4 … 1e7",
        "sizes": sorted(list(s) for s in outcome.sizes),
    }
    map_ = "old state to emission" if line.emits(context, context.standard) else "state to readout"
    supremum = outcome.extreme
    evidence = {
        "bound": bound,
        "supremum": supremum if supremum < float("inf") else "infinity",
        "map": map_,
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
    reason = f"sup |γ′| = {supremum:.6g}" + (
        "" if bound is not None else " (inferred, none claimed)"
    )
    return Finding(Status.TESTED, reason, quantifiers, *counts, evidence)


def _jittered(draws: Draws, seed: int) -> torch.Tensor:
    """The points of the line, each scaled by a random factor so that no zero of γ′ is always hit."""
    at = line.points(draws)
    generator = torch.Generator().manual_seed(seed)
    factor = 0.5 + torch.rand(len(draws), at.shape[1], 1, generator=generator, dtype=torch.float64)
    return (at.double() * factor).to(at.dtype)


def prove(context: Context, scope: str) -> Proof | None:
    """γ by ranges, periods and balls, for all weights."""
    return decoder_proof(context, scope, "bounded_gradient")


def reproduce(context: Context, witness: Witness) -> list[str]:
    """Lines of a script that evaluate γ′ at the worst state."""
    draws = witness.draws
    bench = context.bench((draws.input_size, draws.hidden_size))
    emits = line.emits(context, bench)
    slopes = bench.real.slopes(draws, draws.extra["points"], emitted=emits)
    sizes = torch.nan_to_num(slopes[0].abs().amax((-1, -2)), nan=torch.inf)
    worst = draws.extra["points"][0][int(sizes.argmax())]
    function = "emitted" if emits else "readout"
    lines = [
        "def slope(point):",
        f"    return float(torch.autograd.functional.jacobian({function}, point).abs().max())",
        f"POINT = torch.tensor({worst.tolist()}, dtype=STATE.dtype)  # a state",
        "there = slope(POINT)",
        "print('max |d readout / d state| there:', there)",
    ]
    if witness.required < float("inf"):
        slack = 1 + context.tolerance.bound
        return [*lines, f"broken = not there <= {witness.required!r} * {slack!r}  # up to rounding"]
    return [
        *lines,
        "near = max(slope(POINT * 10.0**-k) for k in range(3, 9))",
        "print('the largest on the way there, up to a thousandth of it:', near)",
        "broken = not there <= 4 * max(near, 1e-12)",
    ]


PROPERTY = Property(
    key="bounded-decoder-gradient",
    title="bounded decoder gradient",
    statement=(
        "sup |∂γ/∂state| ≤ K′ over states of any size, as autograd computes it; for a cell that emits, γ is "
        "the map from the old state through one step to the emission."
    ),
    source="GATO section 3, criterion 4",
    order=50,
    judge=judge,
    prove=prove,
    semantics=("A",),
    reproduce=reproduce,
)

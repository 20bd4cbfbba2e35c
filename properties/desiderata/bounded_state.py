"""bounded-state: the recurrent part stays within M for all t (GATO criterion 5)."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from properties.core.context import Bench, Context
from properties.core.desideratum import Finding, Property
from properties.core.engine import Engine
from properties.core.growth_script import growth_lines
from properties.core.proof import Proof, attempt
from properties.core.rollout import SHORTEST, adversarial_draws, boundedness, long_law
from properties.core.sampling import INPUT_KINDS, LARGEST_INPUT, Regime
from properties.core.search import Margins, search
from properties.core.verdict import Status
from properties.core.witness import Draws, Witness
from properties.desiderata.identity_block import block_of
from properties.proofs.result import StateProof
from properties.proofs.saturation import Saturation

_ADVERSARIAL_SEED = 1  # regimes with this seed get adversarial inputs
_CORNER_SEED = 2  # and with this one the weights that a failed proof suggests


def recurrent_mask(context: Context, bench: Bench) -> Tensor:
    """A 0/1 mask of what the next update reads, the identity block left out."""
    return context.recurrent(bench, block_of(context, bench.size))


def start(context: Context, scope: str, key: str = "bounded-state") -> dict[str, Any]:
    """Where initial states are drawn: in the box of the claim, else normal of scale 0 and 1."""
    claim = context.subject.description.claim(key, scope)
    radius = None if claim is None else claim.radius or claim.bound
    return {"radius": radius, "state_scales": (0.0, 1.0)}


def judge(context: Context, scope: str) -> Finding:
    """Search rollouts for a state above the claimed bound, or for growth that never settles."""
    claim = context.subject.description.claim("bounded-state", scope)
    bound = claim.bound if claim else None
    kinds = start(context, scope)
    horizon = context.horizon(context.profile.horizon)
    reached = [0.0]
    confirm = context.profile.confirm
    proof = attempt(context, "bounded-state", scope, prove)
    # where rounding alone is proved to pass the claim, every excess counts
    exceeded = proof is not None and bool(proof.evidence.get("rounding_exceeds_claim"))
    slack = 0.0 if exceeded else None

    def magnitudes(bench: Bench, engine: Engine, draws: Draws) -> Tensor:
        mask = recurrent_mask(context, bench)
        # not a product with the mask: a memory that overflows would make 0·∞ of the recurrent part
        states = torch.where(mask > 0, engine.trajectories(draws), 0.0).abs().amax(-1)
        own = (draws.state == bench.initial).all(-1)
        finite = states[:, own]
        if finite.numel():
            reached[0] = max(reached[0], float(torch.nan_to_num(finite, nan=torch.inf).max()))
        return states

    def evaluate(bench: Bench, engine: Engine, draws: Draws, *, replay: bool = True) -> Margins:
        return boundedness(
            context, engine, draws, lambda e, d: magnitudes(bench, e, d),
            recurrent_mask(context, bench), bound=bound, confirm=confirm, replay=replay,
            what="recurrent part", slack=slack,
        )  # fmt: skip

    def make(regime: Regime) -> Draws:
        corner = context.notes.get("corner")
        if regime.seed == _CORNER_SEED and corner is not None and corner[0] == regime.size:
            return _corner_draws(context, regime, corner[1])
        if regime.seed == _ADVERSARIAL_SEED:
            mask = recurrent_mask(context, context.bench(regime.size))
            return adversarial_draws(context, regime, scope, mask, **kinds)
        return context.draws(regime, scope, **kinds)

    if not bool(recurrent_mask(context, context.standard).any()):
        reason = "the whole state is an identity block: nothing is read back"
        return Finding(Status.NOT_APPLICABLE, f"vacuous: {reason}" if claim else reason)
    standard = context.subject.standard_size
    shortest = 1 if bound is not None else min(SHORTEST, horizon)
    explicit = [
        Regime(standard, horizon, context.derive("bounded", scope)),
        Regime(standard, min(horizon, 96), _ADVERSARIAL_SEED),
        Regime(context.subject.sizes[0], horizon * min(confirm, 4), context.derive("long", scope)),
    ]
    corner = context.notes.get("corner")
    if scope == "all-weights" and corner is not None:
        explicit.insert(0, Regime(corner[0], horizon, _CORNER_SEED))
    outcome = search(
        context, "bounded-state", scope, evaluate,
        longest=horizon, shortest=shortest, explicit=tuple(explicit), make=make,
        fast=lambda bench, engine, draws: evaluate(bench, engine, draws, replay=False),
        tentative=bound is None,
    )  # fmt: skip
    law = None
    if outcome.witness is not None:
        case = outcome.witness.draws
        bench = context.bench((case.input_size, case.hidden_size))
        # without a bound the witness's replay, the last evaluation made, has read its law already
        law = (
            context.notes["replayed law"]
            if bound is None
            else long_law(
                context,
                bench,
                case,
                lambda e, d: magnitudes(bench, e, d),
                recurrent_mask(context, bench),
            )
        )
    evidence: dict[str, Any] = {
        "law": law.law if law else "bounded",
        "slope": law.slope if law else 0.0,
        "supremum": _finite(reached[0]),
        "bound": bound,
        "horizon": outcome.horizon,
    }
    box = f"the box of radius {kinds['radius']:g}" if kinds["radius"] else "normal ones"
    quantifiers = {
        "parameters": scope,
        "inputs": f"|x| ≤ {LARGEST_INPUT.get(scope, 1.0):g}: {', '.join(INPUT_KINDS)}, adversarial",
        "states": f"the cell's own and {box}",
        "horizon": f"1 … {outcome.horizon}",
        "sizes": sorted(list(s) for s in outcome.sizes),
    }
    if outcome.witness is not None:
        return Finding(
            Status.FALSIFIED, outcome.witness.sentence, quantifiers, outcome.passed,
            outcome.discarded, evidence, outcome.witness,
        )  # fmt: skip
    if outcome.unconfirmed:
        reason = (
            f"{outcome.unconfirmed} violations in the batch were not confirmed on the real cell"
        )
        return Finding(
            Status.INCONCLUSIVE, reason, quantifiers, outcome.passed, outcome.discarded, evidence
        )
    reason = f"law bounded, supremum seen {reached[0]:.6g}" + (f" of {bound:.6g}" if bound else "")
    return Finding(Status.TESTED, reason, quantifiers, outcome.passed, outcome.discarded, evidence)


def _corner_draws(context: Context, regime: Regime, corner: Saturation) -> Draws:
    """The saturating weights of a failed proof under their constant input, from the initial state."""
    bench = context.bench(regime.size)
    dtype = context.subject.dtype
    named = {k: corner.parameters[k].to(dtype).unsqueeze(0) for k in bench.sampler.pool}
    x = corner.x.to(dtype).expand(regime.horizon, 1, -1).clone()
    kinds = ("corner of the failed proof, constant input",)
    return Draws(*regime.size, named, bench.initial.unsqueeze(0), x, {}, kinds)


def _finite(value: float) -> float | str:
    return value if value < float("inf") else "infinity"


def prove(context: Context, scope: str) -> Proof | None:
    """The vertex method in exact reals and, for a narrow dtype, rounded intervals or enumeration.

    The sizes of :attr:`Context.proof_sizes` are tried in turn; the evidence says at which it is proved. A
    refutation at one of them decides, since units may add up; a step too large to judge does not.
    """
    from properties.proofs.trace import TraceRefused

    proofs: list[StateProof] = []
    proved: list[list[int]] = []
    open_at: dict[str, str] = {}
    for size in context.proof_sizes:
        fields, exactly = _touched_fields(context, context.bench(size))
        try:
            found = _at_size(context, scope, size, fields)
        except TraceRefused as refused:
            return Proof("inconclusive", (), f"not traced: {refused.reason}")
        holds = all(p.status == "proved" for p in found)
        if not exactly and not holds:
            # a field that holds a part of the block is proved whole or not at all: failing says nothing
            context.notes.pop("corner", None)
        refuted = exactly and any(p.status == "refuted-abstract" for p in found)
        if not proofs or holds or refuted:
            proofs = found
        if holds:
            proved.append(list(size))
        else:
            open_at[f"{size[0]}, {size[1]}"] = next(p.reason for p in found if p.status != "proved")
            break
    if not proved and not exactly:
        return None
    exact, rounded = proofs[0], proofs[-1]
    deciding = next((p for p in proofs if p.status != "proved"), exact)
    status: Literal["proved", "refuted", "inconclusive"] = "refuted"
    if deciding.status != "refuted-abstract":
        status = deciding.status
    reason = deciding.reason
    if status == "proved":
        reason = f"least radius {exact.radius} for all weights and inputs"
    evidence = {
        k: v for k, v in deciding.evidence().items() if k not in ("status", "semantics", "reason")
    }
    evidence |= {"radius": exact.radius, "at_sizes": proved, "open_at_sizes": open_at}
    if len(proofs) > 1:
        evidence["rounded_radius"] = rounded.radius
        evidence["rounding_exceeds_claim"] = rounded.status == "refuted-abstract"
    return Proof(
        status, tuple(p.semantics for p in proofs if p.status == "proved"), reason, evidence
    )


def _touched_fields(context: Context, bench: Bench) -> tuple[tuple[str, ...], bool]:
    """The fields that the recurrent part lies in, and whether it is all there is in them."""
    on = {i for i, value in enumerate(recurrent_mask(context, bench).tolist()) if value}
    touched = [f for f in bench.layout.fields if on & set(range(f.start, f.start + f.size))]
    return tuple(f.name for f in touched), sum(f.size for f in touched) == len(on)


def _at_size(
    context: Context, scope: str, size: tuple[int, int], fields: tuple[str, ...]
) -> list[StateProof]:
    """The proof in exact reals, then the one in the subject's dtype; the corner is left for the search."""
    from properties.proofs.bounded_state import prove_bounded_state
    from properties.proofs.saturation import suggest_weights

    claim = context.subject.description.claim("bounded-state", scope)
    claimed = claim.bound if claim else None
    cell, trace = context.bench(size).sampler.cell, context.traced(size)
    exact = prove_bounded_state(cell, fields, claimed, trace=trace)
    proofs, corner = [exact], exact.corner
    if context.subject.dtype is not torch.float64 and exact.status == "proved":
        rounded = prove_bounded_state(cell, fields, claimed, context.subject.dtype, trace=trace)
        proofs.append(rounded)
        if rounded.status == "refuted-abstract" and exact.bound is not None:
            # rounding passes the claim where the exact radius is attained: a claim below it names the corner
            below = math.nextafter(float(exact.bound), 0.0)
            corner = prove_bounded_state(cell, fields, below, trace=trace).corner
    if corner is not None:
        # saturating weights, which the search tries first
        context.notes["corner"] = (size, suggest_weights(cell, corner))
    return proofs


def reproduce(context: Context, witness: Witness) -> list[str]:
    """Lines of a script that print the recurrent part's magnitude along the rollout."""
    bench = context.bench((witness.draws.input_size, witness.draws.hidden_size))
    mask = recurrent_mask(context, bench)
    return [
        f"UNITS = {[i for i, on in enumerate(mask.tolist()) if on]}  # the recurrent part of the flat state",
        "def magnitude(flat):",
        "    return flat[UNITS].abs().max()",
        *growth_lines(context, witness, "magnitude", "recurrent part", mask),
    ]


PROPERTY = Property(
    key="bounded-state",
    title="bounded state",
    statement=(
        "The part of the state that the next update reads stays within M for all t, from every initial "
        "state in the claimed radius, for every input and parameter in scope; otherwise the law of growth."
    ),
    source="GATO section 3, criterion 5",
    order=60,
    judge=judge,
    prove=prove,
    reproduce=reproduce,
)

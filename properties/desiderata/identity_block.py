"""identity-block: ∂s_T/∂s_t = I for every horizon, input and parameter (GATO criterion 1)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from properties.core.context import Bench, Block, Context
from properties.core.desideratum import Finding, Property
from properties.core.engine import Engine
from properties.core.proof import Proof
from properties.core.sampling import Regime
from properties.core.search import Margins, Outcome, search
from properties.core.verdict import Status
from properties.core.wide import Narrow, Wide, widen
from properties.core.witness import Draws, Witness

KEY = "identity-block"
STATE_SCALES = (0.0, 0.3, 1.0, 10.0, 100.0)
# no round numbers: a memory that is kept in steps of 0.1 passes shifts by 0.1 on exactly
_SIZES = (1.0, 2.0**10, 2.0**-10)  # of cotangents
_NUDGES = (1.37e-3, -1.37e-3, 1.13e-2, -1.13e-2, 1.237e-1, -1.237e-1)


def discover(context: Context, bench: Bench) -> tuple[int, ...]:
    """The largest set S of state scalars whose block is the identity in every draw tried.

    Jacobians at several gaps are taken over draws at initialization and beyond; the set is what is
    left of the scalars with ∂h_i/∂h_i = 1 once every pair that mixes is broken up.
    """
    units = set(range(bench.layout.size)) - set(context.emission(bench))
    count = min(24, context.count)
    for gap in (1, 2, 3, context.horizon(13)):
        draws = context.draws(
            Regime(bench.size, gap, context.derive("discover", bench.size)),
            context.scope, count, state_scales=STATE_SCALES,
        )  # fmt: skip
        for jacobian in bench.engine.jacobians(draws):
            if bool(torch.isfinite(jacobian).all()):
                units = _fixpoint(jacobian, units)
    return tuple(sorted(units))


def _fixpoint(jacobian: Tensor, units: set[int]) -> set[int]:
    """The part of ``units`` on which this one Jacobian is the identity."""
    units = {i for i in units if float(jacobian[i, i]) == 1.0}
    while units:
        index = sorted(units)
        block = jacobian[index][:, index]
        wrong = (block != torch.eye(len(index), dtype=block.dtype)).sum(0) + (
            block != torch.eye(len(index), dtype=block.dtype)
        ).sum(1)
        if not bool(wrong.any()):
            break
        units.discard(index[int(wrong.argmax())])
    return units


def block_of(context: Context, size: tuple[int, int]) -> Block:
    """The declared or discovered block at ``size``."""
    return context.block(size, discover)


def with_cotangents(draws: Draws, seed: int) -> Draws:
    """``draws`` with a cotangent for each: 0 or ±2^k on every scalar of the state.

    Zeros, so that the slightest leak into them shows; several k, since a backward pass that clips at 1 is
    the identity for cotangents of 1; powers of two, which every exact carry passes on exactly.
    """
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(-1, 2, draws.state.shape, generator=generator)
    sizes = torch.tensor(_SIZES)[torch.randint(len(_SIZES), (len(draws), 1), generator=generator)]
    return draws.replace(extra={**draws.extra, "cotangent": (signs * sizes).to(draws.state.dtype)})


def on_block(draws: Draws, units: list[int]) -> Tensor:
    """The cotangents of ``draws`` on the block alone, nowhere zero on all of it, (N, n)."""
    drawn = draws.extra["cotangent"]
    cotangents = torch.zeros_like(drawn)
    cotangents[:, units] = drawn[:, units]
    idle = (cotangents == 0).all(-1)
    cotangents[idle, units[0]] = 1
    return cotangents


def margins(context: Context, bench: Bench, engine: Engine, draws: Draws) -> Margins:
    """Minus the worst deviation from the identity, backward (exactly) and forward (to rounding)."""
    units = list(block_of(context, bench.size).units)
    if not units:
        return _no_block(bench, engine, draws)
    cotangents = on_block(draws, units)
    final, gradient = engine.pullbacks(draws, cotangents)
    returned = torch.nan_to_num((gradient - cotangents)[:, units].abs(), nan=torch.inf)
    backward = returned.amax(-1) / cotangents.abs().amax(-1)
    direction = cotangents.sign()
    tolerance = context.tolerance.translation
    if tolerance == float("inf"):
        forward = torch.zeros_like(backward)
    else:
        # per scalar the smallest deviation over several nudges: a carry stored modulo something jumps
        # at some, and one that stands exactly on the seam jumps at all of one sign
        least = torch.full_like(returned, torch.inf)
        for nudge in _NUDGES:
            moved = engine.finals(draws.replace(state=draws.state + nudge * direction))
            off = ((moved - final)[:, units] / nudge - direction[:, units]).abs()
            scale = 1 + torch.maximum(final.abs(), draws.state.abs())[:, units].amax(-1) / abs(
                nudge
            )
            off = torch.clamp(off - tolerance * scale.unsqueeze(-1), min=0)
            least = torch.minimum(least, torch.nan_to_num(off, nan=torch.inf))
        forward = least.amax(-1)
    deviation = torch.maximum(backward, forward)
    # only values decide what is admissible: a gradient of the block that is no number is a violation
    admissible = torch.isfinite(final).all(-1)
    margin = torch.where(admissible, -deviation, torch.nan)

    def sentence(i: int) -> str:
        gap = draws.inputs.shape[0]
        worst = units[int((gradient[i, units] - cotangents[i, units]).abs().argmax())]
        got, want = float(gradient[i, worst]), float(cotangents[i, worst])
        label = bench.layout.label(worst)
        if got != want:
            figure = ".6g" if f"{got:.6g}" != f"{want:.6g}" else ".17g"
            return (
                f"over a gap of {gap} the cotangent on {label} comes back as {got:{figure}} "
                f"where the identity returns {want:{figure}}"
            )
        return f"over a gap of {gap} a shift of the block does not arrive unchanged (autograd says it does)"

    return Margins(margin, 1 + deviation, torch.ones_like(margin), sentence)


def _no_block(bench: Bench, engine: Engine, draws: Draws) -> Margins:
    """No block is known: how far the best scalar of each draw is from keeping ∂h_i/∂h_i = 1."""
    jacobians = engine.jacobians(draws)
    diagonal = jacobians.diagonal(dim1=-2, dim2=-1)
    off = jacobians - torch.diag_embed(diagonal)
    deviation = (diagonal - 1).abs()
    closest = deviation.argmin(-1)
    best = deviation.amin(-1)
    # every scalar may have slope 1 and still mix with the others: then no pair keeps the identity
    mixing = torch.where(off.abs().amax((-1, -2)) > 0, off.abs().amax((-1, -2)), 0)
    alone = torch.tensor(
        [bool(_fixpoint(j, set(range(j.shape[0])))) for j in jacobians], dtype=torch.bool
    )
    worst = torch.where(best > 0, best, mixing)
    margin = torch.where(alone, torch.zeros_like(best), -worst)
    margin = torch.where(torch.isfinite(jacobians).all(-1).all(-1), margin, torch.nan)

    def sentence(i: int) -> str:
        unit = int(closest[i])
        slope = float(diagonal[i, unit])
        return (
            f"over a gap of {draws.inputs.shape[0]} no scalar of the state keeps derivative 1; the "
            f"closest is {bench.layout.label(unit)} with {slope:.6g}"
        )

    observed = diagonal.gather(-1, closest.unsqueeze(-1)).squeeze(-1)
    return Margins(margin, observed, torch.ones_like(best), sentence)


def judge(context: Context, scope: str) -> Finding:
    """Search over gaps, inputs, states and parameters; an inferred block shrinks until it stands."""
    sizes = context.subject.sizes
    gap = context.horizon(context.profile.gap)
    explicit = tuple(
        Regime(context.subject.standard_size, g, context.derive("identity", scope, g))
        for g in (1, 2, 3, gap)
    )
    standard = context.subject.standard_size

    def make(regime: Regime, count: int | None = None) -> Draws:
        draws = context.draws(regime, scope, count, state_scales=STATE_SCALES)
        return with_cotangents(draws, regime.seed)

    for _ in range(len(sizes) + 24):
        outcome = search(
            context, KEY, scope,
            lambda bench, engine, draws: margins(context, bench, engine, draws),
            longest=gap, explicit=explicit,
            make=make,
        )  # fmt: skip
        witness = outcome.witness
        if witness is None:
            break
        size = (witness.draws.input_size, witness.draws.hidden_size)
        block = block_of(context, size)
        if block.origin != "inferred":
            break
        # an inferred block that a draw contradicts was too large: keep what this draw leaves of it
        jacobian = context.bench(size).real.jacobians(witness.draws)[0]
        left = tuple(sorted(_fixpoint(jacobian, set(block.units))))
        context.narrow(size, left if left != block.units else ())
    block = block_of(context, standard)
    bench = context.bench(standard)
    wide = Wide(Outcome())
    if outcome.witness is None and block.units:
        narrow = Narrow(block_of, lambda bench, engine, d: margins(context, bench, engine, d), make)
        wide = widen(context, KEY, scope, explicit, narrow)
        outcome.witness = wide.outcome.witness
        outcome.passed += wide.outcome.passed
        outcome.discarded += wide.outcome.discarded
        outcome.unconfirmed += wide.outcome.unconfirmed
    evidence: dict[str, Any] = {
        "block": block.origin,
        "units": [bench.layout.label(i) for i in block.units],
        "of": bench.layout.size,
        "at_size": list(standard),
        "form": _form(context, bench, block, scope),
        **({"draws_as_units": wide.outcome.passed} if wide.outcome.passed else {}),
        **({"not_as_units": wide.objection} if wide.objection else {}),
    }
    quantifiers = {
        "parameters": scope,
        "gap": f"1 … {outcome.horizon}",
        "states": f"normal, scales {list(STATE_SCALES)}",
        "sizes": sorted(list(s) for s in outcome.sizes),
    }
    if outcome.witness is not None:
        reason = outcome.witness.sentence
        return Finding(
            Status.FALSIFIED, reason, quantifiers, outcome.passed, outcome.discarded, evidence,
            outcome.witness,
        )  # fmt: skip
    if not block.units:
        reason = "no block was found, but no single draw rules every scalar out"
        return Finding(
            Status.INCONCLUSIVE, reason, quantifiers, outcome.passed, outcome.discarded, evidence
        )
    if outcome.unconfirmed:
        reason = (
            f"{outcome.unconfirmed} violations in the batch were not confirmed on the real cell"
        )
        return Finding(
            Status.INCONCLUSIVE, reason, quantifiers, outcome.passed, outcome.discarded, evidence
        )
    if not outcome.passed:
        reason = (
            f"all of {outcome.discarded} draws were discarded, since their states are not finite"
        )
        return Finding(Status.INCONCLUSIVE, reason, quantifiers, 0, outcome.discarded, evidence)
    reason = f"{block.origin} block of {len(block.units)} of {bench.layout.size} scalars"
    return Finding(Status.TESTED, reason, quantifiers, outcome.passed, outcome.discarded, evidence)


def _form(context: Context, bench: Bench, block: Block, scope: str) -> str | None:
    """Whether nothing else in the state reads the block either: "column", else "block"."""
    if not block.units:
        return None
    draws = context.draws(
        Regime(bench.size, 2, context.derive("form", scope)), scope, 12, state_scales=STATE_SCALES
    )
    jacobians = bench.engine.jacobians(draws)
    rest = [i for i in range(bench.layout.size) if i not in block.units]
    leaks = jacobians[:, rest][:, :, list(block.units)]
    return "block" if bool((leaks[torch.isfinite(leaks)] != 0).any()) else "column"


def prove(context: Context, scope: str) -> Proof:
    """The structural proof, on the forward and the autograd graph, tied to the cell by a bitwise replay."""
    from properties.proofs.identity import prove_identity
    from properties.proofs.trace import TraceRefused

    del scope  # the structure is the same for all parameters
    size = context.doubt or context.subject.standard_size
    bench = context.bench(size)
    channels = context.subject.description.channels
    declared = bench.layout.indices(*channels.memory) if channels else ()
    try:
        trace = context.traced(size)
    except TraceRefused as refused:
        return Proof("inconclusive", (), f"not traced: {refused.reason}")
    found = prove_identity(bench.sampler.cell, declared or None, trace=trace)
    status: Literal["proved", "refuted", "inconclusive"] = "refuted"
    if found.status != "not-proved":
        status = found.status
    evidence = {
        "method": "structural domain on both graphs",
        "form": found.form,
        "units": [bench.layout.label(i) for i in found.units],
        "operators": list(found.ops),
        "operator": found.operator,
        "assumptions": ["every intermediate is finite", *found.assumptions],
        "graph_sha256": found.graph_hashes,
        "replay_steps": found.replay_steps,
        "at_sizes": [list(size)],
    }
    names = {"R": "exact reals", "A": "what autograd returns"}
    semantics = tuple(names.get(s, s) for s in found.semantics)
    return Proof(status, semantics, found.reason, evidence)


def reproduce(context: Context, witness: Witness) -> list[str]:
    """Lines of a script that print the Jacobian of the case and look for the identity in it."""
    draws = witness.draws
    block = block_of(context, (draws.input_size, draws.hidden_size))
    lines = [
        "jacobian = torch.autograd.functional.jacobian(run, STATE)",
        "print('d state_T / d state_0 =')",
        "print(jacobian)",
    ]
    if not block.units:
        return [
            *lines,
            "# the largest set of places on which this is the identity: break up what mixes",
            "block = [i for i in range(len(STATE)) if jacobian[i, i] == 1]",
            "while block:",
            "    off = jacobian[block][:, block] - torch.eye(len(block), dtype=STATE.dtype)",
            "    mixing = (off != 0).sum(0) + (off != 0).sum(1)",
            "    if not bool(mixing.any()):",
            "        break",
            "    block.remove(block[int(mixing.argmax())])",
            "print('places of the state that keep derivative 1:', block or 'none')",
            "broken = not block",
        ]
    units = list(block.units)
    cotangents = on_block(draws, units)
    return [
        f"BLOCK = {units}  # places of the block in the flat state ({block.origin})",
        *lines,
        "block = jacobian[BLOCK][:, BLOCK]",
        "broken = not torch.equal(block, torch.eye(len(BLOCK), dtype=block.dtype))",
        "# a backward pass may depend on the size of what it is given: one cotangent as it was drawn",
        f"COTANGENT = torch.tensor({cotangents[0].tolist()}, dtype=STATE.dtype)",
        "_, back = torch.autograd.functional.vjp(run, STATE, COTANGENT)",
        "print('cotangent on the block:', COTANGENT[BLOCK].tolist(), 'comes back as', back[BLOCK].tolist())",
        "broken = broken or not torch.equal(back[BLOCK], COTANGENT[BLOCK])",
        "# what autograd says is also tried: shift the block, and the shift must arrive unchanged",
        "DIRECTION = COTANGENT[BLOCK].sign()",
        "here, least = run(STATE), torch.full((len(BLOCK),), torch.inf, dtype=STATE.dtype)",
        f"for nudge in {_NUDGES}:",
        "    shifted = STATE.clone()",
        "    shifted[BLOCK] += nudge * DIRECTION",
        "    wrong = ((run(shifted) - here)[BLOCK] / nudge - DIRECTION).abs()",
        "    size = 1 + torch.maximum(here.abs(), STATE.abs())[BLOCK].max() / abs(nudge)",
        f"    least = torch.minimum(least, wrong - {context.tolerance.translation!r} * size)",
        "broken = broken or not bool((least <= 0).all())",
        "print('the block is the identity:', not broken)",
    ]


PROPERTY = Property(
    key=KEY,
    title="identity block",
    statement=(
        "There is a set S of state scalars with ∂s_T/∂s_t = I on S, exactly, for every gap T − t, "
        "every input, every state and every parameter in scope."
    ),
    source="GATO section 3, criterion 1",
    order=10,
    judge=judge,
    prove=prove,
    reproduce=reproduce,
)

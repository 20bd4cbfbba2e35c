"""writable-memory: the identity block is not dead (GATO appendix I on the moving average with α = 1)."""

from __future__ import annotations

import torch
from torch import Tensor

from properties.core.context import Bench, Context
from properties.core.desideratum import Finding, Property
from properties.core.engine import Engine
from properties.core.proof import Proof
from properties.core.sampling import Regime
from properties.core.verdict import Status
from properties.core.witness import Draws, Witness
from properties.desiderata.identity_block import block_of

_SCALES = (0.0, 1.0, 3.0)
_GAP = 4


_DEAD = (
    "no input moves it",
    "the readout does not see it",
    "no gradient gets from it to an input",
)


def liveliness(context: Context, bench: Bench, engine: Engine, draws: Draws) -> Tensor:
    """How far other inputs move the block, the readout moves with it, and gradients reach an input.

    (3, N), in the order of ``_DEAD``; the block is dead in a draw where one of them is 0.
    """
    units = list(block_of(context, bench.size).units)
    final = engine.finals(draws)
    other = engine.finals(draws.replace(inputs=_others(draws)))
    written = (other - final)[:, units].abs().amax(-1)
    shift = torch.zeros_like(draws.state)
    shift[:, units] = 0.5
    # the emission of an emitting cell is written by the step: look at the readout one step later
    if context.emission(bench):
        one = draws.replace(state=final, inputs=draws.inputs[-1:])
        before, after = engine.finals(one), engine.finals(one.replace(state=final + shift))
    else:
        before, after = final, final + shift
    points = torch.stack([before, after], 1)
    seen = engine.readouts(draws, points).diff(dim=1).abs().amax((-1, -2))
    taught = engine.lessons(draws, 2 * shift).abs().amax((0, 2))
    return torch.nan_to_num(torch.stack([written, seen, taught]))


def _others(draws: Draws) -> Tensor:
    """Inputs that differ from the draw's own at every step."""
    steps = torch.arange(1, draws.inputs.shape[0] + 1, dtype=draws.inputs.dtype)
    return 0.5 * draws.inputs + torch.cos(steps).reshape(-1, 1, 1)


def judge(context: Context, scope: str) -> Finding:
    """Existential: one draw in which the block is written, read and taught is enough."""
    standard = context.subject.standard_size
    block = block_of(context, standard)
    if not block.units:
        description = context.subject.description
        claimed = description.claim("writable-memory", scope)
        # where the block itself is claimed, its own line says that it is missing
        alone = claimed and not description.claim("identity-block", scope)
        reason = "there is no identity block to write to"
        return Finding(Status.NOT_APPLICABLE, f"vacuous: {reason}" if alone else reason)
    if context.notes.get(("identity-block", scope)) is Status.FALSIFIED:
        return Finding(Status.NOT_APPLICABLE, "the declared memory is not an identity block")
    bench = context.bench(standard)
    draws = context.draws(
        Regime(standard, _GAP, context.derive("writable", scope)), scope, state_scales=_SCALES
    )
    signs = liveliness(context, bench, bench.engine, draws) > 0
    live = signs.all(0)
    quantifiers = {
        "parameters": f"some, {scope}",
        "inputs": "two sequences that differ at every step",
        "horizon": _GAP,
        "sizes": [list(standard)],
    }
    evidence = {
        "live_draws": int(live.sum()),
        "written_draws": int(signs[0].sum()),
        "seen_draws": int(signs[1].sum()),
        "taught_draws": int(signs[2].sum()),
        "of": len(draws),
    }
    if bool(live.any()):
        first = int(live.nonzero()[0])
        again = liveliness(context, bench, bench.real, draws.select([first]))
        if bool((again > 0).all()):
            reason = f"{int(live.sum())} of {len(draws)} draws write it and read it"
            return Finding(Status.TESTED, reason, quantifiers, len(draws), 0, evidence)
    case = draws.select([0])
    least = float(liveliness(context, bench, bench.real, case).min())
    dead = [text for text, sign in zip(_DEAD, signs, strict=True) if not bool(sign.any())]
    why = dead[0] if dead else "it is never written, read and taught at once"
    reason = f"the identity block is dead: {why} in any of {len(draws)} draws"
    witness = Witness(case, least, 0.0, reason)
    return Finding(Status.FALSIFIED, reason, quantifiers, len(draws), 0, evidence, witness)


def prove(context: Context, scope: str) -> Proof | None:
    """Existential: the structure allows it, and one replayed draw at initialization shows it."""
    from properties.proofs.trace import TraceRefused
    from properties.proofs.writable import prove_writable

    size = context.subject.standard_size
    units = block_of(context, size).units
    if not units:
        return None
    del scope
    try:
        trace = context.traced(size)
    except TraceRefused as refused:
        return Proof("inconclusive", (), f"not traced: {refused.reason}")
    found = prove_writable(context.bench(size).sampler.cell, units, trace=trace)
    label = context.bench(size).layout.label
    evidence = {
        "method": "structural domain and one replayed witness",
        "unwritten": [label(i) for i in found.unwritten],
        "unread": [label(i) for i in found.unread],
        "at_sizes": [list(size)],
    }
    return Proof(found.status, ("exact reals",), found.reason, evidence)


def reproduce(context: Context, witness: Witness) -> list[str]:
    """Lines of a script that compare two input sequences and two block values, and take a gradient."""
    size = (witness.draws.input_size, witness.draws.hidden_size)
    later = "step(INPUTS[-1], {})" if context.emission(context.bench(size)) else "{}"
    before, after = later.format("ours"), later.format("shifted")
    return [
        f"BLOCK = {list(block_of(context, size).units)}  # places of the block in the flat state",
        "ours = run(STATE)",
        "steps = torch.arange(1, len(INPUTS) + 1, dtype=STATE.dtype).unsqueeze(-1)",
        "theirs = run(STATE, 0.5 * INPUTS + torch.cos(steps))",
        "moved = float((theirs - ours)[BLOCK].abs().max())",
        "shifted = ours.clone()",
        "shifted[BLOCK] += 0.5",
        f"seen = float((readout({after}) - readout({before})).abs().max())",
        "print('other inputs move the block by', moved)",
        "print('moving the block by 0.5 moves the readout by', seen)",
        "lesson = torch.autograd.functional.jacobian(lambda xs: run(STATE, xs)[BLOCK].sum(), INPUTS)",
        "taught = float(torch.nan_to_num(lesson).abs().max())",
        "print('the largest gradient of the block for an input is', taught)",
        "broken = not (moved > 0 and seen > 0 and taught > 0)",
    ]


PROPERTY = Property(
    key="writable-memory",
    title="writable memory",
    statement=(
        "Some parameters in scope, state and inputs exist for which another input sequence leaves another "
        "value in the identity block, the readout depends on the block, and a gradient of the block reaches "
        "an input."
    ),
    source="GATO appendix I, remark on the statistical recurrent unit",
    order=20,
    judge=judge,
    prove=prove,
    semantics=("F", "A"),
    reproduce=reproduce,
)

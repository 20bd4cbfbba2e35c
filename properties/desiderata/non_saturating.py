"""non-saturating: γ′ does not die out on either tail (GATO criterion 3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from properties.core import line
from properties.core.context import Bench, Context
from properties.core.decoder_proof import DEFAULT_WINDOW, decoder_proof
from properties.core.desideratum import Finding, Property
from properties.core.engine import Engine
from properties.core.proof import Proof
from properties.core.rollout import boundedness, long_law
from properties.core.sampling import Regime
from properties.core.search import Margins, search
from properties.core.verdict import Status
from properties.core.witness import Draws, Witness
from properties.desiderata.bounded_state import start

_TAILS = (0.0, 4.0, 12.0, 45.0, 130.0, 1e3, 1e4, 1e5)  # where windows start, on both sides of 0
_RESOLVED = 0.1  # the largest distance of neighboring states in a window
_STARTS = 8  # windows per draw that start somewhere between, log-uniformly
_GRID = 48
_COARSE = 6  # of a parameterized γ, whose slope has no zeros to step over
_PROBES = (0.3, -1.1, 2.6, -23.0)
_SHARE = 0.01  # of a parameterized γ: the least slope, relative to the one around the origin


def begins(draws: Draws) -> Tensor:
    """Where the windows of each draw start, in float64: the fixed tails, then the draw's own, (N, W)."""
    fixed = torch.tensor(_TAILS, dtype=torch.float64).expand(len(draws), -1)
    own = draws.extra.get("starts")
    starts = fixed if own is None else torch.cat([fixed, own.double()], -1)
    # farther out neighboring numbers of the dtype are too far apart to fill a window
    return starts.clamp(max=_RESOLVED / torch.finfo(draws.state.dtype).eps)


def windows(draws: Draws, length: float, grid_size: int = _GRID) -> Tensor:
    """States in windows on both tails, every scalar at once: (N, 2·W·grid_size, n)."""
    grid = (torch.arange(grid_size, dtype=torch.float64) + 0.5) / grid_size * length
    tail = (begins(draws).unsqueeze(-1) + grid).flatten(1)
    both = torch.cat([tail, -tail], 1).unsqueeze(-1)
    return both.expand(-1, -1, draws.state.shape[-1]).to(draws.state.dtype)


def window_slopes(
    context: Context,
    bench: Bench,
    engine: Engine,
    draws: Draws,
    length: float,
    grid_size: int = _GRID,
) -> Tensor:
    """The largest |∂γ/∂state_j| in each window, (N, 2·W, n)."""
    at = windows(draws, length, grid_size)
    slopes = engine.slopes(draws, at, emitted=line.emits(context, bench)).abs().amax(-2)
    folded: Tensor = slopes.unflatten(1, (-1, grid_size)).amax(2)
    return folded


def flat(context: Context, bench: Bench, engine: Engine, draws: Draws) -> Tensor:
    """The scalars that γ depends on and has no slope in, wherever it is probed, (N, n) bool."""
    count, units = draws.state.shape
    if line.emits(context, bench):
        return torch.zeros(count, units, dtype=torch.bool)
    generator = torch.Generator().manual_seed(20260102)
    here = torch.randn(count, 1, units, generator=generator, dtype=torch.float64)
    steps = torch.tensor(_PROBES, dtype=torch.float64)
    moves = torch.eye(units, dtype=torch.float64).unsqueeze(1) * steps.reshape(-1, 1)  # (n, k, n)
    at = torch.cat([here, here + moves.flatten(0, 1)], 1).to(draws.state.dtype)
    values = torch.nan_to_num(engine.readouts(draws, at))
    moved = (values[:, 1:] != values[:, :1]).any(-1).unflatten(1, (units, -1)).any(-1)
    slopes = torch.nan_to_num(engine.slopes(draws, at, emitted=False), nan=1.0)
    dead: Tensor = moved & ~(slopes != 0).any(1).any(1)
    return dead


def judge(context: Context, scope: str) -> Finding:
    """Windows on both tails; a γ that dies out on a state that stays bounded has no tails to speak of."""
    length, least, relative = _demand(context, scope)
    farthest = _RESOLVED / torch.finfo(context.subject.dtype).eps
    grid_size = _COARSE if relative else _GRID

    def evaluate(bench: Bench, engine: Engine, draws: Draws) -> Margins:
        slopes = torch.nan_to_num(window_slopes(context, bench, engine, draws, length, grid_size))
        starts = begins(draws)
        middle = slopes[:, 0].maximum(slopes[:, starts.shape[1]])
        required = _SHARE * middle if relative else torch.full_like(middle, least)
        lowest = slopes.amin(1)
        dead = flat(context, bench, engine, draws) & (slopes.amax(1) == 0)
        read = dead | (slopes.amax(1) > 0)  # (N, n): the scalars that γ depends on
        gap = torch.where(read, lowest - required, torch.inf)
        gap = torch.where(dead, -1.0, gap)
        worst = gap.argmin(-1, keepdim=True)
        margin = gap.gather(-1, worst).squeeze(-1).double()
        margin = torch.where(read.any(-1), margin, torch.nan)

        def sentence(i: int) -> str:
            unit = int(worst[i])
            if bool(dead[i, unit]):
                label = bench.layout.label(unit)
                return f"the readout depends on {label}, and autograd returns no slope anywhere"
            window = int(slopes[i, :, unit].argmin())
            sign = 1 if window < starts.shape[1] else -1
            begin = float(starts[i, window % starts.shape[1]])
            low, high = sorted((sign * begin, sign * (begin + length)))
            return (
                f"on [{low:.6g}, {high:.6g}] |∂γ/∂{bench.layout.label(unit)}| stays below "
                f"{float(slopes[i, window, unit]):.3g}, where {float(required[i, unit]):.3g} is required"
            )

        observed = lowest.gather(-1, worst).squeeze(-1).double()
        return Margins(margin, observed, required.gather(-1, worst).squeeze(-1).double(), sentence)

    count = 4 if not relative else min(12, context.count)

    def make(regime: Regime) -> Draws:
        draws = context.draws(regime, scope, count)
        generator = torch.Generator().manual_seed(regime.seed)
        exponents = torch.rand(count, _STARTS, generator=generator, dtype=torch.float64)
        return draws.replace(extra={"starts": _TAILS[-1] ** exponents})

    outcome = search(
        context, "non-saturating", scope, evaluate, longest=1,
        explicit=(Regime(context.subject.standard_size, 1, 0),),
        sizes=context.subject.sizes[:6],
        make=make,
    )  # fmt: skip
    quantifiers = {
        "parameters": scope if relative else "γ has none",
        "states": f"windows of length {length:.6g} up to ±{min(_TAILS[-1], farthest):g}",
        "sizes": sorted(list(s) for s in outcome.sizes),
    }
    least_text = f"{_SHARE:g} of the slope at the origin" if relative else f"{least:g}"
    evidence = {"window": length, "least_slope": least_text, "tails_reached": None}
    counts = (outcome.passed, outcome.discarded)
    if outcome.witness is None:
        if not outcome.passed:
            claimed = context.subject.description.claim("non-saturating", scope)
            reason = "the readout depends on no scalar of the state"
            return Finding(Status.NOT_APPLICABLE, f"vacuous: {reason}" if claimed else reason)
        reason = f"every window of length {length:.4g} on both tails holds |γ′| ≥ {least_text}"
        return Finding(Status.TESTED, reason, quantifiers, *counts, evidence)
    if "no slope anywhere" in outcome.witness.sentence:
        reason = outcome.witness.sentence  # flat in reach of any state: no tail is needed
        return Finding(Status.FALSIFIED, reason, quantifiers, *counts, evidence, outcome.witness)
    law = _tail_law(context, scope)
    evidence |= {"tails_reached": law, "state_law": law}
    if law == "bounded":
        why = "vacuous: the state that γ reads stays bounded, so it has no tails"
        reason = f"{why} ({outcome.witness.sentence})"
        return Finding(Status.NOT_APPLICABLE, reason, quantifiers, *counts, evidence)
    return Finding(
        Status.FALSIFIED, outcome.witness.sentence, quantifiers, *counts, evidence, outcome.witness
    )


def _tail_law(context: Context, scope: str) -> str:
    """The law of the scalars that γ reads, over rollouts in scope, confirmed as bounded-state's is."""
    bench = context.standard
    horizon = max(context.horizon(context.profile.horizon), 32)
    regime = Regime(bench.size, horizon, context.derive("tails", scope))
    draws = context.draws(regime, scope, **start(context, scope))
    few = draws.select(list(range(min(8, len(draws)))))
    slopes = window_slopes(context, bench, bench.engine, few, 2 * math.pi, _COARSE)
    read = torch.nan_to_num(slopes).amax((0, 1)) > 0
    if line.emits(context, bench):
        read[list(context.emission(bench))] = False
    if not bool(read.any()):
        return "bounded"

    def magnitudes(engine: Engine, draws: Draws) -> Tensor:
        return torch.where(read, engine.trajectories(draws), 0.0).abs().amax(-1)

    def margins(engine: Engine, draws: Draws, *, replay: bool) -> Tensor:
        return boundedness(
            context, engine, draws, magnitudes, read.to(draws.state.dtype),
            bound=None, confirm=context.profile.confirm, replay=replay, what="γ's state",
        ).margin  # fmt: skip

    suspects = torch.nan_to_num(margins(bench.engine, draws, replay=False), nan=1.0)
    for place in torch.argsort(suspects)[:3].tolist():
        if float(suspects[place]) >= 0:
            break
        case = draws.select([place])
        if float(margins(bench.real, case, replay=True)[0]) < 0:
            return long_law(context, bench, case, magnitudes, read.to(draws.state.dtype)).law
    return "bounded"


def _demand(context: Context, scope: str) -> tuple[float, float, bool]:
    """Window length and least slope; whether the latter is a share of the slope at the origin."""
    claim = context.subject.description.claim("non-saturating", scope)
    bench = context.standard
    if claim and claim.window:
        return (*claim.window, False)
    return (*DEFAULT_WINDOW, not line.free_of_parameters(context, bench, bench.engine, scope))


def prove(context: Context, scope: str) -> Proof | None:
    """γ by ranges, periods and balls, for all weights."""
    return decoder_proof(context, scope, "non_saturating")


def reproduce(context: Context, witness: Witness) -> list[str]:
    """Lines of a script that scan windows on both tails."""
    draws = witness.draws
    bench = context.bench((draws.input_size, draws.hidden_size))
    function = "emitted" if line.emits(context, bench) else "readout"
    length, least, relative = _demand(context, context.scope)
    at_here, at_there = f"{function}(here)", f"{function}(point)"
    needed = f"{_SHARE} * best[0].maximum(best[len(TAILS)])" if relative else f"{least!r}"
    return [
        f"TAILS = {begins(draws)[0].tolist()}  # where windows start, on both sides of 0",
        f"LENGTH, GRID = {length!r}, {_COARSE if relative else _GRID}",
        f"PROBES = {_PROBES}",
        "rows = []",
        "for sign in (1, -1):",
        "    for begin in TAILS:",
        "        best = torch.zeros_like(STATE)",
        "        for k in range(GRID):",
        "            point = torch.full_like(STATE, sign * (begin + (k + 0.5) / GRID * LENGTH))",
        f"            slope = torch.autograd.functional.jacobian({function}, point).abs().amax(0)",
        "            best = torch.maximum(best, torch.nan_to_num(slope))",
        "        rows.append(best)",
        "best = torch.stack(rows)  # the largest slope in each window, per place of the state",
        "def depends(place):",
        "    here = torch.linspace(-1, 1, len(STATE), dtype=STATE.dtype)",
        "    there = [here + step * torch.eye(len(STATE), dtype=STATE.dtype)[place] for step in PROBES]",
        f"    return any(not torch.equal({at_here}, {at_there}) for point in there)",
        "# the places that the readout depends on, by its values where it has no slope at all",
        "read = torch.tensor([bool(best[:, i].max() > 0) or depends(i) for i in range(len(STATE))])",
        f"needed = torch.zeros_like(STATE) + {needed}",
        "for row, begin in zip(best[:, read].tolist(), [*TAILS, *(-b for b in TAILS)], strict=True):",
        "    print(f'window at {begin:g}: largest slope per place', [f'{s:.3g}' for s in row])",
        "print('needed:', needed[read].tolist())",
        "broken = bool((best < needed)[:, read].any()) or bool((best == 0).all(0)[read].any())",
    ]


PROPERTY = Property(
    key="non-saturating",
    title="non-saturating decoder",
    statement=(
        "On both tails every window of length L holds a point with |γ′| ≥ δ, for each scalar of the state "
        "that γ reads; vacuous where that scalar stays bounded."
    ),
    source="GATO section 3, criterion 3",
    order=40,
    judge=judge,
    prove=prove,
    semantics=("A",),
    reproduce=reproduce,
)

"""Boundedness over time: the shared measurement of ``bounded-state`` and of a decoder's reachable set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from properties.core.context import Bench, Context
from properties.core.engine import Engine
from properties.core.growth import Growth, growth
from properties.core.sampling import LARGEST_INPUT, Regime
from properties.core.search import Margins
from properties.core.witness import Draws

LAWS = {"bounded": 0.0, "sublinear": 0.5, "linear": 1.0, "geometric": 2.0}
SHORTEST = 32  # a law cannot be read off fewer steps
_SUSPECTS = 6
SCALE = 4.0
_REPLAY = 4  # times the confirming horizon: for a single case, once
_ADVERSARIAL_STEPS = 512  # each costs a gradient
_LAW_TEXT = {
    "bounded": "no more",
    "sublinear": "like a power of time: t^{:.2g}",
    "linear": "linearly: {:.4g} per step",
    "geometric": "geometrically: {:.4g} in log magnitude per step",
}

Magnitudes = Callable[[Engine, Draws], Tensor]
"""What is measured: an engine and N draws to (T, N) magnitudes."""


def adversarial(engine: Engine, draws: Draws, units: Tensor, steps: int) -> Draws:
    """Inputs that push the state outwards at every step: x_t = X·sign(∂‖next state‖²/∂x).

    ``draws.extra["adversary"]`` (N, 1) holds X. Such an input resonates with rotations, which no
    constant or alternating input does.
    """
    size = draws.extra["adversary"]
    flat, inputs = draws.state, []
    x = torch.ones_like(draws.inputs[0]) * size
    for _ in range(steps):
        push = engine.drift(draws, x, flat, units)
        x = torch.where(push < 0, -size, size).to(x.dtype)
        inputs.append(x)
        flat = engine.finals(draws.replace(state=flat, inputs=x.unsqueeze(0)))
    return draws.replace(inputs=torch.stack(inputs))


def adversarial_draws(
    context: Context, regime: Regime, scope: str, units: Tensor, **kinds: Any
) -> Draws:
    """Draws of ``regime`` whose inputs are replaced by adversarial ones."""
    bench = context.bench(regime.size)
    count = min(24, context.count)
    draws = context.draws(regime, scope, count, **kinds)
    largest = min(LARGEST_INPUT.get(scope, 1.0), 10.0)
    size = torch.logspace(-1, 0, count, dtype=torch.float64).unsqueeze(-1) * largest
    draws = draws.replace(
        extra={**draws.extra, "adversary": size.to(draws.state.dtype)},
        kinds=tuple(k.split(",")[0] + ", adversarial input" for k in draws.kinds),
    )
    return adversarial(bench.engine, draws, units, regime.horizon)


def long_law(
    context: Context, bench: Bench, draws: Draws, magnitudes: Magnitudes, units: Tensor
) -> Growth:
    """The law of one case over the replay's horizon, on the real cell."""
    steps = replay_steps(context, adversarial="adversary" in draws.extra)
    if "adversary" in draws.extra:
        long = adversarial(bench.real, draws, units, steps)
    else:
        long = draws.with_horizon(steps)
    return growth(magnitudes(bench.real, long)[:, 0])


def replay_steps(context: Context, *, adversarial: bool) -> int:
    """How many steps a single case is replayed for, to tell growth from late settling."""
    steps = context.horizon(context.profile.horizon) * context.profile.confirm * _REPLAY
    return min(steps // 2, _ADVERSARIAL_STEPS) if adversarial else max(steps, 64)


def boundedness(
    context: Context,
    engine: Engine,
    draws: Draws,
    magnitudes: Magnitudes,
    units: Tensor,
    *,
    bound: float | None,
    confirm: int,
    replay: bool,
    what: str,
    slack: float | None = None,
) -> Margins:
    """How far each draw stays below ``bound``; without one, whether its growth settles.

    ``slack``: how far the bound may be missed, relatively; None: as the table of tolerances says.
    A draw that seems to grow is repeated over ``confirm`` times the horizon: only what still grows
    then, in a straight line or geometrically, counts.
    """
    measured = magnitudes(engine, draws)
    count = len(draws)
    observed = torch.nan_to_num(measured, nan=torch.inf).amax(0).double()
    if bound is not None:
        required = bound * (1 + (context.tolerance.bound if slack is None else slack))
        margin = (required - observed) / bound

        def sentence(i: int) -> str:
            # in float64: a half-precision comparison would round the bound first
            above = ~(measured[:, i].double() <= required)  # NaN is above
            at = int(above.nonzero()[0, 0]) + 1 if bool(above.any()) else 0
            return (
                f"|{what}| reaches {float(observed[i]):.10g} in {len(measured)} steps "
                f"(first above at step {at}), above the claimed {bound:.10g}"
            )

        return Margins(margin, observed, torch.full((count,), bound, dtype=torch.float64), sentence)
    laws: list[Growth] = [growth(measured[:, i]) for i in range(count)]
    suspects = [i for i, law in enumerate(laws) if law.law != "bounded"]
    suspects.sort(key=lambda i: (LAWS[laws[i].law], laws[i].supremum), reverse=True)
    confirmed: dict[int, Growth] = {}
    for i in suspects[:_SUSPECTS]:
        confirmed[i] = laws[i]
    # a single case is a replay: there the horizon is long enough for late settling and late growth
    repeat = confirm * _REPLAY if replay and count == 1 else confirm
    limit = context.horizon(context.profile.horizon) * repeat
    steps = min(draws.inputs.shape[0] * repeat, limit) if count > 1 else limit
    if steps > draws.inputs.shape[0] and confirmed:
        chosen = list(confirmed)
        long = draws.select(chosen)
        if "adversary" in draws.extra:
            pushed = max(min(steps // 2, _ADVERSARIAL_STEPS), draws.inputs.shape[0])
            long = adversarial(engine, long, units, pushed)
        else:
            long = long.with_horizon(steps)
        again = magnitudes(engine, long)
        confirmed = {i: growth(again[:, k]) for k, i in enumerate(chosen)}
    margin = torch.ones(count, dtype=torch.float64)
    for i in suspects:
        law = confirmed.get(i)
        if law is None:
            margin[i] = torch.nan  # not repeated: neither for nor against
            continue
        laws[i] = law
        # growth that has not yet left the scale of its start cannot be told from slow settling
        if LAWS[law.law] and law.supremum > SCALE * (1 + float(draws.state[i].abs().max())):
            margin[i] = -LAWS[law.law] - min(abs(law.slope), 1e3) * 1e-6
    if replay and count == 1:
        context.notes["replayed law"] = laws[0]

    def told(i: int) -> str:
        law = laws[i]
        return (
            f"|{what}| grows {_LAW_TEXT[law.law].format(law.slope)}, after {len(measured)} steps "
            f"{float(observed[i]):.6g}"
        )

    return Margins(margin, observed, torch.full((count,), torch.inf, dtype=torch.float64), told)

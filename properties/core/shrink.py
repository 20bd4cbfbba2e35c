"""Making a counterexample small: fewer units, fewer steps, plainer numbers, always re-checked."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from properties.core.context import Bench, Context
from properties.core.engine import Engine
from properties.core.sampling import Regime
from properties.core.search import Evaluate, Margins
from properties.core.witness import Draws, Witness

_PASSES = 3
_WORST = -1e15


def shrink(
    context: Context,
    evaluate: Evaluate,
    fast: Evaluate,
    make: Callable[[Regime], Draws],
    regime: Regime,
    case: Draws,
    shortest: int,
    *,
    parameters_too: bool,
) -> Witness:
    """The smallest case found that still violates, replayed on the real cell by ``evaluate``.

    ``parameters_too``: whether parameters may be changed; a counterexample at initialization must
    stay an initialization. A shrunk case has to violate as badly as the original did: a
    geometric growth is not shrunk into a linear one.
    """
    bench = context.bench(regime.size)
    # an infinite margin, of a gradient that is no number, has no whole part
    severity = math.ceil(max(float(evaluate(bench, bench.real, case).margin[0]), _WORST))

    def strict(bench: Bench, engine: Engine, draws: Draws) -> Margins:
        margins = fast(bench, engine, draws)
        bad = (margins.margin < 0) & (margins.margin.ceil() <= severity)
        return replace(margins, margin=torch.where(bad, margins.margin - 1e-12, 1.0))

    # the full evaluation may be a long rollout: it is asked at the end, of the last stage first
    stages = [case]
    smaller = _smaller_regime(context, strict, make, regime, shortest)
    if smaller is not None:
        stages.append(smaller)
    bench = context.bench((stages[-1].input_size, stages[-1].hidden_size))
    stages.append(_shorter(bench, strict, stages[-1], shortest))
    stages.append(_plainer(bench, strict, stages[-1], parameters_too=parameters_too))
    for candidate in reversed(stages):
        bench = context.bench((candidate.input_size, candidate.hidden_size))
        final = evaluate(bench, bench.real, candidate)
        if float(final.margin[0]) < 0:
            case = candidate
            break
    return Witness(case, float(final.observed[0]), float(final.required[0]), final.sentence(0))


def _violates(bench: Bench, evaluate: Evaluate, case: Draws) -> bool:
    return float(evaluate(bench, bench.real, case).margin[0]) < 0


def _smaller_regime(
    context: Context,
    evaluate: Evaluate,
    make: Callable[[Regime], Draws],
    regime: Regime,
    shortest: int,
) -> Draws | None:
    horizons = sorted(
        {h for h in (shortest, 2, 3, 8, 32, regime.horizon) if shortest <= h <= regime.horizon}
    )
    sizes = context.subject.sizes
    if regime.size in sizes:  # else it is one that a property added: all of these are smaller
        sizes = sizes[: sizes.index(regime.size) + 1]
    candidates = itertools.product(sizes, horizons)
    for size, horizon in itertools.islice(candidates, context.profile.shrinks):
        if (size, horizon) == (regime.size, regime.horizon):
            return None
        smaller = Regime(size, horizon, regime.seed)
        bench = context.bench(size)
        draws = make(smaller)
        margin = evaluate(bench, bench.engine, draws).margin
        if bool((margin < 0).any()):
            worst = int(torch.nan_to_num(margin, nan=torch.inf).argmin())
            case = draws.select([worst])
            if _violates(bench, evaluate, case):
                return case
    return None


def _shorter(bench: Bench, evaluate: Evaluate, case: Draws, shortest: int) -> Draws:
    steps = case.inputs.shape[0]
    low = shortest
    for _ in range(12):
        if low >= steps:
            break
        middle = (low + steps) // 2
        cut = case.with_horizon(middle)
        if _violates(bench, evaluate, cut):
            case, steps = cut, middle
        else:
            low = middle + 1
    return case


def _plainer(
    bench: Bench,
    evaluate: Evaluate,
    case: Draws,
    *,
    parameters_too: bool,
) -> Draws:
    """Replace numbers by 0, whole numbers or few digits, as long as the violation stays."""
    for _ in range(_PASSES):
        changes = _changes(case, parameters_too=parameters_too)
        if not changes:
            break
        verdicts = _check(bench, evaluate, [change(case) for change in changes])
        accepted = [change for change, ok in zip(changes, verdicts, strict=True) if ok]
        if not accepted:
            break
        # apply the accepted changes one on top of the other; keep the longest prefix that violates
        stacked, current = [], case
        for change in accepted:
            current = change(current)
            stacked.append(current)
        good = [k for k, ok in enumerate(_check(bench, evaluate, stacked)) if ok]
        best = stacked[good[-1]] if good else accepted[0](case)
        if not _violates(bench, evaluate, best):
            best = accepted[0](case)
            if not _violates(bench, evaluate, best):
                break
        case = best
    return case


def _check(bench: Bench, evaluate: Evaluate, cases: list[Draws]) -> list[bool]:
    margin = evaluate(bench, bench.engine, Draws.concatenate(cases)).margin
    return [bool(m < 0) for m in margin]


def _changes(case: Draws, *, parameters_too: bool) -> list[Callable[[Draws], Draws]]:
    """Single simplifications, the boldest first."""
    changes: list[Callable[[Draws], Draws]] = []

    def on_state(f: Callable[[Tensor], Tensor]) -> Callable[[Draws], Draws]:
        return lambda d: d.replace(state=f(d.state))

    def on_inputs(f: Callable[[Tensor], Tensor]) -> Callable[[Draws], Draws]:
        return lambda d: d.replace(inputs=f(d.inputs))

    def on_parameter(name: str, f: Callable[[Tensor], Tensor]) -> Callable[[Draws], Draws]:
        return lambda d: d.replace(parameters={**d.parameters, name: f(d.parameters[name])})

    places: list[
        tuple[Callable[[Callable[[Tensor], Tensor]], Callable[[Draws], Draws]], Tensor]
    ] = [
        (on_inputs, case.inputs),
        (on_state, case.state),
        *(
            (lambda f, name=name: on_parameter(name, f), value)
            for name, value in case.parameters.items()
            if parameters_too
        ),
    ]
    for wrap, value in places:
        if value.numel() and bool((value != 0).any()):
            changes.append(wrap(torch.zeros_like))
    if len(case.inputs) > 1 and not bool((case.inputs == case.inputs[:1]).all()):
        changes.append(on_inputs(lambda v: v[:1].expand_as(v).clone()))
    for wrap, value in places:
        if not value.numel():
            continue
        for digits in (0, 1, 3):
            rounded = _rounded(value, digits)
            if not torch.equal(rounded, value):
                changes.append(wrap(functools.partial(_rounded, digits=digits)))
                break
    for wrap, value in places:
        if 1 < value.numel() <= 48:
            changes.extend(
                wrap(functools.partial(_zeroed, flat=flat))
                for flat in range(value.numel())
                if float(value.reshape(-1)[flat]) != 0
            )
    return changes[:160]


def _rounded(value: Tensor, digits: int) -> Tensor:
    return torch.round(value.double(), decimals=digits).to(value.dtype)


def _zeroed(value: Tensor, flat: int) -> Tensor:
    copy = value.clone()
    copy.reshape(-1)[flat] = 0
    return copy

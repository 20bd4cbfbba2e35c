"""The search: Hypothesis draws regimes, each regime is a batch of draws, a violation is made small.

Every property supplies ``evaluate(bench, engine, draws) -> Margins``; a negative margin is a violation.
The same function serves the batch and the replay on the real cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import hypothesis
import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from torch import Tensor

from properties.core.context import Bench, Context
from properties.core.engine import Engine
from properties.core.sampling import Regime
from properties.core.witness import Draws, Witness


@dataclass(frozen=True)
class Margins:
    """One number per draw: at least 0 holds, below 0 violates, NaN is not admissible (discarded)."""

    margin: Tensor
    observed: Tensor
    required: Tensor
    sentence: Callable[[int], str]


Evaluate = Callable[[Bench, Engine, Draws], Margins]


@dataclass
class Outcome:
    """What a search saw."""

    passed: int = 0
    discarded: int = 0
    extreme: float = float("-inf")
    witness: Witness | None = None
    unconfirmed: int = 0
    horizon: int = 0
    sizes: set[tuple[int, int]] = field(default_factory=set)


_REPLAYS = 4  # the worst cases of a batch that are replayed
_BITS = 31


class _Found(Exception):  # noqa: N818 - a signal, not an error
    """Ends a Hypothesis run at the first violation; never leaves this module."""


def regimes(
    sizes: tuple[tuple[int, int], ...], shortest: int, longest: int
) -> st.SearchStrategy[Regime]:
    """Sizes, horizons (every other one short) and seeds; the first tried is the smallest and shortest."""
    short, any_length = _whole(shortest, min(shortest + 3, longest)), _whole(shortest, longest)
    return st.builds(
        Regime,
        size=_whole(0, len(sizes) - 1).map(sizes.__getitem__),
        horizon=st.tuples(st.booleans(), short, any_length).map(lambda t: t[1 + t[0]]),
        seed=_whole(0, 2**31 - 1),
    )


def _whole(low: int, high: int) -> st.SearchStrategy[int]:
    """A whole number in low … high, made of single bits.

    ``st.integers`` now and then takes a constant from the source of whatever modules are loaded, so
    that the same certificate would come out differently in a test run and from the shell.
    """
    count = high - low + 1
    bits = st.tuples(*[st.booleans()] * _BITS)
    return bits.map(lambda b: low + (sum(bit << k for k, bit in enumerate(b)) * count >> _BITS))


def search(
    context: Context,
    key: str,
    scope: str,
    evaluate: Evaluate,
    *,
    longest: int,
    shortest: int = 1,
    explicit: tuple[Regime, ...] = (),
    sizes: tuple[tuple[int, int], ...] | None = None,
    make: Callable[[Regime], Draws] | None = None,
    fast: Evaluate | None = None,
    tentative: bool = False,
) -> Outcome:
    """Look for a violation of ``key`` in ``scope``; ``explicit`` regimes are tried first.

    ``make`` builds the draws of a regime (default: the stratified ones); ``fast`` is a cheaper
    ``evaluate`` for shrinking, whose result the full one confirms; ``tentative``: a violation in the
    batch is only a suspicion (growth that may still settle), so one that the replay does not
    confirm has passed. The first violation that the real cell confirms is shrunk and returned.
    """
    stored = context.notes.get(("replay", key, scope))
    if isinstance(stored, Witness):
        return _replayed(context, evaluate, stored.draws)
    sizes = sizes or context.subject.sizes
    make = make or (lambda regime: context.draws(regime, scope))
    outcome = Outcome()
    found: list[tuple[Regime, Draws]] = []

    def run(regime: Regime) -> None:
        bench = context.bench(regime.size)
        draws = make(regime)
        margins = evaluate(bench, bench.engine, draws)
        bad = margins.margin < 0
        outcome.passed += int((margins.margin >= 0).sum())
        outcome.discarded += int(margins.margin.isnan().sum())
        outcome.horizon = max(outcome.horizon, draws.inputs.shape[0])
        outcome.sizes.add(regime.size)
        seen = margins.observed[torch.isfinite(margins.observed)]
        if len(seen):
            outcome.extreme = max(outcome.extreme, float(seen.max()))
        if bool(bad.any()):
            order = torch.argsort(torch.nan_to_num(margins.margin, nan=torch.inf))
            for i in order[: min(2 if tentative else _REPLAYS, int(bad.sum()))].tolist():
                case = draws.select([i])
                if float(evaluate(bench, bench.real, case).margin[0]) < 0:
                    found.append((regime, case))
                    raise _Found
                if tentative:
                    outcome.passed += 1
                else:
                    outcome.unconfirmed += 1

    seed = context.derive("search", key, scope)
    configured = settings(
        max_examples=context.profile.regimes,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    try:
        for regime in explicit:
            run(regime)
        strategy = regimes(sizes, shortest, longest)
        configured(hypothesis.seed(seed)(hypothesis.given(strategy)(run)))()
    except _Found:
        from properties.core.shrink import shrink

        regime, case = found[0]
        outcome.witness = shrink(
            context, evaluate, fast or evaluate, make, regime, case, shortest,
            parameters_too=scope == "all-weights",
        )  # fmt: skip
    return outcome


def _replayed(context: Context, evaluate: Evaluate, case: Draws) -> Outcome:
    """What the real cell makes of one stored case: nothing is searched."""
    size = (case.input_size, case.hidden_size)
    bench = context.bench(size)
    margins = evaluate(bench, bench.real, case)
    observed = float(margins.observed[0])
    outcome = Outcome(extreme=observed, horizon=case.inputs.shape[0], sizes={size})
    if float(margins.margin[0]) < 0:
        outcome.witness = Witness(case, observed, float(margins.required[0]), margins.sentence(0))
    else:
        outcome.passed = 1
    return outcome

"""fused-equals-reference: another implementation of the cell gives its outputs, states and every gradient."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import torch

from properties.core.agreement import DTYPES, Comparison, compare
from properties.core.context import Bench, Context
from properties.core.desideratum import Finding, Property
from properties.core.engine import Engine
from properties.core.implementations import implementations
from properties.core.observation import Case
from properties.core.sampling import Regime
from properties.core.search import Margins, search
from properties.core.setting import BATCHES, Setting
from properties.core.subject import stable_seed
from properties.core.verdict import Status
from properties.core.witness import Draws, Witness

KEY = "fused-equals-reference"
LONGEST = 33  # no multiple of what a kernel may unroll or prefetch by
# more units than a tile of 64 has and than two, also of a state in two fields; no multiple of a tile
_WIDE = ((3, 134), (5, 66), (3, 65), (66, 66))
# more inputs than a kernel may map by itself
_MANY_INPUTS = ((11, 10), (11, 11))
_SHARE, _LEAST = 24, 6  # of the draws of a batched search: each is run through layers by itself


def judge(context: Context, scope: str) -> Finding:
    """Compare case by case; what an implementation refuses is counted, not held against it."""
    subject = context.subject
    standard = subject.standard_size
    others, why_no_more = implementations(context.bench(standard).sampler.cell)
    if not others:
        return Finding(Status.NOT_APPLICABLE, f"nothing but the reference runs it ({why_no_more})")
    names = [other.name for other in others]
    tally = _Tally()

    def evaluate(bench: Bench, _: Engine, draws: Draws) -> Margins:
        return margins(context, bench, draws, tally)

    def make(regime: Regime) -> Draws:
        return with_settings(_draws(context, regime, scope), regime.seed)

    sizes = tuple(dict.fromkeys((*subject.sizes, *_wide(context))))
    wide = [s for s in sizes if s not in subject.sizes]
    tried = [(standard, 0), (standard, 1), (standard, 2), (standard, LONGEST), (sizes[0], 3)]
    tried += [(size, 2) for size in wide]
    explicit = tuple(Regime(s, t, context.derive(KEY, scope, s, t)) for s, t in tried)
    outcome = search(
        context, KEY, scope, evaluate, shortest=0, longest=LONGEST, explicit=explicit, make=make,
    )  # fmt: skip
    evidence: dict[str, Any] = {"implementations": names, "worst_ratio": tally.worst}
    if tally.refusals:
        evidence["refused"] = dict(tally.refusals)
    quantifiers = {
        "parameters": scope,
        "horizon": f"0 … {outcome.horizon}",
        "batch": [list(b) for b in BATCHES],
        "dtype": [str(d).removeprefix("torch.") for d in DTYPES],
        "sizes": sorted(list(s) for s in outcome.sizes),
    }
    status, reason = Status.TESTED, f"{' and '.join(names)} as the reference"
    if outcome.witness is not None:
        status, reason = Status.FALSIFIED, outcome.witness.sentence
    elif not outcome.passed and tally.refusals:
        status = Status.INCONCLUSIVE
        reason = f"every case was refused, as in {_first(tally)}"
    elif not outcome.passed or outcome.unconfirmed:
        status = Status.INCONCLUSIVE
        reason = (
            f"{outcome.unconfirmed} deviations were not seen again, {outcome.passed} cases agree"
        )
    elif tally.refusals:
        total = outcome.passed + outcome.discarded
        reason += f"; refused in {tally.refusals.total()} of {total} cases, as in {_first(tally)}"
    return Finding(
        status, reason, quantifiers, outcome.passed, outcome.discarded, evidence, outcome.witness
    )


class _Tally:
    """What the search leaves beside margins: the worst ratio of what agreed, and refusals by their text."""

    def __init__(self) -> None:
        self.worst = 0.0
        self.refusals: Counter[str] = Counter()

    def add(self, comparison: Comparison) -> None:
        if comparison.refusal:
            self.refusals[f"{comparison.name}: {comparison.refusal}"] += 1
        if comparison.ratio <= 1:
            self.worst = max(self.worst, comparison.ratio)


def _first(tally: _Tally) -> str:
    return tally.refusals.most_common(1)[0][0]


def _draws(context: Context, regime: Regime, scope: str) -> Draws:
    count = max(_LEAST, context.profile.draws // _SHARE)
    return context.draws(regime, scope, count)


def with_settings(draws: Draws, seed: int) -> Draws:
    """``draws`` with a setting each, by its number: twelve in a row hold every choice."""
    start = stable_seed("settings", seed)
    codes = [Setting.numbered(start + i).code() for i in range(len(draws))]
    setting = torch.tensor(codes, dtype=draws.state.dtype)
    return draws.replace(extra={**draws.extra, "setting": setting})


def case_of(draws: Draws, place: int) -> Case:
    """Draw ``place`` as a case."""
    return Case(
        {k: v[place] for k, v in draws.parameters.items()},
        draws.state[place],
        draws.inputs[:, place],
        Setting.decoded(draws.extra["setting"][place]),
    )


def margins(context: Context, bench: Bench, draws: Draws, tally: _Tally) -> Margins:
    """1 minus the worst deviation in multiples of what rounding explains; below 0 its order of magnitude."""
    ratios, texts = [], []
    for place in range(len(draws)):
        comparisons = compare(lambda dtype: _cell(context, bench, dtype), case_of(draws, place))
        for comparison in comparisons:
            tally.add(comparison)
        compared = [c for c in comparisons if not math.isnan(c.ratio)]
        worst = max(compared, key=lambda c: c.ratio, default=None)
        ratios.append(math.nan if worst is None else worst.ratio)
        steps = f"T = {len(draws.inputs)}, {case_of(draws, place).setting}"
        texts.append("" if worst is None else f"{worst.text}; {steps}")
    observed = torch.tensor(ratios, dtype=torch.float64)
    # all violations are as bad: a smaller case need not deviate by as much
    beyond = -observed.clamp(min=1, max=1e30).log10() / 100 - 1e-6
    margin = torch.where(observed > 1, beyond, 1 - observed)
    margin = torch.where(observed.isnan(), torch.nan, margin)
    return Margins(margin, observed, torch.ones_like(observed), texts.__getitem__)


def _cell(context: Context, bench: Bench, dtype: torch.dtype) -> Any:
    """The bench's cell in ``dtype``, made once; a fresh one, since what it offers may hold on to it."""
    slot = ("cell", bench.size, dtype)
    if slot not in context.notes:
        seed = stable_seed(context.seed, "initialization", bench.size, 0)
        context.notes[slot] = context.subject.build(*bench.size, seed=seed).to(dtype)
    return context.notes[slot]


def _wide(context: Context) -> tuple[tuple[int, int], ...]:
    """Sizes that kernels run otherwise: with more units than a tile, and with many inputs.

    Of each kind the first that the cell can be built at; none for trained weights.
    """
    if context.subject.weights is not None:
        return ()
    return tuple(
        size
        for sizes in (_WIDE, _MANY_INPUTS)
        for size in (_first_buildable(context, sizes),)
        if size is not None
    )


def _first_buildable(
    context: Context, sizes: tuple[tuple[int, int], ...]
) -> tuple[int, int] | None:
    for size in sizes:
        try:
            cell = context.subject.build(*size)
            cell.step(torch.zeros(size[0], dtype=context.subject.dtype), cell.initial_state())
        except Exception:  # noqa: BLE001, S112 - whatever a stranger's constructor raises
            continue
        if getattr(cell, "input_size", size[0]) == size[0]:
            return size
    return None


def reproduce(context: Context, witness: Witness) -> list[str]:
    """Lines of a script that runs both implementations on the case and prints what deviates."""
    del context
    draws = witness.draws
    setting = Setting.decoded(draws.extra["setting"][0])
    given = f"batch={setting.batch}, inputs={setting.inputs!r}, state={setting.state!r}"
    return [
        "from properties.core.agreement import compare",
        "from properties.core.observation import Case",
        "from properties.core.setting import Setting",
        "",
        f"setting = Setting({given},",
        f"                  watched={setting.watched!r}, cotangent={setting.cotangent!r})",
        f"parameters = {{name: TENSORS[name] for name in {list(draws.parameters)}}}",
        "case = Case(parameters, STATE, INPUTS, setting)",
        "broken = False",
        "for comparison in compare(lambda dtype: build().to(dtype), case):",
        "    for complaint in comparison.complaints:",
        "        print(f'{comparison.name}: {complaint.text}')",
        "    broken = broken or bool(comparison.complaints)",
    ]


PROPERTY = Property(
    key=KEY,
    title="fused equals reference",
    statement=(
        "Every other implementation of the cell (the library's kernels, generated ones, one that the cell "
        "offers as `fused`) gives the outputs, the last state and the gradients in inputs, initial state and "
        "each parameter that the unrolled step gives, and these are the derivatives of its own forward: for "
        "all parameters in scope, every T, 0 to 2 batch axes, float32 and float64, whatever the strides and "
        "whichever gradients are asked for; and a NaN that is fed comes out."
    ),
    source="DESIGN.md, sections 3 and 4",
    order=66,
    judge=judge,
    reproduce=reproduce,
    semantics=("F", "A"),
)

"""From a plan to its variants: the combinations that its design asks for, less the impossible ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ablations.core.errors import AblationError
from ablations.core.plan import Plan
from studies.core.protocol import Profile


class Variant(NamedTuple):
    """One combination of levels. ``name``: the levels that leave the baseline, or "baseline"."""

    name: str
    levels: dict[str, str]
    cell: str
    overrides: dict[str, Any]


class Impossible(NamedTuple):
    """A combination that a rule forbids, and the rule."""

    name: str
    levels: dict[str, str]
    because: str


def combinations(plan: Plan) -> Iterator[dict[str, str]]:
    """The combinations of the design, the baseline first, each once."""
    seen = set()
    for levels in _asked(plan):
        complete = plan.complete(levels)
        key = tuple(complete.values())
        if key not in seen:
            seen.add(key)
            yield complete


def _asked(plan: Plan) -> Iterator[Mapping[str, str]]:
    if plan.design == "factorial":
        names = [axis.name for axis in plan.axes]
        for levels in itertools.product(*([lv.name for lv in axis.levels] for axis in plan.axes)):
            yield dict(zip(names, levels, strict=True))
        return
    yield {}
    if plan.design == "list":
        yield from plan.variants
        return
    for axis in plan.axes:
        for level in axis.levels[1:]:
            yield {axis.name: level.name}


def label(plan: Plan, levels: Mapping[str, str]) -> str:
    """``memory=zero``, or ``baseline`` where nothing is changed."""
    changed = [
        f"{axis.name}={levels[axis.name]}"
        for axis in plan.axes
        if levels[axis.name] != axis.baseline.name
    ]
    return ", ".join(changed) or "baseline"


def forbidden(plan: Plan, levels: Mapping[str, str]) -> str | None:
    """Why the combination cannot be, or None."""
    for axis in plan.axes:
        for rule in axis.requires:
            if levels[axis.name] != rule.level or rule.axis not in levels:
                continue
            if levels[rule.axis] not in rule.levels:
                wanted = " or ".join(rule.levels)
                return f"{axis.name}={rule.level} requires {rule.axis}={wanted}: {rule.because}"
    return None


def enumerate_variants(
    plan: Plan, profile: Profile = "paper"
) -> tuple[list[Variant], list[Impossible]]:
    """What can be run, in the order of the design, and what cannot. The baseline is the first variant.

    Raises :class:`AblationError` where the baseline itself is impossible.
    """
    possible, impossible = [], []
    for levels in combinations(plan):
        because = forbidden(plan, levels)
        if because is not None:
            impossible.append(Impossible(label(plan, levels), levels, because))
            continue
        overrides: dict[str, Any] = {}
        parts = {}
        for axis in plan.axes:
            level = axis.level(levels[axis.name])
            overrides |= level.changes(profile)
            parts[axis.name] = level.cell
        possible.append(Variant(label(plan, levels), levels, _cell(plan, parts), overrides))
    if not possible or possible[0].name != "baseline":
        raise AblationError(
            f"plan {plan.name}: its baseline is impossible: {impossible[0].because}"
        )
    return possible, impossible


def _cell(plan: Plan, parts: Mapping[str, str | None]) -> str:
    named = {name: part for name, part in parts.items() if part is not None}
    try:
        composed = plan.cell.format(**named)
    except (KeyError, IndexError, ValueError) as error:
        raise AblationError(
            f"plan {plan.name}: cell {plan.cell!r}: expected braces around axes whose levels "
            "name a part of a "
            f"cell ({', '.join(named) or 'none here'}), got {error}"
        ) from error
    return plan.aliases.get(composed, composed)

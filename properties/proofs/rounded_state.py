"""A radius for the step as it is executed: the least fixed point of intervals in the dtype's own numbers.

The image of [−M, M] grows with M, so iterating it from M = 0 either settles at the least M that intervals can
prove, or a radius is guessed and shrunk. Where a gate's argument is read twice and the format has 16
bits, the argument is enumerated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from properties.proofs.enumeration import SIXTEEN_BIT, entangled, executed, outermost
from properties.proofs.expression import Expressions
from properties.proofs.interval_rules import Interval
from properties.proofs.intervals import Intervals
from properties.proofs.rounding import Rounding

_STEPS = 2000
_ENUMERATED_STEPS = 120
_PATIENCE = 32
_INFLATION = (0.0, 1e-12, 1e-9, 1e-6, 1e-4, 1e-2, 0.1, 1.0, 10.0)
_HOPELESS = 1e6


@dataclass(frozen=True, slots=True)
class RoundedRadius:
    """``radius``: an inductive one, or None and a ``reason``; ``tight``: whether every smaller one fails."""

    radius: float | None
    method: str
    reason: str = ""
    tight: bool = False


def rounded_radius(
    arena: Expressions,
    new: Sequence[int],
    old: Sequence[int],
    dtype: torch.dtype,
    hints: Sequence[float] = (),
) -> RoundedRadius:
    """A radius M such that the rounded step maps |old| ≤ M into |new| ≤ M.

    ``new`` and ``old``: places of the recurrent scalars; ``hints``: radii worth trying, the claim first.
    """
    rounding = Rounding(dtype)
    knots = sorted({origin for place in new for origin in entangled(arena, [place])})
    found, problem, least = _fixed_point(_image(arena, new, old, rounding, {}), hints, _STEPS)
    forgets = (
        ""
        if not knots
        else (
            f"; intervals forget that the gates of {arena.text(knots[0], 1)} read the same argument"
        )
    )
    plain = RoundedRadius(
        found,
        "interval",
        problem or f"intervals map no box up to {_HOPELESS:g} into itself{forgets}",
        tight=not knots and least,
    )
    kept = found is not None and (not hints or found <= hints[0])
    if dtype not in SIXTEEN_BIT or not knots or kept:
        return plain
    image = _enumerated_image(arena, new, old, rounding)
    radius, _, _ = _fixed_point(image, hints, _ENUMERATED_STEPS)
    if radius is not None and (found is None or radius < found):
        return RoundedRadius(radius, "enumeration")
    return plain


Image = Callable[[float], tuple[float, str]]
"""From M to the largest |new| over |old| ≤ M, and what could not be bounded."""


def _image(
    arena: Expressions,
    new: Sequence[int],
    old: Sequence[int],
    rounding: Rounding,
    known: Mapping[int, Interval],
) -> Image:
    # what the gates return when they read any state at all does not change with M
    gates = [p for p in outermost(arena, new) if p not in known]
    once = Intervals(arena, rounding, known)
    fixed = {**{p: once.at(p) for p in gates}, **known}

    def image(radius: float) -> tuple[float, str]:
        box = dict.fromkeys(old, Interval.of(-radius, radius))
        domain = Intervals(arena, rounding, {**fixed, **box})
        largest = max(float(domain.at(place).magnitude.max()) for place in new)
        problems = [*once.unproved, *domain.unproved]
        return largest, problems[0] if problems else ""

    return image


def _enumerated_image(
    arena: Expressions, new: Sequence[int], old: Sequence[int], rounding: Rounding
) -> Image:
    """Each new scalar with the enumeration that bounds it best: one entangled argument at a time."""
    if rounding.dtype is None:
        raise ValueError("expected a 16-bit dtype, got exact reals")
    choices: list[list[Image]] = []
    for place in new:
        knots = entangled(arena, [place])
        tables = [executed(arena, origin, [place], rounding.dtype) for origin in knots]
        choices.append([_image(arena, [place], old, rounding, t) for t in (tables or [{}])])

    def image(radius: float) -> tuple[float, str]:
        results = [min(choice(radius) for choice in images) for images in choices]
        return max(r for r, _ in results), next((why for _, why in results if why), "")

    return image


def _fixed_point(
    image: Image, hints: Sequence[float], steps: int
) -> tuple[float | None, str, bool]:
    """The least fixed point where iterating from 0 settles, else a hint that is inductive.

    Returns the radius, what could not be bounded, and whether the radius is the least one.
    """
    radius = 0.0
    gains: list[float] = []
    for _ in range(steps):
        grown, problem = image(radius)
        if problem:
            return None, problem, False
        if grown <= radius:
            return radius, "", True
        if not math.isfinite(grown):
            return None, "the new state has no bound, even from a state of zero", False
        gains.append(grown - radius)
        radius = grown
        if grown > _HOPELESS or (len(gains) > _PATIENCE and gains[-1] > 0.99 * gains[-_PATIENCE]):
            break  # it grows as fast as it did: it will not settle, except by absorption
    guesses = (*hints, *(hint * (1 + e) for hint in (*hints, radius) for e in _INFLATION))
    for guess in guesses:
        shrunk, _ = image(guess)
        if shrunk <= guess:
            return _shrink(image, guess), "", False
    return None, "", False


def _shrink(image: Image, radius: float) -> float:
    """A smaller inductive radius: the image of an inductive box is inductive."""
    for _ in range(_ENUMERATED_STEPS):
        shrunk, _ = image(radius)
        if shrunk >= radius:
            break
        radius = shrunk
    return radius

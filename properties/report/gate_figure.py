"""The picture of the page about gates: the gradient of each, in multiples of a sigmoid's."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from properties.core.saturation import EPSILONS, SIDES
from properties.report.gate_page import at, curves, power

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP, _MARGIN = 250, 270, 60, 50, 210, 175
_HIGHEST = 3.0
_INK = "#6e7781"  # legible on white and on black
# of the palette of Okabe and Ito, which color-blind readers tell apart
_COLORS = {
    "sigmoid": "#6e7781", "refine": "#d55e00", "master": "#009e73", "cumax": "#0072b2",
    "cumax, refine": "#cc79a7", "cumax, master": "#56b4e9", "kernel activation": "#e69f00",
}  # fmt: skip
_LINE_HEIGHT = 15.0


def figure() -> str:
    """An SVG of two panels, near open and near shut; dashed: on the path of gradient ascent."""
    total = _LEFT + 2 * _WIDTH + _GAP + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {_TOP + _HEIGHT + 55}" role="img">',
        "<title>Gradient of a gate at a distance ε from saturation, in multiples of a sigmoid's</title>",
        f'<g font-family="sans-serif" font-size="12" fill="{_INK}">',
    ]
    for place, side in enumerate(SIDES):
        parts += _panel(side, _LEFT + place * (_WIDTH + _GAP))
    return "\n".join([*parts, "</g>", "</svg>"])


def _panel(side: str, left: float) -> list[str]:
    right, bottom = left + _WIDTH, _TOP + _HEIGHT
    parts = [f'<text x="{left}" y="{_TOP - 20}" font-weight="bold">near {side}</text>']
    for tick in range(int(_HIGHEST) + 1):
        y = _y(tick)
        parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="{_INK}" stroke-opacity="0.3"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{tick}×</text>')
    for epsilon in EPSILONS:
        x = _x(epsilon, left)
        parts.append(
            f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{power(epsilon)}</text>'
        )
    parts.append(
        f'<text x="{(left + right) / 2}" y="{bottom + 38}" text-anchor="middle">distance ε</text>'
    )
    ends: list[tuple[float, str, str]] = []
    for name, found in curves().items():
        color = _COLORS[name]
        reached = [level for epsilon in EPSILONS if (level := at(found, side, epsilon)) is not None]
        most = [(_x(v.epsilon, left), _y(v.most)) for v in reached]
        climbed = [(_x(v.epsilon, left), _y(v.ascent)) for v in reached if v.ascent is not None]
        parts.append(_line(most, color, "2"))
        if len(climbed) == len(most) and climbed != most:
            parts.append(_line(climbed, color, "1.5", dashes="4 4"))
        ends.append((most[-1][1], name, color))
    return parts + _labels(ends, right + 8)


def _x(epsilon: float, left: float) -> float:
    return left + _WIDTH * EPSILONS.index(epsilon) / (len(EPSILONS) - 1)


def _y(ratio: float) -> float:
    return _TOP + _HEIGHT * (1 - ratio / _HIGHEST)


def _line(points: Sequence[tuple[float, float]], color: str, width: str, dashes: str = "") -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}"{dashed}/>'
    )


def _labels(ends: Sequence[tuple[float, str, str]], x: float) -> list[str]:
    """Names at the right ends of their lines, moved down until none covers another."""
    parts, lowest = [], float("-inf")
    for y, name, color in sorted(ends):
        lowest = max(y, lowest + _LINE_HEIGHT)
        parts.append(f'<text x="{x}" y="{lowest + 4:.1f}" fill="{color}">{escape(name)}</text>')
    return parts

"""The pictures of a page as SVG: the same bytes for the same numbers, letters as paths, no scripts."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from properties.report.curves import Band, Curves, Gamma, Heat, Trace
from properties.report.evidence import ranges
from properties.report.figures import figure as digits

# Okabe and Ito's colors for color-blind readers; every line differs in its dashes too
BLUE, ORANGE, GREEN, INK, GRAY = "#0072B2", "#D55E00", "#009E73", "#222222", "#777777"
STYLES = ((BLUE, "-"), (ORANGE, (0, (5, 1.5))), (GREEN, (0, (1.2, 1.2))))
_SCOPES = {
    "at-init": (BLUE, "-"),
    "these-weights": (BLUE, "-"),
    "all-weights": (ORANGE, (0, (5, 1.5))),
}
_FLOOR, _CEILING = 1e-12, 1e12
_ANNOTATED = 12  # widths up to which a sparse heat map carries its numbers
_STYLE: Any = {
    "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 9, "axes.titlesize": 9,
    "axes.labelsize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8,
    "axes.edgecolor": GRAY, "axes.labelcolor": INK, "text.color": INK, "xtick.color": GRAY,
    "ytick.color": GRAY, "xtick.labelcolor": INK, "ytick.labelcolor": INK, "axes.linewidth": 0.7,
    "xtick.major.width": 0.7, "ytick.major.width": 0.7, "axes.spines.top": False,
    "axes.spines.right": False, "legend.frameon": False, "lines.linewidth": 1.6,
    "axes.unicode_minus": True, "mathtext.fontset": "dejavusans",
}  # fmt: skip


def gradient(data: Curves) -> str:
    """Gradient norm of the state block against the gap: median and the middle 80 % of draws."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes()
        axes.axhline(1, color=GRAY, linewidth=0.8, linestyle=":")
        for band, (color, dashes) in zip(data.gradient, STYLES, strict=False):
            low, middle, high = (_clipped(v) for v in band.values)
            axes.fill_between(band.at, low, high, color=color, alpha=0.15, linewidth=0)
            axes.plot(band.at, middle, color=color, linestyle=dashes, label=band.label)
        gaps = data.gradient[0].at
        axes.set(xscale="log", yscale="log", xlim=(1, int(gaps[-1])), ylim=_room(data.gradient))
        _powers_of_two(axes, int(gaps[-1]))
        _decades(axes)
        axes.set_xlabel("gap T − t (steps)")
        axes.set_ylabel(r"$\Vert\, \partial s_T \,/\, \partial s_t \,\Vert$")
        _legend(figure, axes)
        return _svg(figure, "gradient", "Gradient norm of the state block against the gap")


def growth(data: Curves) -> str:
    """Largest magnitude of the recurrent part against time, for the worst draws of each scope."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes()
        named: set[str] = set()
        for trace in data.growth:
            color, dashes = _SCOPES[trace.scope]
            found = trace.label == "counterexample"
            label = f"{trace.scope}, {'counterexample' if found else 'worst draws'}"
            axes.plot(
                np.arange(1, len(trace.values) + 1), _so_far(trace), color=color,
                linestyle="-" if found else dashes, linewidth=2.4 if found else 1.1,
                alpha=1 if found else 0.75, label=None if label in named else label,
                marker="o" if found else None, markevery=_marks(len(trace.values)), markersize=3.5,
            )  # fmt: skip
            named.add(label)
        for bound in sorted(set(data.bounds.values())):
            scopes = [s for s, b in data.bounds.items() if b == bound]
            who = "" if len(scopes) == len({t.scope for t in data.growth}) else f" {scopes[0]}"
            axes.axhline(
                bound, color=INK, linewidth=0.9, linestyle=(0, (6, 2, 1, 2)),
                label=f"claimed bound M = {digits(bound)}{who}",
            )  # fmt: skip
        longest = max(len(t.values) for t in data.growth)
        axes.set(xscale="log", yscale="log", xlim=(1, longest), ylim=_span(data))
        _powers_of_two(axes, longest)
        _decades(axes)
        axes.set_xlabel("time t (steps)")
        axes.set_ylabel("largest |recurrent part| so far")
        _legend(figure, axes)
        return _svg(figure, "growth", "Largest magnitude of the recurrent part against time")


def gamma(data: Gamma) -> str:
    """γ and γ′ along one state scalar, on four periods of 2π."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.2, 3.4), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True)
        for values, slopes in zip(data.values, data.slopes, strict=True):
            thin = {"linewidth": 1.6 if len(data.values) == 1 else 1.0, "color": BLUE}
            upper.plot(data.at, values, **thin)
            lower.plot(data.at, slopes, **(thin | {"color": ORANGE}))
        for axes, name in ((upper, "γ"), (lower, "γ′")):
            axes.axhline(0, color=GRAY, linewidth=0.6, linestyle=":")
            axes.set_ylabel(name, rotation=0, labelpad=10, va="center")
            low, high = axes.get_ylim()
            if high - low < 0.1:  # a constant must not look like a mountain range
                axes.set_ylim((low + high) / 2 - 0.5, (low + high) / 2 + 0.5)
        lower.set_xlim(-4 * math.pi, 4 * math.pi)
        lower.xaxis.set_major_locator(FixedLocator([k * math.pi for k in (-4, -2, 0, 2, 4)]))
        lower.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _in_pi(x)))
        lower.set_xlabel(f"{'old ' if data.emitted else ''}state scalar {data.scalar}")
        return _svg(figure, "gamma", "The readout and its derivative along one state scalar")


def heat(data: Heat) -> str:
    """|∂state_T/∂state_0| on a log scale; what is exactly zero stays white, the block is outlined."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes()
        matrix = data.jacobian.abs().numpy()
        shown = np.ma.masked_where(~(matrix > 0), np.minimum(matrix, _CEILING))
        norm = LogNorm(*_shades(shown))
        image = axes.imshow(
            shown, cmap="cividis_r", norm=norm, interpolation="nearest", aspect="equal"
        )
        bar = figure.colorbar(image, ax=axes, shrink=0.9, pad=0.02, extend="min")
        bar.outline.set_visible(False)
        bar.set_label("|derivative|, white: exactly 0", color=INK)
        bar.ax.yaxis.set_minor_locator(NullLocator())
        _unit_labels(axes, data.labels)
        if len(data.labels) <= _ANNOTATED and shown.count() <= 3 * len(data.labels):
            _numbers(axes, data.jacobian.numpy(), norm)
        for start, end in _runs(data.block):
            for other, stop in _runs(data.block):
                axes.add_patch(
                    Rectangle(
                        (other - 0.5, start - 0.5), stop - other + 1, end - start + 1, fill=False,
                        edgecolor=ORANGE, linewidth=2, clip_on=False,
                    )
                )  # fmt: skip
        axes.set_xlabel("with respect to the state at time t")
        axes.set_ylabel(f"derivative of the state at t + {data.gap}")
        axes.spines[:].set_visible(False)
        return _svg(figure, "heat", "Jacobian of the state over a gap")


def _axes() -> tuple[Figure, Any]:
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    return figure, figure.subplots()


def _clipped(values: Any) -> Any:
    return np.clip(np.asarray(values, dtype=float), _FLOOR / 1e6, _CEILING * 1e6)


def _so_far(trace: Trace) -> Any:
    return np.maximum.accumulate(_clipped(trace.values))


def _legend(figure: Figure, axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    columns = len(labels) if sum(map(len, labels)) <= 48 else 2  # what fits beside each other
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=2.4)


def _room(bands: Sequence[Band]) -> tuple[float, float]:
    """Limits with at least a decade on both sides of 1."""
    seen = np.concatenate([_clipped(b.values).ravel() for b in bands])
    return max(min(seen.min() / 3, 0.1), _FLOOR), min(max(seen.max() * 3, 10), _CEILING)


def _span(data: Curves) -> tuple[float, float]:
    """Limits that show every trace's peak and at most two decades below the smallest peak."""
    peaks = [float(_so_far(t)[-1]) for t in data.growth]
    lowest = min(float(_so_far(t)[0]) for t in data.growth)
    top = max([*peaks, *data.bounds.values()])
    bottom = max(lowest, min(peaks) * 1e-2, _FLOOR)
    return bottom / 2, min(top, _CEILING) * 3


def _marks(steps: int) -> list[int]:
    return sorted({2**k - 1 for k in range(steps.bit_length()) if 2**k <= steps})


def _powers_of_two(axes: Any, longest: int) -> None:
    every = [2**k for k in range(longest.bit_length()) if 2**k <= longest]
    axes.xaxis.set_major_locator(FixedLocator(every[:: 2 if len(every) > 10 else 1]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _decades(axes: Any) -> None:
    axes.yaxis.set_major_locator(LogLocator(numticks=7))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_locator(NullLocator())


def _in_pi(x: float) -> str:
    turns = round(x / math.pi)
    return "0" if turns == 0 else f"{'−' if turns < 0 else ''}{abs(turns)}π"


def _shades(shown: Any) -> tuple[float, float]:
    """Four to eight decades that end at the largest entry, or at 1 where all are smaller."""
    largest = max(float(shown.max()) if shown.count() else 1.0, 1.0)
    smallest = float(shown.min()) if shown.count() else 1e-4
    return max(min(smallest, largest * 1e-4), largest * 1e-8), largest


def _unit_labels(axes: Any, labels: Sequence[str]) -> None:
    """Every scalar's label where they are few, else one per field at its middle."""
    if len(labels) <= 20:
        places = list(range(len(labels)))
        words = list(labels)
    else:
        fields: dict[str, list[int]] = {}
        for i, label in enumerate(labels):
            fields.setdefault(label.partition("[")[0], []).append(i)
        places = [(p[0] + p[-1]) // 2 for p in fields.values()]
        words = [ranges([labels[i] for i in p]).replace(".re", "") for p in fields.values()]
        words = [w if len(w) < 24 else name for w, name in zip(words, fields, strict=True)]
    axes.set_xticks(places, words, rotation=90 if len(labels) <= 20 else 0)
    axes.set_yticks(places, words)
    axes.tick_params(length=0, labelsize=7)


def _numbers(axes: Any, matrix: Any, norm: LogNorm) -> None:
    for (row, column), value in np.ndenumerate(matrix):
        if value:
            dark = norm(min(abs(value), norm.vmax)) > 0.55
            size = 6.3 if len(matrix) <= 8 else 5
            axes.text(
                column, row, _short(value), ha="center", va="center", fontsize=size,
                color="white" if dark else INK,
            )  # fmt: skip


def _short(value: float) -> str:
    """At most six characters; a bare 1 is exactly 1."""
    if not math.isfinite(value):
        return "∞"
    if abs(value) >= 1000 or abs(value) < 0.001:
        return f"{value:.0e}".replace("e-0", "e−").replace("e+0", "e").replace("-", "−")
    text = f"{value:.{1 if abs(value) < 0.1 else 2}g}" if abs(value) < 100 else f"{value:.0f}"
    almost = "≈" if text in ("1", "-1") and abs(value) != 1 else ""
    return almost + text.replace("-", "−")


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and place == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs


def _svg(figure: Figure, name: str, title: str) -> str:
    """The drawing as one ``<svg>`` element whose identifiers begin with ``name``."""
    buffer = io.StringIO()
    FigureCanvasSVG(figure)
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Type": None, "Format": None},
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    text = re.sub(r"<metadata>.*?</metadata>\n?", "", text, flags=re.DOTALL)
    text = re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>',
        rf'<svg class="plot" viewBox="\1" role="img" aria-label="{title}" xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">',
        text,
        count=1,
    )
    return text.strip()

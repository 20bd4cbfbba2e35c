"""Whether another implementation computes the reference's function: values, states, gradients; three legs.

The reference's autograd, the other implementation's own backward, and finite differences of its own
forward. A hand-written backward certifies nothing by itself, and two of the legs may share a mistake.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from cells import unroll
from properties.core.differences import derivative
from properties.core.implementations import implementations, reason_of
from properties.core.observation import INPUTS, STATE, Case, Layer, Observed
from properties.core.tolerance import ROUNDING

DTYPES = (torch.float64, torch.float32)
Build = Callable[[torch.dtype], Any]
"""A dtype to the cell in that dtype, its parameters beside the point."""


@dataclass(frozen=True)
class Complaint:
    """``ratio``: the deviation in multiples of what rounding explains; ``text``: what deviates and how."""

    ratio: float
    text: str


@dataclass
class Comparison:
    """One implementation in one case. ``ratio``: the worst deviation, NaN where nothing could be compared."""

    name: str
    ratio: float = math.nan
    complaints: list[Complaint] = field(default_factory=list)
    refusal: str = ""

    def add(self, ratio: float, text: str) -> None:
        """Note one quantity; above 1 it is a complaint."""
        self.ratio = ratio if math.isnan(self.ratio) else max(self.ratio, ratio)
        if ratio > 1:
            self.complaints.append(Complaint(ratio, text))

    @property
    def text(self) -> str:
        """The first complaint: of values before gradients, since these follow from those."""
        return f"{self.name}: {self.complaints[0].text}" if self.complaints else ""


@dataclass(frozen=True)
class _Reference:
    """The reference in both precisions, and what it says about rounding."""

    layers: dict[torch.dtype, Layer]
    observed: dict[torch.dtype, Observed]

    def exact(self, kind: str) -> dict[str, Tensor]:
        found: dict[str, Tensor] = getattr(self.observed[torch.float64], kind)
        return found

    def allowance(self, kind: str, name: str, dtype: torch.dtype) -> float | None:
        """How far a quantity may be off in ``dtype``; None where rounding decides it."""
        exact = self.exact(kind)[name]
        rounded = getattr(self.observed[torch.float32], kind)[name]
        if not exact.numel():
            return 0.0
        error, size = _largest(rounded.to(exact.dtype) - exact), _largest(exact)
        # what lies between is a sum of weights times inputs, or times a state or gradient, near 1 or
        # beyond, and may cancel: a rounding there is no smaller
        case = self.layers[torch.float64].case
        weights = max([1.0, *map(_largest, case.parameters.values())])
        around = max(1.0, *(_largest(v) for v in self.exact(kind).values()))
        around *= weights * max(1.0, _largest(case.inputs))
        if not math.isfinite(error + around):
            return None
        least = (ROUNDING.floor + len(case.inputs)) * torch.finfo(torch.float32).eps * around
        if error > ROUNDING.decided * size + least:
            return None
        share = torch.finfo(dtype).eps / torch.finfo(torch.float32).eps
        return share * (ROUNDING.factor * error + least)


def compare(build: Build, case: Case) -> list[Comparison]:
    """The reference against every other implementation of the cell that ``build`` gives, in one case.

    What the reference raises is passed on; what another implementation raises is its refusal.
    """
    built = {dtype: build(dtype) for dtype in DTYPES}
    layers = {d: Layer(c, functools.partial(unroll, c), case, d) for d, c in built.items()}
    reference = _Reference(layers, {d: layer.observe() for d, layer in layers.items()})
    others = {d: implementations(c)[0] for d, c in built.items()}
    comparisons = []
    for place, other in enumerate(others[torch.float64]):
        comparison = Comparison(other.name)
        try:
            for dtype in DTYPES:
                layer = Layer(built[dtype], others[dtype][place].run, case, dtype)
                _against(reference, layer, comparison)
        except Exception as error:  # noqa: BLE001 - whatever a kernel raises, the caller sees it too
            comparison.refusal = f"{type(error).__name__}: {reason_of(error)[:160]}"
        comparisons.append(comparison)
    return comparisons


def _against(reference: _Reference, layer: Layer, comparison: Comparison) -> None:
    dtype = str(layer.dtype).removeprefix("torch.")
    observed = layer.observe()
    for name in observed.overwritten:
        comparison.add(math.inf, f"in {dtype} it writes into {name}")
    sound = True
    for kind in ("values", "gradients"):
        exact, found = reference.exact(kind), getattr(observed, kind)
        for name, want in exact.items():
            what = _named(kind, name)
            got = found[name]
            like = getattr(reference.observed[layer.dtype], kind)[name]
            if got.shape != like.shape or got.dtype != like.dtype:
                text = f"{what} is {_form(got)}, the reference's {_form(like)}"
                comparison.add(math.inf, f"in {dtype} {text}")
                sound = False
                continue
            allowed = reference.allowance(kind, name, layer.dtype)
            if allowed is None or not want.numel():
                continue
            off = _largest(got.to(want.dtype) - want)
            # what is no number where the reference's is
            ratio = (
                math.inf if math.isnan(off) else off / allowed if allowed else math.inf * bool(off)
            )
            ratio = 0.0 if math.isnan(ratio) else ratio
            text = f"in {dtype} {what} is off by {off:.3g} where the largest entry is {_largest(want):.3g}"
            if ratio > 1 and kind == "gradients":
                text += _arbiter(reference, layer, comparison.name, name, found[name])
            comparison.add(ratio, f"{text} (rounding explains {allowed:.2g})")
            sound = sound and ratio <= 1
    if not sound:
        return
    for ratio, text in _propagation(reference.layers[layer.dtype], layer):
        comparison.add(ratio, f"in {dtype} {text}")
    if layer.dtype == torch.float64:
        for ratio, text in _differences(reference, layer, observed):
            comparison.add(ratio, text)


def _arbiter(reference: _Reference, layer: Layer, other: str, name: str, gradient: Tensor) -> str:
    """With whom the other implementation's own forward sides; asked in float64, where differences can."""
    if layer.dtype != torch.float64:
        return ""
    theirs = reference.exact("gradients")[name]
    found = derivative(layer, name, theirs, _noise(reference))
    if found.agrees and not derivative(layer, name, gradient, _noise(reference)).agrees:
        return f"; finite differences of {other}'s own forward side with the reference"
    return ""


def _differences(
    reference: _Reference, layer: Layer, observed: Observed
) -> Iterator[tuple[float, str]]:
    """The third leg: the backward against differences of the forward that it belongs to."""
    noise = _noise(reference)
    if not math.isfinite(noise):
        return
    for name, gradient in observed.gradients.items():
        decided = reference.allowance("gradients", name, torch.float64) is not None
        if not decided or not gradient.numel():
            continue
        found = derivative(layer, name, gradient, noise)
        if found.agrees or found.decided:
            text = (
                f"along one direction the gradient of {name} is {found.slope:.6g}, as the reference says, "
                f"but finite differences of the forward give {found.difference:.6g}"
            )
            yield found.ratio, text


def _noise(reference: _Reference) -> float:
    """How far rounding alone may move the loss."""
    values = reference.exact("values")
    allowed = [reference.allowance("values", name, torch.float64) for name in values]
    if any(a is None for a in allowed):
        return math.inf
    return max(a or 0.0 for a in allowed) * math.sqrt(sum(v.numel() for v in values.values()) + 1)


def _propagation(reference: Layer, layer: Layer) -> Iterator[tuple[float, str]]:
    """A NaN that is fed must come out where the reference lets it out, and nowhere else."""
    case = layer.case
    for where, some in ((INPUTS, case.inputs.numel()), (STATE, case.state.numel())):
        if not some:
            continue
        want, got = reference.spoiled(where), layer.spoiled(where)
        for name, mask in want.items():
            lost = int((mask & ~got[name]).sum())
            made = int((~mask & got[name]).sum())
            what = _named("values", name)
            if lost:
                text = f"a NaN in {where} reaches {what} in the reference and is swallowed here"
                yield math.inf, f"{text} in {lost} of {int(mask.sum())} places"
            elif made:
                text = f"a NaN in {where} spreads to {made} more places of {what}"
                yield math.inf, f"{text} than in the reference"
            else:
                yield 0.0, ""


def _named(kind: str, name: str) -> str:
    if kind == "gradients":
        return f"the gradient of {name}"
    return "the output" if name == "outputs" else f"the last state's {name!r}"


def _form(value: Tensor) -> str:
    return f"of shape {tuple(value.shape)} and {str(value.dtype).removeprefix('torch.')}"


def _largest(value: Tensor) -> float:
    return float(value.abs().max()) if value.numel() else 0.0

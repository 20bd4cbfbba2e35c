"""Finite differences of a layer's forward, and whether they can be trusted."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from properties.core.observation import Layer
from properties.core.tolerance import ROUNDING

_STEPS = (1e-5, 1e-6, 1e-7, 1e-4)
_ALIKE = 0.1


class Derivative(NamedTuple):
    """What the gradient says of one direction, and what the forward does.

    ``slope``: of the gradient given; ``difference``: of the forward; ``ratio``: how far they are apart, in
    multiples of what the step size explains, 0 within that. ``agrees``: at some step size they do;
    ``decided``: they never do, and the differences of several step sizes and of both sides agree with
    one another, so that there is a derivative and it is another.
    """

    slope: float
    difference: float
    ratio: float
    agrees: bool
    decided: bool


def derivative(layer: Layer, name: str, gradient: Tensor, noise: float) -> Derivative:
    """The derivative of the loss along one direction of signs in the leaf ``name``, twice.

    ``noise``: how far rounding may move the loss. A kink or a jump within reach has no derivative: there
    the differences of the two sides differ, and nothing is decided.
    """
    places = torch.arange(gradient.numel(), dtype=torch.float64)
    signs = torch.where(torch.cos(1.3 * places + 0.7) > 0, 1.0, -1.0).reshape(gradient.shape)
    direction = signs.to(layer.leaves[name].dtype)
    products = gradient.conj() * direction
    slope = float(products.sum().real if products.is_complex() else products.sum())
    size = float(gradient.abs().sum())
    here = layer.loss_at(name)
    trusted: list[float] = []
    worst = 0.0
    difference = math.nan
    for step in _STEPS:
        up, down = (layer.loss_at(name, sign * step * direction) for sign in (1, -1))
        difference = (up - down) / (2 * step)
        slack = ROUNDING.difference * max(size, abs(difference)) + 4 * noise / step
        off = abs(difference - slope)
        if off <= slack:
            return Derivative(slope, difference, 0.0, agrees=True, decided=False)
        if abs((up - here) - (here - down)) <= _ALIKE * off * step and math.isfinite(off):
            trusted.append(difference)
            worst = max(worst, off / slack)
    spread = max(trusted) - min(trusted) if trusted else math.inf
    decided = len(trusted) > 1 and spread <= _ALIKE * abs(trusted[0] - slope)
    return Derivative(
        slope, trusted[0] if trusted else difference, worst, agrees=False, decided=decided
    )

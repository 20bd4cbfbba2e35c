"""Mutants whose readout is bounded and never flat, and steeper than they claim somewhere."""

# ruff: noqa: ARG004 - an override keeps the signature of what it overrides
from __future__ import annotations

import torch
from museum.exhibit import Specimen, mutant
from torch import nn

KEY = "bounded-decoder-gradient"


@mutant(KEY, "states near the origin: the slope grows with them")
class SineOfSquare(Specimen):
    def gamma(self, h):
        return torch.sin(h**2)


@mutant(KEY, "checks of values alone")
class FastCosine(Specimen):
    def gamma(self, h):
        return torch.cos(30 * h)


@mutant(KEY, "checks with slack: the bound is missed by one per cent")
class OnePercentTooSteep(Specimen):
    def gamma(self, h):
        return torch.cos(1.01 * h)


@mutant(KEY, "states away from the origin: the slope has a pole there")
class RootAtTheOrigin(Specimen):
    def gamma(self, h):
        return 0.5 * torch.cos(h) + 0.5 * h.abs().sqrt() * torch.exp(-h.abs())


@mutant(KEY, "dropping what is not a number")
class GuardedQuotient(Specimen):
    """cos h, written as sin 2h / (2 sin h) with the limit at 0: there autograd returns 0·∞."""

    def gamma(self, h):
        return torch.where(h == 0, 1.0, torch.sin(2 * h) / (2 * torch.sin(h)))


class TripledBackward(torch.autograd.Function):
    """cos, whose backward is three times too large."""

    generate_vmap_rule = True

    @staticmethod
    def forward(h):
        return torch.cos(h)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        (h,) = ctx.saved_tensors
        return -3 * g * torch.sin(h)


@mutant(KEY, "finite differences: autograd is told another story")
class SteepBackward(Specimen):
    def gamma(self, h):
        return TripledBackward.apply(h)


@mutant(KEY, "checks of one tail")
class SteepToTheLeft(Specimen):
    def gamma(self, h):
        return torch.cos(torch.where(h < 0, 5 * h, h))


@mutant(KEY, "averaging over units")
class OneSteepUnit(Specimen):
    def gamma(self, h):
        return torch.cat((torch.cos(h[..., :-1]), torch.cos(3 * h[..., -1:])), -1)


@mutant(KEY, "parameters as they are constructed", scopes=("all-weights",))
class LearnedFrequency(Specimen):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.frequency = nn.Parameter(torch.zeros(hidden_size))

    def gamma(self, h):
        return torch.cos(h * (0.5 + torch.relu(self.frequency)))

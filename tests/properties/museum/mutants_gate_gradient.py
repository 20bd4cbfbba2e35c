"""Mutants whose gate passes less gradient near saturation than a sigmoid does, or starts elsewhere."""

# ruff: noqa: ARG002 - an override keeps the signature of what it overrides
from __future__ import annotations

import torch
from museum.exhibit import CLAIMS, LAMBDA, Specimen, good, mutant

from cells import Claim

KEY = "gate-gradient"


class Gate:
    """λ's gate as a function of its one pre-activation; in [0, 1], so that r stays bounded."""

    def __init__(self, units, law=None):
        self.blocks = {"b": units}
        self.initial_law = law

    def __call__(self, b):
        return torch.sigmoid(b)


@good
class Gated(Specimen):
    """The specimen, with its gate exposed and one times a sigmoid's gradient claimed."""

    gate = Gate
    law = None
    claims = (*CLAIMS, Claim(KEY, "a plain sigmoid", bound=1.0))

    @property
    def gates(self):
        return {"keep": self.gate(self.units, self.law)}

    def gate_values(self, x, state):
        return self.gates["keep"](self.affine(x, state.recurrent)[1])

    def recur(self, s, r, b, c):
        return LAMBDA * self.gates["keep"](b) * r + torch.tanh(c)


class Halved(Gate):
    def __call__(self, b):
        return torch.sigmoid(0.5 * b)


@mutant(KEY, "checks at pre-activations of zero")
class SoftGate(Gated):
    """σ(a/2) is only as steep as its values allow: half of a sigmoid's slope everywhere."""

    gate = Halved


class SoftBelow(Gate):
    def __call__(self, b):
        return torch.where(b > 0, torch.sigmoid(b), torch.sigmoid(b / 4))


@mutant(KEY, "checks of one side: the other is a plain sigmoid")
class SoftWhereShut(Gated):
    """A sigmoid above 0; below, a quarter of its slope remains when it is nearly shut."""

    gate = SoftBelow


class PartlyDetached(Gate):
    def __call__(self, b):
        value = torch.sigmoid(b)
        return 0.5 * value + 0.5 * value.detach()


@mutant(KEY, "checks of values: autograd is told another story")
class HalfTheGradient(Gated):
    gate = PartlyDetached


class UniformLaw:
    name = "uniform on [0, 1]"

    @staticmethod
    def cdf(g):
        return g.clamp(0, 1)


@mutant(KEY, "gates measured anywhere but at the initialization", scopes=("at-init",))
class StatesAnotherLaw(Gated):
    """All gates start within 0.03 of one half, and are said to be uniform."""

    law = UniformLaw

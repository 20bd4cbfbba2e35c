"""Mutants whose readout has no bound, or a larger one than they claim; slopes stay within [0, 1]."""

from __future__ import annotations

import torch
from museum.exhibit import Specimen, mutant
from torch import nn

KEY = "bounded-decoder"


@mutant(KEY, "checks of the slope alone")
class IdentityReadoutOfMemory(Specimen):
    def readout(self, state):
        return torch.cat((self.gamma(state.recurrent), state.memory), -1)


@mutant(KEY, "checks of the slope alone, and of its zeros")
class StaircaseReadout(Specimen):
    def gamma(self, h):
        return h / 2 + torch.sin(2 * h) / 4


@mutant(KEY, "states near the origin", scopes=("all-weights",))
class GrowsFarOut(Specimen):
    def gamma(self, h):
        return torch.cos(h) * 0.5 + 0.4 * torch.relu(h - 1000)


@mutant(KEY, "checks of one tail")
class GrowsDownwards(Specimen):
    def gamma(self, h):
        return torch.where(h < 0, h, torch.sin(h))


@mutant(KEY, "checks of growth: it grows with the logarithm")
class GrowsLogarithmically(Specimen):
    def gamma(self, h):
        return 0.5 * torch.cos(h) + 0.4 * torch.asinh(h)


@mutant(KEY, "checks of every unit by itself, and of the smallest size")
class SumsOverUnits(Specimen):
    def readout(self, state):
        return super().readout(state).sum(-1, keepdim=True)


@mutant(KEY, "parameters as they are constructed", scopes=("all-weights",))
class LearnedOffset(Specimen):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.offset = nn.Parameter(torch.zeros(hidden_size))

    def gamma(self, h):
        return 0.5 * torch.cos(h) + self.offset


@mutant(KEY, "checks with slack: the bound is missed by one per cent")
class OnePercentTooLarge(Specimen):
    def gamma(self, h):
        return 1.01 * torch.cos(h / 1.01)

"""Mutants whose readout goes flat somewhere; they stay bounded by 1 and so do their slopes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from museum.exhibit import Specimen, mutant

KEY = "non-saturating"


@mutant(KEY, "states near the origin")
class TanhReadout(Specimen):
    def gamma(self, h):
        return torch.tanh(h)


@mutant(KEY, "states near the origin")
class SoftsignReadout(Specimen):
    def gamma(self, h):
        return F.softsign(h)


@mutant(KEY, "states of size 10")
class SineThatDiesAtForty(Specimen):
    def gamma(self, h):
        return torch.sin(h) * torch.sigmoid(40 - h.abs())


@mutant(KEY, "checks of periodicity: it has a period, and is too slow")
class SlowCosine(Specimen):
    def gamma(self, h):
        return torch.cos(0.01 * h)


@mutant(KEY, "checks that the function keeps moving: it does, ever more slowly")
class SineOfLogarithm(Specimen):
    def gamma(self, h):
        return torch.sin(torch.log1p(h**2))


@mutant(KEY, "checks of one tail")
class FlatToTheRight(Specimen):
    def gamma(self, h):
        return torch.where(h > 0, torch.tanh(h), torch.sin(h))


@mutant(KEY, "checks of one tail")
class FlatToTheLeft(Specimen):
    def gamma(self, h):
        return torch.where(h < 0, torch.tanh(h), torch.sin(h))


@mutant(KEY, "windows at fixed places")
class FlatBetweenTwoHundredAndEightHundred(Specimen):
    def gamma(self, h):
        return torch.where((h.abs() > 200) & (h.abs() < 800), 0.5, torch.cos(h))


@mutant(KEY, "states of size 1000")
class DiesAtFiveThousand(Specimen):
    def gamma(self, h):
        return torch.cos(h.clamp(-5000, 5000))


@mutant(KEY, "averaging over units")
class OneUnitSaturates(Specimen):
    def gamma(self, h):
        return torch.cat((torch.cos(h[..., :-1]), torch.tanh(h[..., -1:])), -1)


@mutant(KEY, "taking for unread what has no slope", reads="memory")
class ReadsWithoutGradient(Specimen):
    """Values are those of the specimen; the gradient never reaches the memory."""

    def readout(self, state):
        return self.gamma(torch.cat((state.recurrent, state.memory.detach()), -1))


@mutant(KEY, "taking for unread what has no slope")
class SquareWave(Specimen):
    def gamma(self, h):
        return torch.sign(torch.cos(h))

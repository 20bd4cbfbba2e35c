"""Mutants whose recurrent part leaves the claimed interval, at once or in the end."""

# ruff: noqa: ARG002 - an override keeps the signature of what it overrides
from __future__ import annotations

import torch
from museum.exhibit import BOUND, CLAIMS, LAMBDA, Specimen, mutant

from cells import Claim

KEY = "bounded-state"
SATURATED = ("all-weights",)


@mutant(KEY, "weights near the origin: the gate has to be open", scopes=SATURATED)
class NoContraction(Specimen):
    def recur(self, s, r, b, c):
        return torch.sigmoid(b) * r + torch.tanh(c)


@mutant(KEY, "weights near the origin: the gate has to be open", scopes=SATURATED)
class Expansion(Specimen):
    def recur(self, s, r, b, c):
        return 1.05 * torch.sigmoid(b) * r + torch.tanh(c)


@mutant(KEY, "weights near the origin; the sign alternates", scopes=SATURATED)
class AlternatingExpansion(Specimen):
    def recur(self, s, r, b, c):
        return -1.05 * torch.sigmoid(b) * r + torch.tanh(c)


@mutant(KEY, "short rollouts")
class SlowAccumulation(Specimen):
    def recur(self, s, r, b, c):
        return r + 0.05 * torch.tanh(c)


@mutant(KEY, "rollouts of any length from the cell's own state: it starts inside, and creeps out")
class VerySlowAccumulation(Specimen):
    def recur(self, s, r, b, c):
        return r + 1e-4 * torch.tanh(c)


@mutant(KEY, "weights near the origin: both gates have to be open", scopes=SATURATED)
class UntiedHighway(Specimen):
    """RHN's update with two gates: carry and transform may both tend to 1."""

    def recur(self, s, r, b, c):
        return torch.sigmoid(b) * r + torch.sigmoid(-b + 2 * c) * torch.tanh(c)


@mutant(KEY, "checks of growth: it is the square root of time", scopes=SATURATED)
class SquareRootOfTime(Specimen):
    def recur(self, s, r, b, c):
        return r + torch.tanh(c) / (1 + r.abs())


@mutant(
    KEY, "constant and alternating inputs: a rotation has to be driven in step", scopes=SATURATED
)
class Resonates(Specimen):
    """A rotation by 1 radian in the plane of two units, driven by the input."""

    def recur(self, s, r, b, c):
        if r.shape[-1] == 1:
            return super().recur(s, r, b, c)
        cos, sin = (
            torch.cos(torch.ones((), dtype=r.dtype)),
            torch.sin(torch.ones((), dtype=r.dtype)),
        )
        one, two = r[..., :1], r[..., 1:2]
        turned = torch.cat((one * cos - two * sin, one * sin + two * cos), -1)
        rest = super().recur(s, r, b, c)[..., 2:]
        return torch.cat((turned + 0.2 * torch.tanh(c[..., :2]), rest), -1)


@mutant(KEY, "states near the origin: it is stable there", scopes=SATURATED)
class RunsAwayFromThree(Specimen):
    def recur(self, s, r, b, c):
        return super().recur(s, r, b, c) + 2 * torch.relu(r - 3)


@mutant(KEY, "averaging over units", scopes=SATURATED)
class OneUnitAccumulates(Specimen):
    def recur(self, s, r, b, c):
        rest = super().recur(s, r, b, c)
        return torch.cat((rest[..., :-1], (r + torch.tanh(c))[..., -1:]), -1)


@mutant(KEY, "checks with slack: the bound is missed by one per cent", scopes=SATURATED)
class BoundOnePercentTooSmall(Specimen):
    claims = (
        *CLAIMS[:-1],
        Claim(KEY, "|r_t| ≤ λ|r_{t−1}| + 1, wrongly summed", bound=0.99 * BOUND),
    )


@mutant(KEY, "inputs in [−1, 1]", scopes=SATURATED)
class RawInput(Specimen):
    """The candidate is clipped at 5, which inputs of size 1 never reach."""

    def recur(self, s, r, b, c):
        return LAMBDA * torch.sigmoid(b) * r + c.clamp(-5, 5)

"""Mutants that nothing is wrong with but the precision in which they are computed."""

from __future__ import annotations

import torch
from museum.exhibit import Specimen, State, mutant


@mutant("resolvable-memory", "checks of derivatives: all of them are right", scopes=("at-init",))
class StartsAtATimestamp(Specimen):
    """The memory counts on from nanoseconds since 1970: neighboring numbers are 256 apart."""

    def initial_state(self, *batch):
        s, r = super().initial_state(*batch)
        return State(s + 1.7e18, r)


@mutant("finite-step", "weights and inputs near the origin", scopes=("at-init",))
class ExponentialGain(Specimen):
    def gain(self, a):
        return torch.exp(a)

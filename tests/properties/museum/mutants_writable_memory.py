"""Mutants whose memory is a perfect identity because nothing ever happens to it."""

# ruff: noqa: ARG002 - an override keeps the signature of what it overrides
from __future__ import annotations

import torch
from museum.exhibit import Specimen, mutant

KEY = "writable-memory"


@mutant(KEY, "the identity block itself, which it passes perfectly", reads="no input moves it")
class FrozenMemory(Specimen):
    def write(self, x, s, r, gain):
        return s + 0 * gain


@mutant(KEY, "checks that the memory changes at all", reads="no input moves it")
class CountsSteps(Specimen):
    def write(self, x, s, r, gain):
        return s + 1


@mutant(KEY, "checks that something varies with the parameters", reads="no input moves it")
class WritesItsBias(Specimen):
    def write(self, x, s, r, gain):
        return s + torch.nn.functional.softplus(self.bias[: self.units])


@mutant(KEY, "checks of the step alone", reads="readout does not see it")
class UnreadMemory(Specimen):
    def readout(self, state):
        return self.gamma(state.recurrent)


@mutant(KEY, "checks of the step alone", reads="readout does not see it")
class ReadoutMultipliesByZero(Specimen):
    def readout(self, state):
        return self.gamma(torch.cat((state.recurrent, 0 * state.memory), -1))


@mutant(KEY, "checks of values: it is written, but no gradient arrives", reads="gradient")
class DetachedIncrement(Specimen):
    def write(self, x, s, r, gain):
        return s + gain.detach()


@mutant(KEY, "checks of values: it is written, but no gradient arrives", reads="input")
class StepFunctionIncrement(Specimen):
    def gain(self, a):
        return torch.round(super().gain(a))

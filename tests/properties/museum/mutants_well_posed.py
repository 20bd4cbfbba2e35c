"""Mutants that are no function of (parameters, state, x), or not row by row."""

# ruff: noqa: ARG002 - an override keeps the signature of what it overrides
from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from museum.exhibit import LAMBDA, Specimen, State, mutant
from torch import Tensor, nn

KEY = "well-posed"


@mutant(KEY, "checks that draw a fresh input for every call", reads="input x in place")
class ScalesItsInput(Specimen):
    def affine(self, x, r):
        return super().affine(x.mul_(0.5), r)


@mutant(KEY, "checks that never look at the old state again", reads="'memory' in place")
class WritesIntoOldState(Specimen):
    def write(self, x, s, r, gain):
        return s.add_(gain)


@mutant(KEY, "checks that feed one call at a time", reads="in place")
class ReusesItsOutputBuffer(Specimen):
    """Returns the same storage every time, so that the last state changes under its owner."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self._storage = {}

    def write(self, x, s, r, gain):
        buffer = self._storage.setdefault(s.shape, torch.empty_like(s))
        return buffer.copy_(s + gain)


@mutant(KEY, "checks of the step alone", reads="readout changed")
class ReadoutWritesIntoState(Specimen):
    def readout(self, state):
        state.memory.remainder_(2 * math.pi)
        return super().readout(state)


@mutant(KEY, "checks with non-negative inputs", reads="NaN")
class NaNOnNegativeInput(Specimen):
    def write(self, x, s, r, gain):
        return s + gain * x[..., :1].sqrt()


@mutant(KEY, "checks with inputs near the origin", reads="NaN")
class NaNOnLargeInput(Specimen):
    """A softmax without its shift: exp overflows, and inf/inf is no number."""

    def write(self, x, s, r, gain):
        large = torch.exp(100 * x[..., :1].abs())
        return s + gain * large / (1 + large)


@mutant(KEY, "checks that run each input once", reads="deterministic")
class NoiseInEvaluation(Specimen):
    def write(self, x, s, r, gain):
        return s + F.dropout(gain, 0.1, training=True)


@mutant(KEY, "checks of the step alone", reads="readout.*deterministic")
class DropoutInReadout(Specimen):
    def readout(self, state):
        return F.dropout(super().readout(state), 0.1, training=True)


@mutant(KEY, "checks of values: the noise is the same in every call", reads="random")
class SeedsTheGenerator(Specimen):
    def write(self, x, s, r, gain):
        torch.manual_seed(7)
        return s + gain + 0.1 * torch.rand(s.shape[-1], dtype=s.dtype)


@mutant(KEY, "checks of values: counting changes nothing yet", reads="changed calls")
class PythonCounter(Specimen):
    calls = 0

    def step(self, x, state):
        self.calls += 1
        return super().step(x, state)


@mutant(KEY, "checks of attributes that are no tensors", reads="changed ticks")
class BufferCounter(Specimen):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.register_buffer("ticks", torch.zeros(()))

    def step(self, x, state):
        self.ticks.add_(1)
        return super().step(x, state)


def _hidden_clock(period, input_size, hidden_size):
    """A cell whose memory is halved at every ``period``-th call, counted where no attribute shows it."""
    calls = 0

    class Clockwork(Specimen):
        def write(self, x, s, r, gain):
            nonlocal calls
            calls += 1
            return (0.5 * s if calls % period == 0 else s) + gain

    return Clockwork(input_size, hidden_size)


@mutant(KEY, "checks of one step, and of attributes", reads="rollouts differ")
def halves_every_41st_call(input_size, hidden_size):
    """A period that no round number of calls is a multiple of."""
    return _hidden_clock(41, input_size, hidden_size)


@mutant(KEY, "comparing rollouts whose length the period divides", reads="rollouts differ")
def halves_every_64th_call(input_size, hidden_size):
    """A period that rollouts of equal length are multiples of."""
    return _hidden_clock(64, input_size, hidden_size)


@mutant(KEY, "checks of attributes", reads="differ")
def remembers_the_last_input(input_size, hidden_size):
    """The echo of the last call is kept in a list."""
    last = []

    class Echo(Specimen):
        def write(self, x, s, r, gain):
            echo = last.pop().mean() if last else 0.0
            last.append(x.detach().clone())
            return s + gain + echo

    return Echo(input_size, hidden_size)


@mutant(KEY, "checks that start after the first call", reads="parameter")
class ClampsItsWeights(Specimen):
    """Idempotent: from the second call on nothing changes any more."""

    def step(self, x, state):
        with torch.no_grad():
            self.weight_r.clamp_(-0.01, 0.01)
        return super().step(x, state)


@mutant(KEY, "checks without gradients", reads="grad")
class AnotherStepUnderNoGrad(Specimen):
    def write(self, x, s, r, gain):
        return (s if torch.is_grad_enabled() else 0.9 * s) + gain


@mutant(KEY, "checks with one row", reads="row")
class MeanOverTheBatch(Specimen):
    def write(self, x, s, r, gain):
        return s + gain - (0.1 * gain.mean(0) if gain.dim() > 1 else 0.1 * gain)


@mutant(KEY, "checks of the first row: it sees itself alone", reads="row")
class SumsOverTheRowsBefore(Specimen):
    def write(self, x, s, r, gain):
        return s + (gain.cumsum(0) if gain.dim() > 1 else gain)


@mutant(KEY, "checks of values", reads="dtype")
class WrongDtype(Specimen):
    def write(self, x, s, r, gain):
        return (s + gain).float()


@mutant(KEY, "checks of values", reads="shape")
class WrongShape(Specimen):
    def write(self, x, s, r, gain):
        return (s + gain).unsqueeze(0)


@mutant(KEY, "checks of values", reads="fields")
class WrongStateType(Specimen):
    def step(self, x, state):
        return tuple(super().step(x, state))


@mutant(KEY, "checks of shapes", reads="fields")
class SwapsItsFields(Specimen):
    """The fields of the state that is returned have other names in another order."""

    class Swapped(NamedTuple):
        """``State`` with its fields the other way round."""

        recurrent: Tensor
        memory: Tensor

    def step(self, x, state):
        s, r = super().step(x, state)
        return self.Swapped(r, s)


@mutant(KEY, "batched checks", reads="unbatched")
class NeedsABatch(Specimen):
    def write(self, x, s, r, gain):
        batch, _ = x.shape
        return s + gain.reshape(batch, self.units)


@mutant(KEY, "batched checks", reads="unbatched")
class NormalizesOverTheFirstAxis(Specimen):
    """The mean over axis 0 is meant to be over units; with a batch it is guarded, alone it is not."""

    def write(self, x, s, r, gain):
        return s + gain - (gain.mean(-1, keepdim=True) if gain.dim() > 1 else gain.mean() + 0.1)


@mutant(KEY, "checks that build the first state once", reads="differ")
class RandomInitialState(Specimen):
    def initial_state(self, *batch):
        zeros = self.weight_x.new_zeros(*batch, self.units)
        return State(torch.randn_like(zeros), zeros)


@mutant(KEY, "checks in training mode only", reads="row")
class BatchNormWithoutRunningStatistics(Specimen):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.norm = nn.BatchNorm1d(self.units, affine=False, track_running_stats=False)

    def recur(self, s, r, b, c):
        c = self.norm(c) if c.dim() > 1 else c
        return LAMBDA * torch.sigmoid(b) * r + torch.tanh(c)

"""Good cells in unusual clothes: an alarm about one of them is a defect of the harness."""

# ruff: noqa: ARG002, ARG004 - an override keeps the signature of what it overrides
from __future__ import annotations

import math
from typing import NamedTuple

import torch
from museum.exhibit import CLAIMS, LAMBDA, Hoisted, Specimen, State, good
from torch import Tensor
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.checkpoint import checkpoint

import cells
from cells import Channels, adapt


@good
def gato(input_size, hidden_size):
    """The registered cell, as published."""
    return cells.get("gato")(input_size, hidden_size)


@good
def gato_of_two_layers(input_size, hidden_size):
    """The registered cell with an increment network per unit."""
    return cells.get("gato-2")(input_size, hidden_size, k=4)


@good
def gato_with_wrapped_memory(input_size, hidden_size):
    """The registered cell with its memory stored modulo 2π."""
    return cells.get("gato")(input_size, hidden_size, wrap_s=True)


@good
class Plain(Specimen):
    """The specimen that every mutant is an edit of."""


@good
class Silent(Specimen):
    """No declarations at all: everything is discovered."""

    channels = None
    claims = ()


class Woven(NamedTuple):
    """``hidden``: s and r taking turns, (\\*batch, 2n)."""

    hidden: Tensor


@good
class Interleaved(Specimen):
    """Memory and recurrent units take turns in one field: no channel can name them."""

    channels = None
    claims = ()

    def initial_state(self, *batch):
        return Woven(self.weight_x.new_zeros(*batch, 2 * self.units))

    def step(self, x, state):
        old = State(state.hidden[..., ::2], state.hidden[..., 1::2])
        s, r = super().step(x, old)
        return Woven(torch.stack((s, r), -1).flatten(-2))

    def readout(self, state):
        return self.gamma(state.hidden)


@good
class InPlaceOnCopies(Specimen):
    """Written with in-place operations throughout, all of them on its own tensors."""

    def step(self, x, state):
        s, r = (v.clone() for v in state)
        a, b, c = self.affine(x, r)
        s.add_(self.gain(a))
        r.mul_(torch.sigmoid(b)).mul_(LAMBDA).add_(torch.tanh(c))
        return State(s, r)


@good
class Roundabout(Specimen):
    """The carry 0.5·(2s) + 0·sin s is the identity, exactly."""

    def write(self, x, s, r, gain):
        return 0.5 * (2 * s) + 0 * torch.sin(s) + gain


@good
class SineReadout(Specimen):
    def gamma(self, h):
        return torch.sin(h)


@good
class BranchesOnData(Specimen):
    """A Python branch on values: right, and nothing that vmap can follow."""

    def affine(self, x, r):
        if not bool(x.any()):
            x = torch.zeros_like(x)
        return super().affine(x, r)


@good
class BranchesInReadout(Specimen):
    """The same in the readout alone."""

    def readout(self, state):
        if bool((state.memory == 0).all()):
            return torch.cat((self.gamma(state.recurrent), torch.ones_like(state.memory)), -1)
        return super().readout(state)


@good
class RemainderWrap(Specimen):
    """s modulo 2π: a shift arrives modulo 2π, and autograd passes cotangents on."""

    def write(self, x, s, r, gain):
        return torch.remainder(s + gain, 2 * math.pi)


@good
class RecurrentReadsMemory(Specimen):
    """The block without the column: r reads s, and the increment reads x alone."""

    def affine(self, x, r):
        a, b, c = super().affine(x, r)
        return a - self.weight_r[: self.units] * r, b, c

    def recur(self, s, r, b, c):
        return super().recur(s, r, b, c + torch.sin(s))


class ExactCopy(torch.autograd.Function):
    """The identity, forward and backward, in the style that vmap refuses."""

    @staticmethod
    def forward(ctx, s):
        return s.clone()

    @staticmethod
    def backward(ctx, g):
        return g


@good
class HarmlessFunction(Specimen):
    def write(self, x, s, r, gain):
        return ExactCopy.apply(s) + gain


@good
class Checkpointed(Specimen):
    """The step runs again in the backward pass, with the parameters of then."""

    def step(self, x, state):
        return checkpoint(super().step, x, state, use_reentrant=False)


@good
class WeightNormed(Specimen):
    """A parametrized part, whose weight is computed at every call."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.scale = weight_norm(torch.nn.Linear(input_size, self.units))

    def write(self, x, s, r, gain):
        return s + gain * torch.sigmoid(self.scale(x))


@good
class SharesAndFreezes(Specimen):
    """One parameter under two names, one that does not learn, and a sparse buffer."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.again = self.weight_r
        self.bias.requires_grad_(requires_grad=False)
        self.register_buffer("wiring", torch.eye(self.units).to_sparse())

    def gain(self, a):
        wired = super().gain(a) * torch.sigmoid(self.again[: self.units])
        return wired @ self.wiring.to(a.dtype).to_dense()


class Timed(NamedTuple):
    """A lawful clock: integers are carried in the state."""

    memory: Tensor
    recurrent: Tensor
    clock: Tensor


@good
class CarriesAClock(Specimen):
    """Reads its own clock: the increment is larger at every fourth step."""

    def initial_state(self, *batch):
        clock = torch.zeros(*batch, 1, dtype=torch.int64, device=self.weight_x.device)
        return Timed(*super().initial_state(*batch), clock)

    def step(self, x, state):
        clock = (state.clock + 1) % 4
        a, b, c = self.affine(x, state.recurrent)
        s = state.memory + self.gain(a) * torch.where(clock == 0, 2.0, 1.0).to(a.dtype)
        return Timed(s, self.recur(state.memory, state.recurrent, b, c), clock)


@good
class LearnedStart(Specimen):
    """The initial state is a parameter, as RRU's is."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.start = torch.nn.Parameter(torch.rand(self.units))

    def initial_state(self, *batch):
        r = self.start.expand(*batch, self.units).clone()
        return State(torch.zeros_like(r), r)

    claims = CLAIMS


class _Torchlike(torch.nn.Module):
    """A stranger's module that knows nothing of this project: (x, (s, r)) -> (s, r)."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.core = Specimen(input_size, 2 * hidden_size)

    def forward(self, x, state=None):
        old = self.core.initial_state(x.shape[0]) if state is None else State(*state)
        return tuple(self.core.step(x, old))


@good
def adapted(input_size, hidden_size):
    """The specimen seen through ``adapt``, readout and channels given by hand."""
    return adapt(
        _Torchlike(input_size, hidden_size),
        readout=lambda state: torch.cos(torch.cat((state.cell, state.hidden), -1)),
        channels=Channels(memory=("hidden",), recurrent=("cell",)),
        claims=CLAIMS,
    )


@good
class ComplexReadout(Specimen):
    """γ(h) = e^{ih}, a complex number: its parts are what a decoder sees, and both stay within 1."""

    def gamma(self, h):
        return torch.complex(torch.cos(h), torch.sin(h))


@good
class AnotherSchedule(Hoisted):
    """Offers a layer that computes the same in another order."""


@good
class RefusesWhatItCannotRun(Hoisted):
    """A kernel for double precision, at least two steps and one batch axis, that says so."""

    def fused(self, xs, state):
        if xs.dtype != torch.float64 or len(xs) < 2 or xs.dim() != 3:
            raise NotImplementedError("float64, two steps at least, one batch axis")
        return super().fused(xs, state)


@good
def adapted_with_a_layer(input_size, hidden_size):
    """A stranger's cell and layer, which are given to one another by hand."""
    cell = adapted(input_size, hidden_size)
    layer = Hoisted(input_size, 2 * hidden_size)
    layer.load_state_dict(cell.module.core.state_dict())
    layer.weight_x, layer.weight_r, layer.bias = (
        cell.module.core.weight_x, cell.module.core.weight_r, cell.module.core.bias,
    )  # fmt: skip

    def fused(xs, state):
        outputs, last = layer.fused(xs, State(*state))
        return outputs, type(state)(*last)

    cell.fused = fused
    return cell

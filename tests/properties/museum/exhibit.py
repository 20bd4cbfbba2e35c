"""What every exhibit is made of: a small GATO whose parts are methods, its claims, and the catalogue.

A mutant overrides one method and so breaks one property; the claims, with their numbers, stay those of
the good specimen, as they do where a cell is edited and its declarations are forgotten.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cells import Channels, Claim

LAMBDA = 0.7
BOUND = 1 / (1 - LAMBDA)
CLAIMS = (
    Claim("well-posed", "the step is a composition of torch functions of (θ, s, r, x)"),
    Claim("identity-block", "s enters its own update alone, additively"),
    Claim("writable-memory", "the increment reads x, γ reads s"),
    Claim("bounded-decoder", "|cos| ≤ 1", bound=1.0),
    Claim("non-saturating", "cos has period 2π", window=(2 * math.pi, 0.1)),
    Claim("bounded-decoder-gradient", "|sin| ≤ 1", bound=1.0),
    Claim("bounded-state", "|r_t| ≤ λ|r_{t−1}| + 1", bound=BOUND),
)


class State(NamedTuple):
    """``memory`` s and ``recurrent`` r, each (\\*batch, n)."""

    memory: Tensor
    recurrent: Tensor


class Specimen(nn.Module):
    """A sound cell: s + softplus(a), λσ(b)r + tanh(c), γ = cos, with a, b, c diagonal in r.

    ``hidden_size`` counts both channels. Every method below ``step`` is there to be overridden.
    """

    channels = Channels(memory=("memory",), recurrent=("recurrent",))
    claims = CLAIMS

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        if hidden_size % 2:
            raise ValueError(f"hidden_size: expected an even number, got {hidden_size}")
        self.input_size, self.units = input_size, hidden_size // 2
        self.weight_x = nn.Parameter(torch.empty(3 * self.units, input_size).uniform_(-0.1, 0.1))
        self.weight_r = nn.Parameter(torch.empty(3 * self.units).uniform_(-0.1, 0.1))
        self.bias = nn.Parameter(torch.empty(3 * self.units).uniform_(-0.1, 0.1))

    def initial_state(self, *batch: int) -> Any:
        zeros = self.weight_x.new_zeros(*batch, self.units)
        return State(zeros, zeros.clone())

    def affine(self, x: Tensor, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The three pre-activations a, b, c, each (\\*batch, units)."""
        joint = F.linear(x, self.weight_x, self.bias) + self.weight_r * torch.cat((r, r, r), -1)
        a, b, c = joint.chunk(3, -1)
        return a, b, c

    def step(self, x: Tensor, state: Any) -> Any:
        s, r = state
        a, b, c = self.affine(x, r)
        return State(self.write(x, s, r, self.gain(a)), self.recur(s, r, b, c))

    def gain(self, a: Tensor) -> Tensor:
        return torch.logaddexp(a, torch.zeros_like(a))

    def write(self, x: Tensor, s: Tensor, r: Tensor, gain: Tensor) -> Tensor:
        del x, r
        return s + gain

    def recur(self, s: Tensor, r: Tensor, b: Tensor, c: Tensor) -> Tensor:
        del s
        return LAMBDA * torch.sigmoid(b) * r + torch.tanh(c)

    def gamma(self, h: Tensor) -> Tensor:
        return torch.cos(h)

    def readout(self, state: Any) -> Tensor:
        return self.gamma(torch.cat((state.recurrent, state.memory), -1))


class Hoisted(Specimen):
    """A specimen with another schedule: inputs projected at once, the memory summed behind the loop."""

    def fused(self, xs: Tensor, state: State) -> tuple[Tensor, State]:
        return self.run(xs, state, self.weight_r)

    def run(self, xs, state, weight_r):
        s, r = state
        if not len(xs):
            return self.readout(state).new_zeros(0, *self.readout(state).shape), state
        a_r, b_r, c_r = weight_r.chunk(3)
        before, after = [], []
        projected = F.linear(xs, self.weight_x, self.bias)
        for row in projected.unbind(0):
            _, b, c = row.chunk(3, -1)
            before.append(r)
            r = self.recur(s, r, b + b_r * r, c + c_r * r)
            after.append(r)
        a = projected[..., : self.units] + a_r * torch.stack(before)
        memory = s + torch.cumsum(self.gain(a), 0)
        states = State(memory, torch.stack(after))
        return self.readout(states), State(states.memory[-1], states.recurrent[-1])


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One entry of the catalogue.

    ``breaks``: the property that must kill it, and no other may; ``defeats``: the kind of check that
    would let it pass; ``scopes``: where it must be falsified; ``reads``: a pattern its reason matches.
    """

    name: str
    factory: Callable[[int, int], Any]
    breaks: str
    defeats: str
    scopes: tuple[str, ...]
    reads: str


MUTANTS: dict[str, Exhibit] = {}
GOOD: dict[str, Callable[[int, int], Any]] = {}
BOTH = ("at-init", "all-weights")
T = TypeVar("T", bound=Callable[..., Any])


def mutant(
    breaks: str, defeats: str, *, scopes: tuple[str, ...] = BOTH, reads: str = ""
) -> Callable[[T], T]:
    """Enter a class or function ``(input_size, hidden_size) -> cell`` as a mutant."""

    def enter(factory: T) -> T:
        name = _kebab(factory.__name__)
        MUTANTS[name] = Exhibit(name, factory, breaks, defeats, scopes, reads)
        return factory

    return enter


def good(factory: T) -> T:
    """Enter a class or function as a good cell: no line of its certificate may fail."""
    GOOD[_kebab(factory.__name__)] = factory
    return factory


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", "-", name).lower()

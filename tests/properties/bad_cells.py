"""Cells that a harness must survive: each is a sound little cell with one thing wrong."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

NOT_CALLABLE = 7


class State(NamedTuple):
    """``hidden``, (\\*batch, hidden_size)."""

    hidden: Tensor


class Sound(nn.Module):
    """tanh(W x + b + h/2), read by the cosine: declares nothing, so that everything is asked of it."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.weight = nn.Parameter(torch.randn(hidden_size, input_size) / 4)
        self.bias = nn.Parameter(torch.zeros(hidden_size))

    def initial_state(self, *batch: int) -> Any:
        return State(self.weight.new_zeros(*batch, len(self.bias)))

    def step(self, x: Tensor, state: Any) -> Any:
        return State(torch.tanh(x @ self.weight.T + self.bias + state.hidden / 2))

    def readout(self, state: Any) -> Tensor:
        return torch.cos(state.hidden)


class Memory(Sound):
    """h + sin(W x + b), read by the cosine: meets every desideratum that applies to it."""

    def step(self, x: Tensor, state: Any) -> Any:
        return State(state.hidden + torch.sin(x @ self.weight.T + self.bias))


class WrongShape(Sound):
    def step(self, x: Tensor, state: Any) -> Any:
        return State(super().step(x, state).hidden[..., :-1])


class WrongDtype(Sound):
    def step(self, x: Tensor, state: Any) -> Any:
        return State(super().step(x, state).hidden.to(torch.float16))


class WrongDevice(Sound):
    def step(self, x: Tensor, state: Any) -> Any:
        return State(super().step(x, state).hidden.to("meta"))


class AnotherState(Sound):
    def step(self, x: Tensor, state: Any) -> Any:
        return (super().step(x, state).hidden,)


class RaisingStep(Sound):
    def step(self, x: Tensor, state: Any) -> Any:
        del x, state
        raise RuntimeError("the matrix is singular")


class ChangesInput(Sound):
    def step(self, x: Tensor, state: Any) -> Any:
        after = super().step(x, state)
        x.mul_(2)
        return after


class ChangesState(Sound):
    def step(self, x: Tensor, state: Any) -> Any:
        after = super().step(x, state)
        state.hidden.copy_(after.hidden)
        return after


class NotANumber(Sound):
    def step(self, x: Tensor, state: Any) -> Any:
        return State(torch.log(super().step(x, state).hidden))


class RandomInEval(Sound):
    def step(self, x: Tensor, state: Any) -> Any:
        after = super().step(x, state).hidden
        return State(after + 0.1 * torch.rand_like(after))


class CountsSteps(Sound):
    calls = 0

    def step(self, x: Tensor, state: Any) -> Any:
        self.calls = self.calls + 1
        return super().step(x, state)


class CountsInABuffer(Sound):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.register_buffer("seen", torch.zeros(()))

    def step(self, x: Tensor, state: Any) -> Any:
        self.seen = self.seen + 1
        return super().step(x, state)


class KeepsAList(Sound):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.history: list[Tensor] = []

    def step(self, x: Tensor, state: Any) -> Any:
        self.history.append(x)
        return super().step(x, state)


class Branches(Memory):
    """Takes another path for another input: sound, but vmap cannot follow it."""

    def step(self, x: Tensor, state: Any) -> Any:
        return super().step(x, state) if bool(x.abs().sum() >= 0) else state


class BareState(Sound):
    def initial_state(self, *batch: int) -> Any:
        return (super().initial_state(*batch).hidden,)


class CountState(NamedTuple):
    """A state of which one field is a plain number."""

    hidden: Tensor
    steps: int


class NumberInState(Sound):
    def initial_state(self, *batch: int) -> Any:
        return CountState(super().initial_state(*batch).hidden, 0)


class IntegerState(Sound):
    def initial_state(self, *batch: int) -> Any:
        return State(super().initial_state(*batch).hidden.long())


class RaisingStart(Sound):
    def initial_state(self, *batch: int) -> Any:
        del batch
        raise ValueError("no start")


class EndsTheProgram(Sound):
    def step(self, x: Tensor, state: Any) -> Any:
        del x, state
        sys.exit(0)


class Interrupted(Sound):
    """As if the user pressed Ctrl-C while the cell is judged."""

    def step(self, x: Tensor, state: Any) -> Any:
        del x, state
        raise KeyboardInterrupt


def raising(input_size: int, hidden_size: int) -> Any:
    """A factory that never builds anything."""
    raise ZeroDivisionError(f"{input_size} / {hidden_size - hidden_size}")


def wrong_signature(hidden_size: int) -> Any:
    """A factory that takes other arguments."""
    return Sound(1, hidden_size)


def no_cell(input_size: int, hidden_size: int) -> Any:
    """A factory of something else."""
    return {"input_size": input_size, "hidden_size": hidden_size}


def feedforward(input_size: int, hidden_size: int) -> Any:
    """A module that has no state."""
    return nn.Linear(input_size, hidden_size)

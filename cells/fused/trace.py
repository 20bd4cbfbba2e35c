"""From a step to two programs: the step itself, and its vector-Jacobian product, both traced by torch."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from cells.fused.decompositions import decompositions
from cells.fused.program import Program, lower
from cells.fused.step import Step


class Programs(NamedTuple):
    """A step and its vector-Jacobian product.

    ``forward``: (states, inputs, weights, constants) to new states and readouts; ``backward``: those, the new
    states and the gradients of new states and readouts to the gradients of states, inputs and weights.
    """

    forward: Program
    backward: Program


def trace(step: Step) -> Programs:
    """The programs of ``step``.

    Raises ``ValueError`` where the step does something that is not elementwise or that no kernel can do,
    or where it returns another number of states than it reads.
    """
    names = [
        *(f"s{k}" for k in range(step.states)),
        *(f"p{k}" for k in range(step.inputs)),
        *(f"w{k}" for k in range(step.weights)),
    ]
    constants = [f"c{k}" for k in range(step.constants)]
    after = [f"a{k}" for k in range(step.states)]
    gradients = [f"g{k}" for k in range(step.states)]
    of_readouts = [f"q{k}" for k in range(step.readouts)]
    generator = torch.Generator().manual_seed(0)
    # any values will do, since an elementwise step may not branch on them
    lanes = [torch.rand(4, dtype=torch.float64, generator=generator) + 0.3 for _ in names]
    scalars = [torch.tensor(0.5 + 0.1 * k, dtype=torch.float64) for k in range(step.constants)]
    seeds = [torch.ones(4, dtype=torch.float64) for _ in [*after, *gradients, *of_readouts]]

    def forward(*arguments: Tensor) -> tuple[Tensor, ...]:
        states, rest = arguments[: step.states], arguments[step.states :]
        inputs, rest = rest[: step.inputs], rest[step.inputs :]
        new = tuple(step.function(states, inputs, rest[: step.weights], rest[step.weights :]))
        if len(new) != step.states or any(one.shape != states[0].shape for one in new):
            shapes = [tuple(one.shape) for one in new]
            raise ValueError(
                f"step {step.name}: expected {step.states} new states of shape {tuple(states[0].shape)}, "
                f"got {shapes}; return one tensor per state, elementwise in all that it reads"
            )
        return new

    def decode(*states: Tensor) -> tuple[Tensor, ...]:
        read = tuple(step.decode(states)) if step.decode is not None else ()
        if len(read) != step.readouts or any(one.shape != states[0].shape for one in read):
            shapes = [tuple(one.shape) for one in read]
            raise ValueError(
                f"step {step.name}: expected {step.readouts} readouts of shape {tuple(states[0].shape)}, "
                f"got {shapes}; decode returns one tensor per readout, elementwise in all that it reads"
            )
        return read

    def forward_and_decode(*arguments: Tensor) -> tuple[Tensor, ...]:
        new = forward(*arguments)
        return *new, *decode(*new)

    def backward(*arguments: Tensor) -> tuple[Tensor, ...]:
        read, rest = arguments[: len(names)], arguments[len(names) :]
        fixed, rest = rest[: len(scalars)], rest[len(scalars) :]
        new, rest = rest[: step.states], rest[step.states :]
        cotangents, decoded = rest[: step.states], rest[step.states :]
        if step.readouts:  # from the states as they are stored: cheaper than to compute them again
            of_decoding: Any = torch.func.vjp(decode, *new)[1]
            cotangents = tuple(map(torch.add, cotangents, of_decoding(tuple(decoded))))
        pullback: Any = torch.func.vjp(lambda *a: forward(*a, *fixed), *read)[1]
        return tuple(pullback(tuple(cotangents)))

    return Programs(
        lower(_graph(forward_and_decode, *lanes, *scalars), [*names, *constants], step.name),
        lower(
            _graph(backward, *lanes, *scalars, *seeds),
            [*names, *constants, *after, *gradients, *of_readouts],
            step.name,
        ),
    )


def _graph(function: Any, *arguments: Tensor) -> fx.Graph:
    pure = torch.func.functionalize(function)  # some of torch's own gradients write in place
    traced = make_fx(pure, decomposition_table=decompositions())
    graph: fx.Graph = traced(*arguments).graph
    return graph

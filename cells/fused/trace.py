"""From a step to programs, traced by torch: itself, its decoding, the vector-Jacobian products of both."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from cells.fused.decompositions import decompositions
from cells.fused.program import Program, lower
from cells.fused.step import Step


class Programs(NamedTuple):
    """A step, what is read of its states, and the vector-Jacobian products of both.

    ``forward``: (states, inputs, weights, constants) to new states; ``backward``: those and the gradients of
    the new states to the gradients of states, inputs and weights. ``decode``: new states to readouts;
    ``decode_backward``: new states and the gradients of readouts to what these add to the new states'
    gradients. They are apart, since readouts need not be wanted.
    """

    forward: Program
    backward: Program
    decode: Program
    decode_backward: Program


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
    seeds = [torch.ones(4, dtype=torch.float64) for _ in gradients]
    read_seeds = [torch.ones(4, dtype=torch.float64) for _ in of_readouts]

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

    def backward(*arguments: Tensor) -> tuple[Tensor, ...]:
        read, rest = arguments[: len(names)], arguments[len(names) :]
        fixed, cotangents = rest[: len(scalars)], rest[len(scalars) :]
        pullback: Any = torch.func.vjp(lambda *a: forward(*a, *fixed), *read)[1]
        return tuple(pullback(cotangents))

    def decode_backward(*arguments: Tensor) -> tuple[Tensor, ...]:
        # from the states as they are stored: cheaper than to compute them again
        pullback: Any = torch.func.vjp(decode, *arguments[: step.states])[1]
        return tuple(pullback(arguments[step.states :]))

    def lowered(function: Any, given: list[Tensor], called: list[str]) -> Program:
        return lower(_graph(function, *given), called, step.name)

    nothing = Program((), (), frozenset())
    new = lanes[: step.states]
    return Programs(
        lowered(forward, [*lanes, *scalars], [*names, *constants]),
        lowered(backward, [*lanes, *scalars, *seeds], [*names, *constants, *gradients]),
        lowered(decode, new, after) if step.readouts else nothing,
        lowered(decode_backward, [*new, *read_seeds], [*after, *of_readouts])
        if step.readouts
        else nothing,
    )


def _graph(function: Any, *arguments: Tensor) -> fx.Graph:
    pure = torch.func.functionalize(function)  # some of torch's own gradients write in place
    traced = make_fx(pure, decomposition_table=decompositions())
    graph: fx.Graph = traced(*arguments).graph
    return graph

"""Writable memory: the identity block is not dead. Inputs move and teach every unit, and the readout sees it.

A unit that nothing writes carries its past perfectly and remembers nothing. The structural domain says which
units an input *may* reach and which the readout *may* read; both are necessary. That they do is an
existential statement, and one replayed witness on the cell itself proves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from cells.core.state import Layout
from properties.proofs.structural import analyse
from properties.proofs.trace import StepTrace, TraceRefused, trace_readout, trace_step


@dataclass(frozen=True, slots=True)
class Witness:
    """Two input sequences ``(steps, input_size)`` from one flat state, which end in different ones."""

    state: Tensor
    inputs: tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class WritableProof:
    """What is known of a block.

    ``proved``: every unit was seen to move, to be read, and to pass a gradient to an input;
    ``refuted``: ``dead`` units cannot.

    ``unwritten`` and ``unread`` list the units that no input can reach and that the readout cannot read, in
    the domain; ``inconclusive`` where the cell was not traced, or where nothing was seen to happen that
    the domain allows. ``witness`` is the first draw that moved every unit.
    """

    status: Literal["proved", "refuted", "inconclusive"]
    reason: str
    unwritten: tuple[int, ...] = ()
    unread: tuple[int, ...] = ()
    witness: Witness | None = None

    @property
    def dead(self) -> tuple[int, ...]:
        """Units that are no memory: not written, or not read."""
        return tuple(sorted({*self.unwritten, *self.unread}))


def prove_writable(
    cell: Any,
    units: Sequence[int],
    *,
    trace: StepTrace | None = None,
    draws: int = 16,
    seed: int = 0,
) -> WritableProof:
    """Decide whether inputs move each of ``units`` (places in the flat state) and the readout sees each.

    Inputs are at most 1 in size, so that what is shown holds of parameters as they are constructed.

    Raises ``ValueError`` where ``units`` is empty.
    """
    if not units:
        raise ValueError(f"units: expected at least one place in the flat state, got {units!r}")
    try:
        trace = trace_step(cell) if trace is None else trace
        gamma = trace_readout(cell)
    except TraceRefused as refused:
        return WritableProof("inconclusive", f"not traced: {refused.reason}")
    step, readout = analyse(trace.forward, "state"), analyse(gamma.forward, "state")
    reads, n = step.domain.mask(step.outputs[0]), step.domain.sources
    written = reads[:, step.domain.group("input")].clone()
    between = (reads[:, :n] | reads[:, n : 2 * n]) & ~torch.eye(n, dtype=torch.bool)
    for _ in range(n):
        more = written | between[:, written].any(1)
        if torch.equal(more, written):
            break
        written = more
    marks = readout.domain.mask(readout.outputs[0]).reshape(-1, readout.domain.width)
    seen = (marks[:, :n] | marks[:, n : 2 * n]).any(0)
    unwritten = tuple(u for u in units if not written[u])
    unread = tuple(u for u in units if not seen[u])
    labels = trace.layout.label
    if unwritten or unread:
        parts = [f"no input reaches {labels(u)}" for u in unwritten[:3]]
        parts += [f"the readout does not read {labels(u)}" for u in unread[:3]]
        return WritableProof("refuted", "; ".join(parts), unwritten, unread)
    with trace.lifted.preserved():
        return _witnessed(cell, trace.layout, units, draws, Generator().manual_seed(seed))


@torch.no_grad()
def _witnessed(
    cell: Any, layout: Layout, units: Sequence[int], draws: int, generator: Generator
) -> WritableProof:
    template = cell.initial_state()
    flat = layout.ravel(template)
    places = list(units)
    moved = torch.zeros(len(places), dtype=torch.bool)
    read, taught = torch.zeros_like(moved), torch.zeros_like(moved)
    witness = None
    for draw in range(draws):
        scale = (1.0, 0.1, 0.5)[draw % 3]
        start = flat + scale * _normal(flat.shape, flat, generator) * (draw > 0)
        both = tuple(
            scale * torch.tanh(_normal((3, cell.input_size), flat, generator)) for _ in range(2)
        )
        ends = [_run(cell, layout, template, start, xs) for xs in both]
        moves = (ends[0] != ends[1])[places]
        witness = Witness(start, both) if witness is None and bool(moves.all()) else witness  # type: ignore[arg-type]
        moved |= moves
        before = cell.readout(layout.unravel(ends[0], template))
        for k, unit in enumerate(places):
            if not read[k]:
                other = ends[0].clone()
                other[unit] = ends[1][unit]
                read[k] = bool((cell.readout(layout.unravel(other, template)) != before).any())
        taught |= _taught(cell, layout, start, both[0], places)
        if bool((moved & read & taught).all()):
            return WritableProof(
                "proved",
                "inputs move every unit, the readout sees it, and gradients reach an input",
                witness=witness,
            )
    seen = moved & read
    alive, what = (
        (taught, "taught no input") if bool(seen.all()) else (seen, "did not move or was not seen")
    )
    still = [layout.label(u) for u, fine in zip(places, alive.tolist(), strict=True) if not fine]
    return WritableProof(
        "inconclusive",
        f"in {draws} draws, {', '.join(still[:3])} {what}",
        witness=witness,
    )


def _taught(cell: Any, layout: Layout, start: Tensor, inputs: Tensor, places: list[int]) -> Tensor:
    """Whether the gradient of each place reaches an input, as autograd computes it."""
    passed = torch.zeros(len(places), dtype=torch.bool)
    with torch.enable_grad():
        leaf = inputs.detach().clone().requires_grad_()
        end = _run(cell, layout, cell.initial_state(), start, leaf)
        if not end.requires_grad:
            return passed
        for k, place in enumerate(places):
            (gradient,) = torch.autograd.grad(
                end[place], leaf, retain_graph=True, allow_unused=True
            )
            passed[k] = gradient is not None and bool((torch.nan_to_num(gradient) != 0).any())
    return passed


def _normal(shape: Sequence[int], like: Tensor, generator: Generator) -> Tensor:
    drawn = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return drawn.to(dtype=like.dtype, device=like.device)


def _run(cell: Any, layout: Layout, template: Any, start: Tensor, xs: Tensor) -> Tensor:
    state = layout.unravel(start, template)
    for x in xs:
        state = cell.step(x, state)
    return layout.ravel(state)

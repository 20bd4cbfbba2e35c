"""Cells whose units do not mix, thousands of parameter draws at once: the draws are more units of one layer.

A cell that declares an elementwise step (``lanes()``, see ``cells.fused``) is run by the kernels generated
from it. One call advances all units of all draws, another gives every step's own Jacobian, a block of fields
by fields per unit; the Jacobian over any gap is a product of those. That units do not mix is presumed here
and is therefore certified apart, by :func:`objection`, with whole Jacobians of the real step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from cells import Layout
from cells.core.offer import offered
from cells.fused import numba_kernels
from cells.fused.lanes import Lanes
from properties.core.engine import Probe
from properties.core.tolerance import tolerance
from properties.core.witness import Draws
from properties.core.workspace import Workspace, workspace

_FAR = 2.0**200  # a product beyond this, or below its inverse, is rescaled
_LOST = 2.0**700  # beyond this, or below its inverse, digits may have been lost
_SOME = 64  # draws whose inputs are projected at a time
_PACE = 8  # steps from one look to the next


class Gap(NamedTuple):
    """∂state_T/∂state_t of every unit: ``blocks`` (s, s, N·J) times 2 to the power ``exponent`` (N·J,).

    ``blocks[i, k]`` is ∂(field i)/∂(field k), in the order of the step's fields. The exponent keeps what
    would underflow over a long gap; None: 0 everywhere.
    """

    steps: int
    blocks: Tensor
    exponent: Tensor | None

    @property
    def values(self) -> Tensor:
        """The blocks as numbers, which may underflow."""
        return self.blocks if self.exponent is None else torch.ldexp(self.blocks, self.exponent)

    @property
    def magnitude(self) -> Tensor:
        """log₂ of the largest entry of each block, (N·J,); −∞ where all of them are 0."""
        size = self.blocks.abs().amax((0, 1)).log2()
        return size if self.exponent is None else size + self.exponent


def declared(probe: Probe) -> Lanes | str:
    """The elementwise step of the cell, or why it cannot stand for the cell here."""
    form = offered(probe.cell, "lanes", Lanes, "it declares no elementwise step")
    if not isinstance(form, Lanes):
        return form
    names = tuple(field.name for field in probe.layout.fields)
    if form.tail is not None or sorted(names) != sorted(form.fields) or probe.like._fields != names:
        return "its elementwise step is not the whole of its state"
    if probe.layout.size % len(names):
        return "its fields differ in width"
    return numba_kernels.missing() or form


@torch.no_grad()
def gaps(probe: Probe, draws: Draws) -> Iterator[Gap]:
    """The Jacobians of ``draws`` over gaps of 1, 2, … T steps up to the last; the cell declares its lanes.

    Their units, N·J in number, are one layer of the kernel: a row of the batch per time.
    """
    with workspace() as memory:
        yield from _chain(_own(probe, draws, memory))


def _own(probe: Probe, draws: Draws, memory: Workspace) -> list[Tensor]:
    """Every step's own Jacobians (s, s, N·J), the last step's first; in ``memory``."""
    form: Any = probe.cell.lanes()
    fields, steps = len(form.fields), len(draws.inputs)
    units = probe.layout.size // fields
    projected, weights = _folded(probe, draws, units, memory)
    step, lanes, dtype = form.step, weights.shape[-1], projected.dtype
    states = [memory.take(f"state {k}", (steps + 1, lanes), dtype) for k in range(fields)]
    for name, one in zip(form.fields, states, strict=True):
        one[0] = _field(probe.layout, draws.state, name).flatten()
    numba_kernels.forward(
        step,
        [projected[None, :, None]],
        weights[None],
        form.constants,
        [one[0].view(1, 1, -1) for one in states],
        read=False,
        out=[one[1:].view(1, steps, 1, -1) for one in states],
    )
    # every step by itself: a sequence of one step, in as many rows as there are steps
    before = [one[:-1].unsqueeze(0) for one in states]
    after = [one[1:].view(1, 1, steps, -1) for one in states]
    none, ones = projected.new_empty(1, 0, 0, 0), memory.take("ones", (1, 1, steps, lanes), dtype)
    ones.fill_(1)
    own = memory.take("own", (fields, fields, steps, lanes), dtype)
    for to in range(fields):
        seeds = [ones if other == to else none for other in range(fields)]
        numba_kernels.slopes(
            step,
            [projected[None, None]],
            weights[None],
            form.constants,
            before,
            after,
            seeds,
            list(own[to].unsqueeze(1)),
        )
    return list(reversed(own.unbind(2)))


def _chain(own: list[Tensor]) -> Iterator[Gap]:
    """The products of Jacobians, the last step's first; looked at now and then, and scaled where needed."""
    blocks, exponent = own[0].clone(), None
    yield Gap(1, blocks, exponent)
    for first in range(1, len(own), _PACE):
        before = blocks.abs().amax((0, 1))
        some: list[Tensor] = []
        for step in own[first : first + _PACE]:
            some.append(_product(some[-1] if some else blocks, step))
        after = some[-1].abs().amax((0, 1))
        if bool((((after < 1 / _LOST) & (before > 0)) | (after > _LOST)).any()):
            found = []  # once more, step by step, lest anything is lost on the way
            blocks, exponent = _rescaled(blocks, exponent)
            for step in own[first : first + _PACE]:
                found.append(_rescaled(_product(blocks, step), exponent))
                blocks, exponent = found[-1]
        else:
            found = [(one, exponent) for one in some[:-1]] + [_rescaled(some[-1], exponent)]
        for back, (one, power) in enumerate(found, first + 1):
            yield Gap(back, one, power)
        blocks, exponent = found[-1]


def _product(left: Tensor, right: Tensor) -> Tensor:
    """The products of many small matrices (s, s, L), which lie apart: no product for matrices is as fast."""
    if right.shape[0] == 1:
        return left * right
    out = left[:, :1] * right[:1]
    for j in range(1, right.shape[0]):
        out.addcmul_(left[:, j : j + 1], right[j : j + 1])
    return out


def _folded(probe: Probe, draws: Draws, units: int, memory: Workspace) -> tuple[Tensor, Tensor]:
    """What the units read, (T, K·N·J), and their weights, (w, N·J), of all draws side by side."""

    def one(parameters: dict[str, Tensor], xs: Tensor) -> tuple[Tensor, Tensor]:
        def read() -> tuple[Tensor, Tensor]:
            form = probe.cell.lanes()
            return form.project(xs), form.weights

        named = {f"cell.{k}": v for k, v in parameters.items()}
        out: tuple[Tensor, Tensor] = functional_call(probe, named, ("within", read))
        return out

    with torch.no_grad():
        count, everything, own = len(draws), torch.empty(0), []
        for first in range(0, count, _SOME):  # so many at a time as stay in the cache
            some = {k: v[first : first + _SOME] for k, v in draws.parameters.items()}
            xs = draws.inputs[:, first : first + _SOME]
            projected, weights = vmap(one, in_dims=(0, 1))(some, xs)
            by_input = projected.unflatten(-1, (-1, units)).permute(1, 2, 0, 3)
            if not first:  # (T, K, N, J)
                shape = (*by_input.shape[:2], count, units)
                everything = memory.take("projected", shape, by_input.dtype)
            everything[:, :, first : first + _SOME] = by_input
            own.append(weights.transpose(0, 1))
        return everything.flatten(1), torch.cat(own, 1).flatten(1)


def _field(layout: Layout, flat: Tensor, name: str) -> Tensor:
    out: Tensor = flat[:, list(layout.indices(name))]
    return out


def _rescaled(blocks: Tensor, exponent: Tensor | None) -> tuple[Tensor, Tensor | None]:
    size = blocks.abs().amax((0, 1))
    # an infinite product, or one that is no number, stays what it is
    far = ((size < 1 / _FAR) | (size > _FAR)) & (size > 0) & torch.isfinite(size)
    if not bool(far.any()):
        return blocks, exponent
    power = torch.where(far, torch.frexp(size).exponent, 0)
    return torch.ldexp(blocks, -power), power if exponent is None else exponent + power


def whole(probe: Probe, gap: Gap, count: int) -> Tensor:
    """The Jacobians (N, n, n) of ``count`` draws that the blocks stand for: 0 between units."""
    form: Any = probe.cell.lanes()
    values: Tensor = gap.values.unflatten(-1, (count, -1))
    size = probe.layout.size
    full: Tensor = values.new_zeros(count, size, size)
    places = [torch.tensor(probe.layout.indices(name)) for name in form.fields]
    for i, to in enumerate(places):
        for k, since in enumerate(places):
            full[:, to, since] = values[i, k]
    return full


def objection(probe: Probe, jacobians: Callable[[Draws], Tensor], draws: Draws) -> str | None:
    """What whole ``jacobians`` of the real step have against the blocks, on these draws; None: nothing.

    Units that mix, and a declared step that is another function than the cell's.
    """
    real = jacobians(draws)
    *_, last = gaps(probe, draws)
    presumed = whole(probe, last, len(draws))
    finite = torch.isfinite(real).all(-1).all(-1)
    if not bool(finite.any()):
        return "no draw has a finite Jacobian to compare with"
    real, presumed = real[finite], presumed[finite]
    form: Any = probe.cell.lanes()
    units = probe.layout.size // len(form.fields)
    lane = torch.empty(probe.layout.size, dtype=torch.long)
    for name in form.fields:
        lane[list(probe.layout.indices(name))] = torch.arange(units)
    mixed = real * (lane.unsqueeze(0) != lane.unsqueeze(1))
    if bool((mixed != 0).any()):
        to, since = divmod(int(mixed.abs().amax(0).argmax()), probe.layout.size)
        label = probe.layout.label
        return f"its units mix: {label(to)} depends on {label(since)}"
    slack = tolerance(draws.state.dtype).agreement
    scale = 1 + presumed.abs().amax((-1, -2), keepdim=True)
    off = float(((real - presumed).abs() / scale).nan_to_num(nan=torch.inf).max())
    if off > slack:
        return f"its elementwise step has other derivatives than the cell, by {off:.3g}"
    return None

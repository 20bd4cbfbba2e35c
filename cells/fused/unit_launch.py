"""The networks of units on a GPU: their kernels, launched; compiled by Triton at the first call."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cells.fused import unit_tiling
from cells.fused.unit_tiling import Division, Kernel, Tiling

_BLOCK = 128
_TOGETHER = {"BLOCK": _BLOCK, "POINTS": 8, "num_warps": _BLOCK // 32}


class _Call(NamedTuple):
    """The sizes of one call, and its tensors: dense, and x as wide as a tile of inputs."""

    replicates: int
    steps: int
    batch: int
    units: int
    inputs: int
    hidden: int
    x: Tensor
    reads: Tensor
    weights: Tensor

    @classmethod
    def of(cls, replicates: int, x: Tensor, reads: Tensor, weights: Tensor) -> _Call:
        inputs, hidden = x.shape[-1], (weights.shape[1] - 1) // (x.shape[-1] + 3)
        _, steps, batch, units = reads.shape
        sizes = (replicates, steps, batch, units, inputs, hidden)
        how = unit_tiling.tiling("forward", units, inputs, hidden, x.dtype)
        fill = 0 if how.kept else -inputs % unit_tiling.WIDEST
        wide = F.pad(x.detach(), (0, fill)).contiguous()
        tiles = _tiles(weights.detach(), hidden, fill, how.units)
        return cls(*sizes, wide, reads.detach().contiguous(), tiles)

    def how(self, kernel: Kernel) -> Tiling:
        """What it is compiled for."""
        return unit_tiling.tiling(kernel, self.units, self.inputs, self.hidden, self.x.dtype)

    @property
    def tiles(self) -> int:
        """Of units."""
        return self.weights.shape[1]

    def programs(self, how: Tiling) -> int:
        """Of the networks' kernels, for each chunk of time."""
        return self.replicates * -(-self.batch // how.examples) * self.tiles

    def chunks(self, how: Tiling) -> Division:
        """Of time."""
        return unit_tiling.chunks(self.programs(how), self.steps, how.points)


def forward(
    replicates: int, x: Tensor, reads: Tensor, weights: Tensor, held: Tensor, accumulate: bool
) -> Tensor:
    """The values of the operator ``unit_networks``; ``reads``: the state before every step."""
    from cells.fused import triton_chunks, triton_unit_networks

    out = reads.new_empty(replicates, *reads.shape[1:])
    if not out.numel():
        return out
    call = _Call.of(replicates, x, reads, weights)
    how = call.how("forward")
    length, parts = call.chunks(how)
    held = held.detach().contiguous()
    lanes = call.batch * call.units
    totals = out.new_empty(replicates, parts if parts > 1 else 0, call.batch, call.units)
    with torch.cuda.device_of(out):
        triton_unit_networks.forward[(call.programs(how) * parts,)](
            call.x, call.reads, call.weights, held, out, totals,
            *map(_stride, (call.x, call.reads, call.weights, held)),
            call.steps, call.batch, call.units, call.x.shape[-1], call.hidden, length, parts,
            ACCUMULATE=accumulate, **how.arguments(), **unit_tiling.options("forward", how, out.dtype),
        )  # fmt: skip
        if accumulate and parts > 1:
            triton_chunks.add_before[(replicates * (parts - 1) * -(-lanes // _BLOCK),)](
                out, totals, lanes, call.steps, length, parts, **_TOGETHER
            )
    return out


def backward(
    replicates: int,
    x: Tensor,
    reads: Tensor,
    weights: Tensor,
    held: Tensor,
    gradient: Tensor,
    accumulate: bool,
    wanted: bool,
) -> list[Tensor]:
    """The gradients of those."""
    to_x = x.new_zeros(replicates, *x.shape[1:])
    to_reads = reads.new_empty(replicates, *reads.shape[1:])
    to_held = held.new_zeros(replicates, *held.shape[1:])
    if not to_reads.numel():
        return [to_x, to_reads, weights.new_zeros(replicates, *weights.shape[1:]), to_held]
    call = _Call.of(replicates, x, reads, weights)
    with torch.cuda.device_of(to_reads):
        slopes, passed = _through(call, gradient, to_reads, to_held, accumulate)
        if wanted:
            _to_inputs(call, slopes, passed, to_x)
        found = _sums(call, slopes, passed)
    return [to_x, to_reads, _to_weights(call, weights.detach(), found), to_held]


def _through(
    call: _Call, gradient: Tensor, to_reads: Tensor, to_held: Tensor, accumulate: bool
) -> tuple[Tensor, Tensor]:
    """The gradients of the networks' outputs, and a bit for every hidden number that passed its ReLU."""
    from cells.fused import triton_chunks, triton_unit_networks

    how = call.how("backward")
    length, parts = call.chunks(how)
    gradient = gradient.detach().contiguous()
    lanes, given = call.batch * call.units, gradient.shape[0]
    slopes = torch.empty_like(to_reads)
    words = -(-call.hidden // 32)
    passed = slopes.new_empty((call.replicates, words, *slopes.shape[1:]), dtype=torch.int32)
    totals = slopes.new_empty(given, parts if parts > 1 else 0, call.batch, call.units)
    if accumulate and parts > 1:
        triton_chunks.totals_of[(given * parts * -(-lanes // _BLOCK),)](
            gradient, totals, lanes, call.steps, length, parts, **_TOGETHER
        )
    triton_unit_networks.backward[(call.programs(how) * parts,)](
        call.x, call.reads, call.weights, gradient, totals, slopes, passed, to_reads, to_held,
        *map(_stride, (call.x, call.reads, call.weights, gradient, totals)),
        call.steps, call.batch, call.units, call.x.shape[-1], call.hidden, length, parts,
        ACCUMULATE=accumulate, **how.arguments(), **unit_tiling.options("backward", how, slopes.dtype),
    )  # fmt: skip
    return slopes, passed


def _to_inputs(call: _Call, slopes: Tensor, passed: Tensor, to_x: Tensor) -> None:
    from cells.fused import triton_unit_gradients

    how = call.how("inputs")
    points = call.steps * call.batch
    blocks = -(-points // (how.points * how.examples))
    wide = call.x.shape[-1]
    triton_unit_gradients.inputs_gradient[(call.replicates * blocks * (wide // how.width),)](
        call.weights, slopes, passed, to_x, _stride(call.weights),
        points, call.units, wide, call.hidden, call.inputs,
        **how.arguments(), **unit_tiling.options("inputs", how, slopes.dtype),
    )  # fmt: skip


def _sums(call: _Call, slopes: Tensor, passed: Tensor) -> Tensor:
    """Over all points, of bit times slope times (x, r, 1), and of slopes: (R, k·(inputs + 2) + 1, J)."""
    from cells.fused import triton_unit_gradients

    how = call.how("sums")
    points, wide = call.steps * call.batch, call.x.shape[-1]
    programs = call.replicates * call.tiles * (call.hidden // how.hidden) * (wide // how.width)
    length, parts = unit_tiling.slices(programs, points, how.points * how.examples)
    rows = call.hidden * (wide + 2) + 1
    found = slopes.new_empty(call.replicates, parts * how.examples, rows, call.units)
    triton_unit_gradients.sums[(programs * parts,)](
        call.x, call.reads, slopes, passed, found, *map(_stride, (call.x, call.reads)),
        points, call.units, wide, call.hidden, length, parts,
        **how.arguments(), **unit_tiling.options("sums", how, slopes.dtype),
    )  # fmt: skip
    # every program has sums of its own, added up in one order: equal runs have equal bits
    return found.sum(1)


def _to_weights(call: _Call, weights: Tensor, found: Tensor) -> Tensor:
    """From those sums to the gradient of the weights, as they were given."""
    each = weights[:, :-1].unflatten(1, (call.hidden, call.inputs + 3))
    inner, out = each[:, :, :-1], each[:, :, -1:]
    sums = found[:, :-1].unflatten(1, (call.hidden, -1))
    sums = torch.cat((sums[:, :, : call.inputs], sums[:, :, -2:]), 2)
    # a hidden number that passed is its weights times what it read, and so is the sum of all that did
    to_hidden = torch.cat((out * sums, (inner * sums).sum(2, keepdim=True)), 2)
    return torch.cat((to_hidden.flatten(1, 2), found[:, -1:]), 1)


def _tiles(weights: Tensor, hidden: int, fill: int, units: int) -> Tensor:
    """(R, k·(D + 3) + 1, J) to (R, tiles, k·(D + fill + 3) + 1, units), zeros where there is nothing.

    In a tile the distances between weights are known to the compiler, and no load needs a mask.
    """
    if fill:
        each = weights[:, :-1].unflatten(1, (hidden, -1))
        parts = (F.pad(each[:, :, :-3], (0, 0, 0, fill)), each[:, :, -3:])
        weights = torch.cat((torch.cat(parts, 2).flatten(1, 2), weights[:, -1:]), 1)
    weights = F.pad(weights, (0, -weights.shape[-1] % units))
    tiles: Tensor = weights.unflatten(-1, (-1, units)).transpose(1, 2)
    return tiles.contiguous()


def _stride(tensor: Tensor) -> int:
    """From one replicate to the next; a single one stands for all."""
    return tensor.stride(0) if tensor.shape[0] > 1 else 0

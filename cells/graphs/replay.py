"""Recordings as functions of torch: whose numbers lie in the memory that they share, and whose gradients."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cells.graphs.recording import Recording

NO_SECOND = (
    "expected a first derivative of a recorded unroll, which has no other, got a request for a second; "
    "use backend='reference'"
)


class Arena:
    """The ``pool`` of memory that recordings share; at most one of them awaits its backward."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self._awaited: weakref.ref[Lease] | None = None

    @property
    def busy(self) -> bool:
        """Whether a forward was replayed whose backward may still come."""
        lease = None if self._awaited is None else self._awaited()
        return lease is not None and lease.valid

    def lease(self) -> Lease:
        """The arena, until the backward is done or can no longer come. Raises ``RuntimeError`` where busy."""
        if self.busy:
            raise RuntimeError("the arena is expected to be free, got one that awaits a backward")
        lease = Lease()
        self._awaited = weakref.ref(lease)
        return lease


class Lease:
    """Held by the node of autograd that will use it, and by nothing else: gone when that is.

    ``valid``: whether what the forward left in the arena is still there.
    """

    def __init__(self) -> None:
        self.valid = True


def replay(
    recording: Recording, arena: Arena, inputs: Sequence[Tensor], parameters: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """The recording's outputs for ``inputs``, differentiable once where it is, in memory of their own.

    ``parameters``: the cell's, whose memory the recording reads. The arena must not be busy.
    """
    if not any(recording.graded):
        return recording.forward(inputs)
    flat: tuple[Tensor, ...] = _Replay.apply(  # type: ignore[no-untyped-call]
        recording, arena.lease(), *inputs, *parameters
    )
    return flat


class _Replay(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, recording: Recording, lease: Lease, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        count = len(recording.program.inputs)
        ctx.recording, ctx.lease = recording, lease
        # torch watches the parameters, which the backward reads anew, for changes. The inputs were
        # copied, and matter again only if the memory has been used for something else by then.
        ctx.save_for_backward(*tensors[count:])
        ctx.inputs = tensors[:count]
        ctx.versions = [_version(one) for one in ctx.inputs]
        flat = recording.forward(ctx.inputs)
        fixed = [one for one, graded in zip(flat, recording.graded, strict=True) if not graded]
        ctx.mark_non_differentiable(*fixed)
        ctx.set_materialize_grads(False)
        return flat

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        parameters = ctx.saved_tensors
        if all(one is None for one in gradients):
            return (None,) * (2 + len(ctx.inputs) + len(parameters))
        if any(one is not None and _wrapped(one) for one in gradients):
            # many gradients at once, as is_grads_batched asks for: no memory of ours has room for them
            if torch.is_grad_enabled():
                raise RuntimeError(NO_SECOND)
            return None, None, *_anew(ctx, _graded(ctx, gradients))
        found = _Gradients.apply(ctx, gradients, *ctx.inputs, *parameters, *gradients)  # type: ignore[no-untyped-call]
        return None, None, *found


class _Gradients(torch.autograd.Function):
    """The recorded backward, which has no derivative; its last arguments tell autograd what it depends on."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ARG004 - the signature
        node: Any,
        gradients: tuple[Tensor | None, ...],
        *tensors: Tensor | None,  # noqa: ARG004 - they are the node's
    ) -> tuple[Tensor | None, ...]:
        upstream = _graded(node, gradients)
        if not node.lease.valid:
            return _anew(node, upstream)
        node.lease.valid = False  # it works in the memory that it reads
        recording: Recording = node.recording
        return recording.backward(upstream)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # noqa: ARG004 - the signature
        raise RuntimeError(NO_SECOND)


def _graded(node: Any, gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Those of the outputs that have a gradient."""
    pairs = zip(gradients, node.recording.graded, strict=True)
    return [one for one, graded in pairs if graded]


def _anew(node: Any, upstream: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
    """The gradients by the loop, where the recording's memory holds the numbers of this forward no more."""
    if [_version(one) for one in node.inputs] != node.versions:
        raise RuntimeError(
            "an input or state of a recorded unroll is expected to stay as it was until the last "
            "backward, got one that was changed in place; clone it first, or use backend='reference'"
        )
    program = node.recording.program
    given = [
        torch.zeros_like(place) if one is None else one
        for one, place in zip(upstream, program.upstream, strict=True)
    ]
    with torch.autocast(node.inputs[0].device.type, enabled=False):  # as it was forwards
        found = program.reference(node.inputs, given)[1]
    gradients: tuple[Tensor | None, ...] = node.recording.reached(upstream, found)
    return gradients


def _version(tensor: Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version  # noqa: SLF001 - torch has no other word for it


def _wrapped(tensor: Tensor) -> bool:
    """Whether it stands for tensors of a transform, such as vmap, and has no memory itself."""
    try:
        tensor.untyped_storage()
    except RuntimeError:  # NotImplementedError is one
        return True
    return False

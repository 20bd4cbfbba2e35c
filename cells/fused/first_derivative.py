"""What the differentiable functions over kernels share: they have a first derivative and no second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class Gradients(torch.autograd.Function):
    """The base of a function that computes gradients by a kernel, and has none itself."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Nothing is kept."""

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # noqa: ARG004 - the signature
        """Raise ``RuntimeError``, with the remedy."""
        raise RuntimeError(
            "the fused kernels have a first derivative only, got a request for a second; use "
            "backend='reference'"
        )


def transformed() -> bool:
    """Whether the call is compiled, or under a transform of ``torch.func``: functions need rules then.

    Elsewhere they are left out, since torch looks a function's signature up anew at every call of one with
    rules, which takes longer than a short sequence.
    """
    active: bool = torch._C._are_functorch_transforms_active()  # noqa: SLF001 - as torch's own functions ask
    return torch.compiler.is_compiling() or active


def refuse_batched(gradients: Sequence[Tensor | None]) -> None:
    """Raise ``RuntimeError`` for a batch of gradients of torch's older vmap, which has no rules for us."""
    if torch.compiler.is_compiling():
        return
    batched = torch._C._functorch.is_legacy_batchedtensor  # noqa: SLF001 - there is no other word
    if any(one is not None and batched(one) for one in gradients):
        raise RuntimeError(
            "the fused kernels take one gradient at a time, got a batch of them (is_grads_batched or "
            "vectorize=True); use torch.func.vmap and torch.func.vjp, or backend='reference'"
        )


def as_given(found: Sequence[Tensor], tensors: Sequence[Tensor]) -> list[Tensor]:
    """The gradients of ``tensors``, summed over replicates where one tensor stood for all of them."""
    return [
        one.sum(0, keepdim=True) if one.shape[0] > of.shape[0] else one
        for one, of in zip(found, tensors, strict=True)
    ]

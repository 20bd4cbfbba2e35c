"""Large affine maps in float32 by oneDNN, which torch brings, in place of its library of products.

Torch itself takes it for convolutions and for its LSTM, but for ``F.linear`` calls a BLAS, which on
processors that the BLAS was not made for takes twice as long or more, and copies the bias beforehand.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import forward_ad

LEAST = 2**22
"""Products below which a call costs more than it saves."""
_ROWS = 1024


def takes(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether it can: plain float32 on a CPU, large enough, outside of torch's transforms and compiler."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():  # noqa: SLF001
        return False
    tensors = (x, weight) if bias is None else (x, weight, bias)
    plain = all(
        type(one) in (Tensor, torch.nn.Parameter)
        and one.dtype == torch.float32
        and one.device.type == "cpu"
        and one.layout == torch.strided
        for one in tensors
    )
    if not plain or x.numel() * weight.shape[0] < LEAST or _operator() is None:
        return False
    if torch.is_autocast_enabled("cpu"):
        return False
    return all(forward_ad.unpack_dual(one).tangent is None for one in tensors)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """W x + b of rows: ``x`` (N, D), ``weight`` (K, D), ``bias`` (K,) to (N, K), if it :func:`takes` them."""
    out: Tensor = _Linear.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return out


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.biased = bias is not None
        return product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        to_x, to_weight, to_bias = ctx.needs_input_grad
        if torch.is_grad_enabled():  # of a second derivative, which torch knows of its own products
            return (
                gradient @ weight if to_x else None,
                gradient.t() @ x if to_weight else None,
                gradient.sum(0) if to_bias else None,
            )
        return (
            product(gradient, weight.t().contiguous(), None) if to_x else None,
            _of_weight(x, gradient) if to_weight else None,
            gradient.sum(0) if to_bias else None,
        )


def _of_weight(x: Tensor, gradient: Tensor) -> Tensor:
    """The sum over all rows of products of both, (K, D), so many rows at a time as stay in the cache.

    It lays one operand out anew, in memory that would be as large, and fresh, for all rows at once.
    """
    total = x.new_zeros(x.shape[1], gradient.shape[1])
    for some, of_some in zip(x.split(_ROWS), gradient.split(_ROWS), strict=True):
        total += product(some.t(), of_some.t(), None)
    return total.t().contiguous()


def product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """W x + b of rows, without a derivative: by oneDNN in float32 where it is there, or by ``F.linear``."""
    operator = _operator() if x.dtype == torch.float32 else None
    out: Tensor = (
        F.linear(x, weight, bias) if operator is None else operator(x, weight, bias, "none", [], "")
    )
    return out


def _operator() -> Any:
    """What torch's compiler calls for linear layers on a CPU, or None: it is no public name."""
    switch: Any = torch.backends.mkldnn.enabled
    if not torch.backends.mkldnn.is_available() or not switch:
        return None
    return getattr(torch.ops.mkldnn, "_linear_pointwise", None)

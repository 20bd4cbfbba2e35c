"""Which cells, tensors and moments a recording is for at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

DTYPES = (torch.float32, torch.float64)
LONGEST = 1024
"""Steps. A recording has some fifty nodes per step, each of about a kilobyte of the device's memory."""

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def misfit(cell: Any, xs: Tensor, state: Any) -> str | None:
    """Why ``cell`` cannot be recorded on these tensors here and now, or None."""
    return _moment() or _cell(cell) or _tensors(cell, xs, state)


def _moment() -> str | None:
    if torch._C._are_functorch_transforms_active():  # noqa: SLF001 - as torch's own functions ask
        return "under a torch.func transform such as vmap a recording has no rule"
    if torch._C._len_torch_dispatch_stack():  # noqa: SLF001
        return "a mode of torch watches every operator, and a recording has none"
    if torch.is_anomaly_enabled():
        return "anomaly detection looks into every operator, and a recording has none"
    if nn.modules.module._has_any_global_hook():  # noqa: SLF001
        return "every module has hooks, which a recording would run once and never again"
    if torch._C._autograd._top_saved_tensors_default_hooks(True) is not None:  # noqa: FBT003, SLF001
        return "hooks on saved tensors are active, as in torch.utils.checkpoint: a recording saves none"
    return None


def _cell(cell: Any) -> str | None:
    if not isinstance(cell, nn.Module):
        return f"{type(cell).__name__} is no torch module, so its parameters are unknown"
    if any(getattr(module, name, None) for module in cell.modules() for name in _HOOKS):
        return "a module in it has hooks, which a recording would run once and never again"
    if any(not one.is_leaf for one in cell.parameters()):
        return "its parameters are computed from others"
    if any(one.requires_grad for one in cell.buffers()):
        return "one of its buffers asks for a gradient"
    return None


def _tensors(cell: Any, xs: Tensor, state: Any) -> str | None:
    if not isinstance(state, tuple) or not all(isinstance(one, Tensor) for one in state):
        return "its state is no tuple of tensors"
    held = (*cell.parameters(), *cell.buffers())
    every = (xs, *state, *held)
    if any(type(one) not in (Tensor, nn.Parameter) for one in every):
        return "one of its tensors is of a class of its own"
    if any(one.is_inference() for one in held):
        return "its parameters were made in inference mode"
    if any(forward_ad.unpack_dual(one).tangent is not None for one in every):
        return "a recording has no forward-mode derivative"
    return _places(every) or _sizes(xs)


def _places(tensors: Sequence[Tensor]) -> str | None:
    devices = {one.device for one in tensors}
    dtypes = {_real(one.dtype) for one in tensors if one.is_floating_point() or one.is_complex()}
    if len(devices) > 1 or len(dtypes) > 1 or not dtypes <= set(DTYPES):
        found = ", ".join(sorted(map(str, (*dtypes, *devices))))
        return f"a recording takes float32 or float64, one of them, on one device: got {found}"
    if torch.is_autocast_enabled(tensors[0].device.type):
        return "autocast is on, whose cache of casts a recording would keep"
    return None


def _sizes(xs: Tensor) -> str | None:
    if xs.numel() == 0:
        return "the sequence or the batch is empty"
    if xs.shape[0] > LONGEST:
        return f"{xs.shape[0]} steps are too long for a recording, which takes up to {LONGEST}"
    return None


def _real(dtype: torch.dtype) -> torch.dtype:
    return dtype.to_real() if dtype.is_complex else dtype

"""Cells that are torch's own LSTM, GRU or tanh network, run by its kernels on their own parameters."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd import forward_ad

DTYPES = (torch.float32, torch.float64)


@dataclass(frozen=True, slots=True)
class Library:
    """A cell in torch's terms, as its method ``library`` returns it: what to call, with which parameters.

    ``kind``: "lstm" (blocks input, forget, candidate, output), "gru" (reset, update, candidate) or
    "rnn_tanh"; ``weight_ih`` (rows, D), ``weight_hh`` (rows, H) and the biases (rows,), both None or
    neither, are the cell's parameters or differentiable functions of them. The state has the fields
    ``hidden`` and, for "lstm", ``cell``; the readout is ``hidden``.
    """

    kind: Literal["lstm", "gru", "rnn_tanh"]
    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None = None
    bias_hh: Tensor | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the state, in the library's order."""
        return ("hidden", "cell") if self.kind == "lstm" else ("hidden",)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The parameters in the library's order."""
        stored = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return tuple(tensor for tensor in stored if tensor is not None)


def paired(bias_ih: Tensor | None, bias_hh: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Both biases where there is one of them: the library takes two or none."""
    if bias_ih is not None and bias_hh is None:
        return bias_ih, torch.zeros_like(bias_ih)
    return bias_ih, bias_hh


def misfit(form: Library, xs: Tensor, state: Any) -> str | None:
    """Why the library cannot run ``form`` on these tensors here and now, or None."""
    if torch.compiler.is_compiling():
        return "the library's call would break the graph that torch.compile traces"
    tensors = (xs, *form.tensors, *(getattr(state, name) for name in form.fields))
    if any(not _has_memory(tensor) for tensor in tensors):
        return "under a torch.func transform such as vmap the library's call has no rule"
    if any(forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors):
        return "the library's call has no forward-mode derivative"
    places = {(tensor.device, tensor.dtype) for tensor in tensors}
    device, dtype = next(iter(places))
    if len(places) > 1 or dtype not in DTYPES or device.type not in ("cpu", "cuda"):
        found = ", ".join(sorted({f"{dtype} on {device}" for device, dtype in places}))
        return f"it takes float32 or float64, one dtype on one CPU or CUDA device: got {found}"
    if torch.is_autocast_enabled(device.type):
        return "autocast is on, which casts inside a step where the library's call casts around it"
    if xs.numel() == 0:
        return "the sequence or the batch is empty"
    return None


def run(form: Library, xs: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Outputs ``(T, *batch, H)`` and the last state, from ``xs`` and ``state`` that fit ``form``."""
    batch = xs.shape[1:-1]
    examples, width = math.prod(batch), form.weight_hh.shape[-1]
    old = [
        getattr(state, name).expand(*batch, width).reshape(1, examples, width).contiguous()
        for name in form.fields
    ]
    # without a gradient to come the forward need not keep what a backward reads
    train = torch.is_grad_enabled() and any(t.requires_grad for t in (xs, *form.tensors, *old))
    call = getattr(torch, form.kind)
    with warnings.catch_warnings():
        # cuDNN wants the parameters side by side in memory and copies them; ours stay where they are
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single")
        outputs, *last = call(
            xs.reshape(xs.shape[0], examples, xs.shape[-1]),
            tuple(old) if len(old) > 1 else old[0],
            list(form.tensors),
            has_biases=form.bias_ih is not None,
            num_layers=1,
            dropout=0.0,
            train=train,
            bidirectional=False,
            batch_first=False,
        )
    new = {name: part.reshape(*batch, width) for name, part in zip(form.fields, last, strict=True)}
    return outputs.reshape(-1, *batch, width), state._replace(**new)


def _has_memory(tensor: Tensor) -> bool:
    """Whether a tensor is one and not a wrapper that a transform of ``torch.func`` passes through."""
    try:
        tensor.untyped_storage()
    except RuntimeError:  # NotImplementedError is one
        return False
    return True

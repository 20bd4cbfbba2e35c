"""Cells whose units do not mix, and all that can be compared of two runs of one."""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F

import cells

VARIANTS = {
    "gato": ("gato", {}),
    "gato-tanh": ("gato", {"reg": "tanh", "lam": 0.5}),
    "gato-zero": ("gato", {"s_mode": "zero"}),
    "gato-overwritten": ("gato", {"s_mode": "no_residual", "gamma": "sin"}),
    "gato-wrapped": ("gato", {"wrap_s": True}),
    "gato-quarter": ("gato", {"s_fraction": 0.25}),
    "gato-all-recurrent": ("gato", {"s_fraction": 0.0}),
    "gato-2": ("gato-2", {"k": 3}),
    "gru-after": ("gru-diag", {}),
    "gru-before": ("gru-diag", {"reset": "before", "n_b": 1}),
    "gru-no-bias": ("gru-diag", {"n_b": 0}),
    "lstm": ("lstm-diag", {"forget_offset": 1.0}),
    "lstm-tied": ("lstm-diag", {"tied": True}),
    "brhn": ("brhn-diag", {}),
    "rhn": ("rhn", {"diagonal": True}),
    "indrnn": ("indrnn", {}),
    "indrnn-tanh": ("indrnn", {"nonlinearity": "tanh"}),
}


def make(variant, hidden_size=8, dtype=torch.float64, seed=0):
    """One cell of three inputs with weights large enough to matter."""
    name, knobs = VARIANTS[variant]
    generator = torch.Generator().manual_seed(seed)
    cell = cells.get(name)(3, hidden_size, generator=generator, **knobs).to(dtype)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return cell


def everything(cell, backend, xs, state, seed=1):
    """Outputs, the last state, and the gradients of all inputs, initial states and parameters."""
    begin = [field.detach().clone().requires_grad_() for field in state]
    xs = xs.detach().requires_grad_()
    model = cells.Recurrent(cell, backend=backend)
    outputs, (last,) = model(xs, (type(state)(*begin),))
    generator = torch.Generator().manual_seed(seed)
    loss = sum(
        (one * torch.randn(one.shape, generator=generator, dtype=one.dtype)).sum()
        for one in (outputs, *last)
    )
    wanted = [xs, *begin, *cell.parameters()]
    found = torch.autograd.grad(loss, wanted, allow_unused=True)
    zeros = (torch.zeros_like(w) if f is None else f for w, f in zip(wanted, found, strict=True))
    return [outputs, *last, *zeros]


def start(cell, *batch, dtype=torch.float64):
    """An initial state that is not zero."""
    generator = torch.Generator().manual_seed(2)
    like = cell.initial_state(*batch)
    return type(like)(*(torch.randn(f.shape, generator=generator).to(dtype) for f in like))


def gap(a, b):
    """The largest difference."""
    return float((a - b).detach().abs().max()) if a.numel() else 0.0


def rounded(cell, way):
    """The cell with parameters whose last digit is one higher or lower, by ``way``, or the same."""
    other = copy.deepcopy(cell)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1 + way * torch.finfo(parameter.dtype).eps)
    return other


def stacked(cell, count):
    """The parameters of ``count`` models like ``Recurrent(cell)``, by name."""
    generator = torch.Generator().manual_seed(5)
    named = cells.Recurrent(cell).named_parameters()
    return {
        name: torch.randn(count, *p.shape, generator=generator, dtype=p.dtype) for name, p in named
    }


def both(cell):
    """A model of it by the kernels, and one by the reference."""
    return [cells.Recurrent(cell, backend=name) for name in ("fused", "reference")]


def plenty(states, inputs, weights, _):
    """A step of all functions that kernels compose of others, at arguments where they are defined."""
    (h,), x = states, inputs[0] + weights[0] * states[0]
    inside, above = 0.9 * torch.tanh(x), 1 + x * x
    parts = [
        torch.erf(x), torch.erfc(x), F.gelu(x), F.gelu(x, approximate="tanh"), torch.atan(x),
        torch.atan2(x, h + 0.1), torch.asin(inside), torch.acos(inside), torch.tan(inside), torch.sinh(x),
        torch.cosh(x), torch.asinh(x), torch.acosh(1 + above), torch.atanh(inside), torch.exp2(x),
        torch.log2(above), torch.log10(above), above**0.3, above**x, 2.0**x, x**9, torch.hypot(x, above),
        torch.logaddexp2(x, h), torch.xlogy(x, above), torch.fmax(x, h), torch.fmin(x, h),
        torch.remainder(x, 1.3), torch.fmod(x, 1.3), torch.remainder(x, -above), torch.frac(x),
        x * torch.ceil(x), x * torch.trunc(x), x * torch.round(x), x + (torch.round(x) - x).detach(),
        torch.div(x, 0.7, rounding_mode="floor") * h, F.softshrink(x), F.hardshrink(x),
        torch.clamp(x, -torch.ones_like(x), h.abs()), torch.where(x.isnan() | x.isinf(), h, x),
        x * torch.logical_xor(x > 0, h > 0), torch.where(x > 3, -math.inf, x).clamp_min(-9.0),
    ]  # fmt: skip
    return (torch.tanh(0.02 * sum(parts)),)

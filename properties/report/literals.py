"""Tensors as Python source: exact, and as short as their structure allows."""

from __future__ import annotations

import base64
import pprint
import textwrap
import zlib

import torch
from torch import Tensor

_LARGE = 4096  # scalars: beyond, digits give way to packed bytes
_LONGEST_PERIOD = 64
_WIDTH = 96

UNPACK = '''
def unpack(text, shape, dtype):
    """Bytes of a large tensor, compressed."""
    raw = bytearray(zlib.decompress(base64.b64decode(text)))
    return torch.frombuffer(raw, dtype=dtype).reshape(shape)
'''
"""What a script must define (and ``import base64, zlib``) where :func:`literal` packs a tensor."""


def literal(value: Tensor) -> str:
    """An expression that evaluates to ``value``, bit for bit and in its dtype.

    Names it uses: ``torch``, ``inf``, ``nan`` and, beyond 4096 scalars, ``unpack`` of :data:`UNPACK`.
    """
    value = value.detach().cpu()
    if value.is_complex():  # Python's own complex numbers lose the sign of a zero
        return f"torch.view_as_complex({literal(torch.view_as_real(value.resolve_conj()))})"
    dtype = str(value.dtype)
    shape = tuple(value.shape)
    constant = _constant(value)
    if value.numel() == 0 or constant == "0.0":
        return f"torch.zeros({shape}, dtype={dtype})"
    if constant is not None:
        return f"torch.full({shape}, {constant}, dtype={dtype})"
    if value.numel() > _LARGE:
        raw = value.contiguous().view(torch.uint8).numpy().tobytes()
        text = base64.b64encode(zlib.compress(raw, 9)).decode()
        lines = "\n    ".join(f'"{part}"' for part in textwrap.wrap(text, _WIDTH))
        return f"unpack(\n    {lines},\n    {shape}, {dtype},\n)"
    digits = pprint.pformat(value.tolist(), width=_WIDTH, compact=True)
    if "\n" in digits:
        return f"torch.tensor(\n{textwrap.indent(digits, '    ')},\n    dtype={dtype},\n)"
    return f"torch.tensor({digits}, dtype={dtype})"


def _constant(value: Tensor) -> str | None:
    """The one number that every entry is, where there are at least two and its sign is the same."""
    if value.numel() < 2:
        return None
    first = value.reshape(-1)[0]
    same = (value == first) & (torch.signbit(value) == torch.signbit(first))
    return repr(first.item()) if bool(same.all()) else None


def periodic(inputs: Tensor) -> tuple[int, int]:
    """(q, p) with inputs[t] = inputs[t − p] for every t ≥ q + p: a beginning of q steps, then a period.

    ``inputs`` is (T, D). A short period is preferred to a short beginning; where nothing that is worth
    it repeats, (0, T).
    """
    steps = len(inputs)
    best, cost = (0, steps), steps
    for period in range(1, min(_LONGEST_PERIOD, steps // 2) + 1):
        same = (inputs[period:] == inputs[:-period]).all(-1)
        wrong = (~same).nonzero()
        start = int(wrong[-1]) + 1 if len(wrong) else 0
        if start + 2 * period <= cost:
            best, cost = (start, period), start + 2 * period - 1
    return best


def sequence(inputs: Tensor) -> str:
    """An expression for an input sequence (T, D): a beginning, and one period as often as it comes."""
    steps = len(inputs)
    start, period = periodic(inputs)
    if start + period >= steps:
        return literal(inputs)
    times = -(-(steps - start) // period)
    cut = f"[:{steps - start}]" if times * period > steps - start else ""
    repeated = f"{literal(inputs[start : start + period])}.repeat({times}, 1){cut}"
    return f"torch.cat([{literal(inputs[:start])}, {repeated}])" if start else repeated

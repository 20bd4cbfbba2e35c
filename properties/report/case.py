"""A counterexample as a page shows it: sentence, small tables of numbers, and the script."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from properties.core.certificate import Certificate, Result
from properties.core.witness import Witness
from properties.report.figures import figure, rounded
from properties.report.literals import periodic
from properties.report.reproducer import script

_SHOWN = 144  # numbers of one tensor; larger ones are in the script only
_STEPS = 12


def case(certificate: Certificate, result: Result) -> dict[str, Any]:
    """What the template prints of one falsified line."""
    because = ""
    if result.because and result.because not in result.reason:
        verb = {"denies": "Denied", "allowed": "Allowed"}.get(result.declared, "Claimed")
        because = f"{verb} because {result.because}"
    return {
        "property": result.property,
        "scope": result.scope,
        "reason": rounded(result.reason),
        "because": because,
        "tensors": [] if result.witness is None else _tensors(result.witness),
        "script": "" if certificate.context is None else script(certificate, result),
    }


def _tensors(witness: Witness) -> list[dict[str, Any]]:
    draws = witness.draws
    inputs = draws.inputs[:, 0]
    start, period = periodic(inputs)
    note = f"({len(inputs)} × {inputs.shape[1]}) a row per step"
    if start + period < len(inputs):
        rows = "row" if period == 1 else f"{period} rows"
        note += f", the {'last ' if start else ''}{rows} repeated"
    shown = inputs[: start + period]
    tensors = [_tensor(name, value[0]) for name, value in draws.parameters.items()]
    tensors.append(_tensor("state before", draws.state[0]))
    tensors.append(_tensor("inputs", shown if len(shown) <= _STEPS else inputs, note, _STEPS * 8))
    return tensors


def _tensor(
    name: str, value: Tensor, note: str | None = None, most: int = _SHOWN
) -> dict[str, Any]:
    """Name, shape and rows of figures; a constant tensor is one figure, a large one none."""
    shape = f"({' × '.join(map(str, value.shape))})" if value.dim() else ""
    note = shape if note is None else note
    values = torch.view_as_real(value) if value.is_complex() else value
    if values.numel() > 1 and bool((values == values.reshape(-1)[0]).all()):
        return {"name": name, "note": f"{note} all {_figure(values.reshape(-1)[0])}", "rows": []}
    if values.numel() > most:
        return {
            "name": name,
            "note": f"{note}: {values.numel()} numbers, in the script",
            "rows": [],
        }
    rows = values.reshape(-1, values.shape[-1]) if values.dim() > 1 else values.reshape(1, -1)
    return {"name": name, "note": note, "rows": [[_figure(v) for v in row] for row in rows]}


def _figure(value: Tensor) -> str:
    return figure(float(value), 6)

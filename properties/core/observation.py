"""What one run of a layer gives: outputs, last state, and the gradients of a loss; NaN where NaN was fed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from properties.core.engine import Probe
from properties.core.implementations import Run
from properties.core.setting import Setting

INPUTS, STATE = "inputs", "the initial state"


@dataclass(frozen=True)
class Case:
    """One parameter draw, one flat initial state (n,), one sequence (T, D), and how they are handed over."""

    parameters: dict[str, Tensor]
    state: Tensor
    inputs: Tensor
    setting: Setting


@dataclass(frozen=True)
class Observed:
    """``values``: "outputs" and each field of the last state; ``gradients``: by what they are taken in."""

    values: dict[str, Tensor]
    gradients: dict[str, Tensor]
    overwritten: tuple[str, ...]


class Layer:
    """A cell of one dtype, run over a case by the code at hand; the cell's parameters are overwritten.

    Numbers are rounded to float32 first, so that a case is the same in both precisions.
    """

    def __init__(self, cell: Any, run: Run, case: Case, dtype: torch.dtype) -> None:
        self.probe, self.run, self.case, self.dtype = Probe(cell), run, case, dtype
        self.parameters = dict(cell.named_parameters()) if isinstance(cell, nn.Module) else {}
        setting = case.setting
        self.leaves = {
            INPUTS: setting.inputs_of(self._cast(case.inputs)),
            STATE: setting.state_of(self._cast(case.state)),
            **{name: self._cast(value) for name, value in case.parameters.items()},
        }
        self.watched = [
            name
            for name in self.leaves
            if setting.watches({INPUTS: "inputs", STATE: "initial state"}.get(name, "parameters"))
        ]

    def _cast(self, value: Tensor) -> Tensor:
        if value.is_complex():
            wide = torch.complex128 if self.dtype == torch.float64 else torch.complex64
            return value.to(torch.complex64).to(wide)
        return value.to(torch.float32).to(self.dtype)

    def _load(self, leaves: dict[str, Tensor]) -> dict[str, Tensor]:
        """The cell with the parameters of ``leaves``, in place, and ``leaves`` with the cell's own tensors.

        In place, since a layer beside the cell may share its parameters: a substitute is not seen there.
        """
        own = {k: self.parameters[k] for k in self.case.parameters}
        for name, parameter in own.items():
            parameter.data.copy_(leaves[name])
            parameter.requires_grad_(name in self.watched)
        return {**leaves, **own}

    def _results(self, leaves: dict[str, Tensor], poison: str = "") -> tuple[Tensor, Any]:
        setting, probe = self.case.setting, self.probe
        xs = setting.sequence(leaves[INPUTS])
        state = setting.start(leaves[STATE], probe.layout, probe.cell.initial_state(*setting.batch))
        if poison == INPUTS:
            xs = _spoiled(xs, len(xs) // 2)
        elif poison == STATE:
            first = probe.layout.fields[0].name
            state = state._replace(**{first: _spoiled(getattr(state, first))})
        return self.run(xs, state)

    def _loss(self, outputs: Tensor, last: Any) -> Tensor:
        return self.case.setting.loss(_real(outputs), self.probe.layout.ravel(last))

    def observe(self) -> Observed:
        """Run it forward and backward."""
        leaves = self._load({k: v.clone() for k, v in self.leaves.items()})
        for name in (INPUTS, STATE):
            leaves[name].requires_grad_(name in self.watched)
        outputs, last = self._results(leaves)
        values = {"outputs": outputs.detach()}
        values |= {k: v.detach() for k, v in zip(last._fields, last, strict=True)}
        loss = self._loss(outputs, last)
        asked = [leaves[k] for k in self.watched]
        given: Any = [None] * len(asked)
        if loss.requires_grad:
            given = torch.autograd.grad(loss, asked, allow_unused=True)
        gradients = {
            k: torch.zeros_like(leaf) if g is None else g
            for k, leaf, g in zip(self.watched, asked, given, strict=True)
        }
        changed = tuple(k for k, v in self.leaves.items() if not _same(leaves[k].detach(), v))
        return Observed(values, gradients, changed)

    @torch.no_grad()
    def loss_at(self, name: str, shift: Tensor | None = None) -> float:
        """The loss, with ``shift`` added to the leaf ``name``; without gradients."""
        leaves = dict(self.leaves)
        if shift is not None:
            leaves[name] = leaves[name] + shift
        return float(self._loss(*self._results(self._load(leaves))))

    @torch.no_grad()
    def spoiled(self, where: str) -> dict[str, Tensor]:
        """Where outputs and last state are NaN once a number of ``where`` is."""
        outputs, last = self._results(self._load(self.leaves), where)
        fields = {f.name: getattr(last, f.name) for f in self.probe.layout.fields}
        return {k: torch.isnan(v) for k, v in ({"outputs": outputs} | fields).items()}


def _spoiled(value: Tensor, place: Any = ...) -> Tensor:
    """A copy whose last number (of ``place``) is NaN."""
    copy = value.clone(memory_format=torch.contiguous_format)
    copy[place].view(-1)[-1:] = torch.nan
    return copy


def _real(value: Tensor) -> Tensor:
    return torch.view_as_real(value.resolve_conj()) if value.is_complex() else value


def _same(one: Tensor, other: Tensor) -> bool:
    return bool(((one == other) | ((one != one) & (other != other))).all())  # noqa: PLR0124

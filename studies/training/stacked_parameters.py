"""The parameters of S models of one shape in one tensor per name, of which each model's own are rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class StackedParameters:
    """One tensor (S, …) per name; from now on each model's own parameter is a row of it, in the same memory.

    So nothing is copied to compute with all models, and optimizers, clipping, freezing and state dicts still
    see every one apart. Raises RuntimeError for models whose parameters differ in shape.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self._own = {
            name: [model.get_parameter(name) for model in models]
            for name, _ in models[0].named_parameters()
        }
        self._count = len(models)
        self._gather()

    def _gather(self) -> None:
        stacked = {name: torch.stack([p.detach() for p in own]) for name, own in self._own.items()}
        for name, own in self._own.items():  # not before all of them were stacked
            for parameter, row in zip(own, stacked[name].unbind(), strict=True):
                parameter.data = row
        self._stacked, self._gathered = stacked, self._addresses()

    def _addresses(self) -> list[int]:
        return [parameter.data_ptr() for own in self._own.values() for parameter in own]

    def of(self, active: Sequence[int]) -> dict[str, Tensor]:
        """By name, the parameters (A, …) of the ``active`` models, in their order.

        Where gradients are recorded they are leaves, whose gradients a backward pass leaves in the models'
        own parameters, added to what is there.
        """
        if self._addresses() != self._gathered:  # a model was moved to another device or dtype
            self._gather()
        everyone = list(active) == list(range(self._count))
        found = {}
        for name, own in self._own.items():
            whole = self._stacked[name]
            found[name] = leaf = whole.detach() if everyone else whole[list(active)]
            if torch.is_grad_enabled() and any(parameter.requires_grad for parameter in own):
                leaf.requires_grad_()
                leaf.register_post_accumulate_grad_hook(_Handing([own[s] for s in active]))
        return found


class _Handing:
    """Hands the rows of a leaf's gradient to the ``parameters`` they belong to."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self._parameters = parameters

    def __call__(self, leaf: Tensor) -> None:
        rows = leaf.grad.unbind()  # type: ignore[union-attr]
        for parameter, row in zip(self._parameters, rows, strict=True):
            if parameter.requires_grad:
                parameter.grad = row if parameter.grad is None else parameter.grad + row
        leaf.grad = None

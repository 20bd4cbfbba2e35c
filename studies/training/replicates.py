"""S models of one shape as one: their losses and outputs, computed together or one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils import _pytree as pytree

from studies.training.noise import ReplicateNoise
from studies.training.stacked_parameters import StackedParameters


class Tensors(NamedTuple):
    """A batch on the device: the fields of :class:`studies.core.batch.Batch`, with or without replicates."""

    inputs: Tensor
    targets: Tensor
    weights: Tensor
    lengths: Tensor | None
    fresh: Tensor | None

    def of(self, place: int) -> Tensors:
        """The batch of one replicate."""
        return Tensors(*[None if field is None else field[place] for field in self])  # type: ignore[arg-type]


Values = Callable[[Tensor, Tensor], Tensor]
"""Outputs (…, K) and targets to one value per prediction (…)."""


_REFUSED = "randomness error mode"
"""What vmap says of a random function, with those words."""


def weighted_sum(per_prediction: Tensor, weights: Tensor) -> Tensor:
    """Σ w·value over all predictions; where w = 0 nothing is added, whatever stands there."""
    return (per_prediction * weights).masked_fill(weights == 0, 0).sum()


class Replicates:
    """The models of S seeds. ``together``: stacked under ``torch.func.vmap``, else one after the other.

    Both compute the same numbers to rounding, and leave gradients in each model's own parameters, which lie
    in one memory once they are stacked: optimizers, clipping and freezing see every replicate apart, and one
    that stops costs nothing more. ``keys``: one integer per model, the address of its dropout masks.
    """

    def __init__(self, models: Sequence[nn.Module], keys: Sequence[int], *, together: bool) -> None:
        self.models = list(models)
        self.keys = list(keys)
        self.together = together
        self.obstacle = ""
        """Why the models could not be stacked, where that was tried."""
        self._parameters: StackedParameters | None = None
        self._stacks = False
        self.draws: bool | None = None
        """Whether training draws random numbers; None until a step has been made."""

    def losses(
        self,
        active: Sequence[int],
        batch: Tensors,
        states: list[Any] | None,
        step: int,
        loss: Values,
    ) -> tuple[Tensor, list[Any]]:
        """Weighted mean loss of each active replicate, (S,), differentiable, and the states after it.

        ``batch`` has the active replicates as leading axis; ``states``: one per replicate, None to begin.
        """
        keys = [_step_key(self.keys[s], step) for s in active]
        if self._stacks and self.draws is False and len(active) > 1:
            quiet = self._training(loss, listen=False)
            try:  # vmap itself refuses draws, so that nobody has to look at every function
                return self._map(active, quiet, batch, states, keys, shared=False)
            except RuntimeError as error:
                if _REFUSED not in str(error):
                    raise
        return self._map(active, self._training(loss), batch, states, keys, shared=False)

    def losses_apart(
        self, active: Sequence[int], batches: Sequence[Tensors], step: int, loss: Values
    ) -> tuple[Tensor, list[Any]]:
        """As :meth:`losses`, one by one, each with its own batch and no state carried.

        For batches of different lengths in a model with dropout: padding would shift whose draw a mask is.
        """
        one = self._training(loss)
        values, after = [], []
        for s, fields in zip(active, batches, strict=True):
            key = torch.tensor(_step_key(self.keys[s], step), device=fields.inputs.device)
            value, last = one(self.models[s], fields, None, key)
            values.append(value)
            after.append(last)
        return torch.stack(values), after

    def _training(self, loss: Values, *, listen: bool = True) -> Callable[..., Any]:
        """A replicate's loss; ``listen``: whether it may draw, by its own stream."""

        def one(model: Callable[..., Any], fields: Tensors, state: Any, key: Tensor) -> Any:
            with ReplicateNoise(key) if listen else nullcontext() as noise:
                outputs, after = model(fields.inputs, state, fields.lengths, fields.fresh)
            if noise is not None:
                self.draws = noise.draws > 0
            total = weighted_sum(loss(outputs, fields.targets), fields.weights)
            return total / fields.weights.sum(), after

        return one

    def sums(
        self, active: Sequence[int], batch: Tensors, states: list[Any] | None, score: Values
    ) -> tuple[Tensor, list[Any]]:
        """Weighted sum of ``score`` of each active replicate, (S,), on one batch that all of them read."""

        def one(model: Callable[..., Any], fields: Tensors, state: Any, _: Tensor) -> Any:
            outputs, after = model(fields.inputs, state, fields.lengths, fields.fresh)
            return weighted_sum(score(outputs, fields.targets), fields.weights), after

        return self._map(active, one, batch, states, [0] * len(active), shared=True)

    def _map(
        self,
        active: Sequence[int],
        one: Callable[..., Any],
        batch: Tensors,
        states: list[Any] | None,
        keys: Sequence[int],
        *,
        shared: bool,
    ) -> tuple[Tensor, list[Any]]:
        models = [self.models[s] for s in active]
        noise = torch.tensor(keys, dtype=torch.int64, device=batch.inputs.device)
        if self.together and len(models) > 1:
            try:
                if self._parameters is None:
                    self._parameters = StackedParameters(self.models)
                weights = self._parameters.of(active) | _stacked_buffers(models)
                result = _stacked(models[0], weights, one, batch, states, noise, shared=shared)
            except (RuntimeError, ValueError, NotImplementedError) as error:
                if self._stacks:
                    raise  # it has worked before: this is another mistake
                # such as a fused kernel without a batching rule, or a branch on data; an error of the
                # model's own is raised again below
                self.together, self.obstacle = False, str(error).partition("\n")[0]
            else:
                self._stacks = True
                return result
        values, after = [], []
        for place, model in enumerate(models):
            fields = batch if shared else batch.of(place)
            state = None if states is None else states[place]
            value, last = one(model, fields, state, noise[place])
            values.append(value)
            after.append(pytree.tree_map(torch.Tensor.detach, last))
        return torch.stack(values), after


def _stacked_buffers(models: Sequence[nn.Module]) -> dict[str, Tensor]:
    return {
        name: torch.stack([model.get_buffer(name) for model in models])
        for name, _ in models[0].named_buffers()
    }


def _stacked(
    skeleton: nn.Module,
    weights: dict[str, Tensor],
    one: Callable[..., Any],
    batch: Tensors,
    states: list[Any] | None,
    noise: Tensor,
    *,
    shared: bool,
) -> tuple[Tensor, list[Any]]:
    """The same under vmap. Absent fields and states stay outside: vmap maps tensors only."""
    state = None if states is None else pytree.tree_map(lambda *s: torch.stack(s), *states)
    leaves, structure = pytree.tree_flatten((tuple(batch), state))
    present = [k for k, leaf in enumerate(leaves) if leaf is not None]
    fields = len(batch)
    mapped = tuple(None if shared and k < fields else 0 for k in present)

    def single(weights: dict[str, Tensor], key: Tensor, *tensors: Tensor) -> Any:
        whole: list[Tensor | None] = [None] * len(leaves)
        for k, tensor in zip(present, tensors, strict=True):
            whole[k] = tensor
        own, before = pytree.tree_unflatten(whole, structure)

        def model(*arguments: Any) -> Any:
            return functional_call(skeleton, weights, arguments)

        return one(model, Tensors(*own), before, key)

    values, after = torch.vmap(single, in_dims=(0, 0, *mapped))(
        weights, noise, *[leaves[k] for k in present]
    )
    states_after, structure = pytree.tree_flatten(after)
    rows = [leaf.detach().unbind() for leaf in states_after]
    return values, [
        pytree.tree_unflatten([row[k] for row in rows], structure) for k in range(len(noise))
    ]


def _step_key(key: int, step: int) -> int:
    """Another one for every replicate and step."""
    return (key + step * 0x9E3779B97F4A7C15) % (1 << 63)

"""Adam over replicates with as little between two updates as there can be."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class _Group(NamedTuple):
    """``parameters`` that have a state, its parts in their order, and ``counts``: their ``steps`` as one."""

    parameters: list[Tensor]
    means: list[Tensor]
    squares: list[Tensor]
    steps: list[Tensor]
    counts: Tensor


class ReplicateAdam(torch.optim.Adam):
    """torch's fused Adam, one parameter group per replicate: its numbers, its state and its state dict.

    Its own ``step`` looks through every parameter of every group, and counts each up by itself, which for
    small models takes several times as long as the update. Here a group is looked through once, and its
    counts are rows of one tensor.
    """

    def __init__(self, groups: Any, **options: Any) -> None:
        super().__init__(groups, fused=True, **options)
        self._groups: dict[int, _Group] = {}

    def load_state_dict(self, state_dict: Any) -> None:
        """As torch's, which puts other tensors in place of these."""
        super().load_state_dict(state_dict)
        self._groups = {}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """As torch's: what has no gradient stays as it is."""
        ready: list[tuple[dict[str, Any], list[Tensor], _Group]] = []
        for place, options in enumerate(self.param_groups):
            given = [p for p in options["params"] if p.grad is not None]
            if not given:
                continue
            group = self._group(place, given)
            if group is None or closure is not None:
                loss: float | None = super().step(closure)
                return loss
            ready.append((options, given, group))
        for options, given, group in ready:
            group.counts.add_(1)
            beta1, beta2 = options["betas"]
            torch._fused_adam_(  # which torch's own step calls as well
                given,
                [p.grad for p in given if p.grad is not None],
                group.means,
                group.squares,
                [],
                group.steps,
                lr=options["lr"],
                beta1=beta1,
                beta2=beta2,
                weight_decay=options["weight_decay"],
                eps=options["eps"],
                amsgrad=options["amsgrad"],
                maximize=options["maximize"],
            )
        return None

    def _group(self, place: int, given: Sequence[Tensor]) -> _Group | None:
        """What is kept of a group, if just the parameters ``given`` have a state; else None."""
        found = self._groups.get(place)
        if found is None:
            found = self._looked_through(self.param_groups[place]["params"])
            if found is None:
                return None
            self._groups[place] = found
        if len(given) == len(found.parameters) and all(map(operator.is_, given, found.parameters)):
            return found
        del self._groups[place]  # another parameter may have a state afterwards
        return None

    def _looked_through(self, parameters: Sequence[Tensor]) -> _Group | None:
        stepped = [p for p in parameters if self.state.get(p)]
        if not stepped:
            return None
        states = [self.state[p] for p in stepped]
        counts = torch.stack([state["step"] for state in states])
        for state, count in zip(states, counts, strict=True):
            state["step"] = count
        means, squares, steps = (
            [state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step")
        )
        return _Group(stepped, means, squares, steps, counts)

"""One optimizer over all replicates, in which each has its own learning rate, clip norm and end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from studies.training.norms import gradient_norm
from studies.training.replicate_adam import ReplicateAdam
from studies.training.settings import TrainingSettings

_FLOOR = 0.01


class Descent:
    """Adam or RAdam with one parameter group per replicate.

    A replicate whose gradients are withheld (``active`` lacks it) keeps parameters, moments and step
    count as they are: the library's optimizer passes over parameters without a gradient. Adam is torch's
    fused one, by :class:`ReplicateAdam`, where that computes what is written here.
    """

    def __init__(self, models: Sequence[nn.Module], settings: TrainingSettings) -> None:
        self.settings = settings
        self.parameters = [list(model.parameters()) for model in models]
        adam = settings.optimizer == "adam"
        fused = adam and all(_fuses(p) for own in self.parameters for p in own)
        self._implementation = {"fused": True} if fused else {"foreach": True}
        kind: Any = torch.optim.Adam if adam else torch.optim.RAdam
        self.optimizer: torch.optim.Optimizer = (ReplicateAdam if fused else kind)(
            [{"params": own} for own in self.parameters],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            **({} if fused else self._implementation),
        )
        self.gradient_norms: dict[int, float] = {}
        """Of the last step, by replicate, if it was measured."""

    @property
    def learning_rates(self) -> list[float]:
        """One per replicate."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def halve(self, replicate: int) -> None:
        """Halve the learning rate of one replicate."""
        self.optimizer.param_groups[replicate]["lr"] /= 2

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from the optimizer's ``state_dict`` of a run that was left.

        What it says of the implementation is not taken over: earlier versions wrote the moments of another,
        and torch would go back to that one.
        """
        flags = {"foreach": None, "fused": None} | self._implementation
        groups = [
            {**group, **{k: v for k, v in flags.items() if k in group}}
            for group in state["param_groups"]
        ]
        self.optimizer.load_state_dict({**state, "param_groups": groups})

    def step(self, losses: Tensor, active: Iterable[int], *, measured: bool = False) -> None:
        """Descend along the gradient of each loss (S,) in its own replicate's parameters.

        ``measured``: note the norms of the gradients, before they are clipped.
        """
        self.gradient_norms = {}
        for own in self.parameters:
            for parameter in own:
                parameter.grad = None
        losses.sum().backward()  # the terms share no parameter, so each keeps its own gradient
        active = set(active)
        for replicate, own in enumerate(self.parameters):
            if replicate not in active:
                for parameter in own:
                    parameter.grad = None
            else:
                if measured:
                    self.gradient_norms[replicate] = gradient_norm(own)
                self._clip(own)
        self.optimizer.step()

    def _clip(self, own: Sequence[nn.Parameter]) -> None:
        if self.settings.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(own, self.settings.clip_norm, foreach=True)
        if self.settings.clip_per_variable is not None:
            for parameter in own:
                self._clip_variable(parameter, self.settings.clip_per_variable)

    def _clip_variable(self, parameter: nn.Parameter, multiple: float) -> None:
        """RRU's rule (its published code; not in the paper)."""
        if parameter.grad is None:
            return
        state = self.optimizer.state.get(parameter, {})
        limit = parameter.grad.new_tensor(_FLOOR)
        if state:
            beta = self.optimizer.param_groups[0]["betas"][1]
            moments = state["exp_avg_sq"] / (1 - beta ** float(state["step"]))
            limit = limit + multiple * moments.sum().sqrt()
        norm = torch.linalg.vector_norm(parameter.grad)
        parameter.grad.mul_(torch.clamp(limit / norm.clamp_min(1e-12), max=1.0))


def _fuses(parameter: Tensor) -> bool:
    """Whether torch's fused Adam updates ``parameter`` rightly.

    It walks through memory whatever the strides, so that a gradient laid out otherwise would go astray.
    """
    return (
        parameter.device.type in {"cpu", "cuda"}
        and parameter.is_floating_point()
        and parameter.is_contiguous()
    )

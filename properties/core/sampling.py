"""Draws: parameters at initialization and up to saturation, inputs of every kind, initial states."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from properties.core.subject import Subject, stable_seed
from properties.core.witness import Draws

INPUT_KINDS = ("constant", "zero", "impulse", "alternating", "random", "sparse")
WEIGHT_KINDS = ("initial", "scaled", "normal", "corner", "positive", "sparse", "biases")
LARGEST_INPUT = {"at-init": 1.0, "these-weights": 10.0, "all-weights": 1e3}


@dataclass(frozen=True, slots=True, order=True)
class Regime:
    """What Hypothesis draws: a size, a horizon and a seed; the draws themselves follow from these."""

    size: tuple[int, int]
    horizon: int
    seed: int


class Sampler:
    """Makes stacked draws for one subject and one size; fresh initializations are made once."""

    def __init__(
        self, subject: Subject, size: tuple[int, int], seed: int, initializations: int
    ) -> None:
        self.subject, self.size = subject, size
        built = [
            subject.build(*size, seed=stable_seed(seed, "initialization", size, i))
            for i in range(1 if subject.weights is not None else initializations)
        ]
        self.cell = built[0]
        named = [dict(_parameters(cell)) for cell in built]
        self.pool = {k: torch.stack([n[k] for n in named]) for k in named[0]}

    def draws(
        self,
        scope: str,
        count: int,
        horizon: int,
        seed: int,
        *,
        state_scales: tuple[float, ...] = (0.0, 1.0),
        radius: float | None = None,
        units: int,
        initial: Tensor,
    ) -> Draws:
        """``count`` cases, stratified over the kinds of weights, inputs and initial states.

        States: every other case starts from ``initial`` (n,), the cell's own; the others are normal
        with a scale out of ``state_scales``, or uniform in the box of half-width ``radius``.
        """
        generator = torch.Generator().manual_seed(
            stable_seed(seed, self.size, scope, count, horizon)
        )
        dtype = self.subject.dtype
        parameters, weight_kinds = self._weights(scope, count, generator)
        inputs, input_kinds = self._inputs(scope, count, horizon, generator)
        state = torch.randn(count, units, generator=generator, dtype=torch.float64)
        scales = torch.tensor(state_scales, dtype=torch.float64)
        picks = torch.randint(len(state_scales), (count, 1), generator=generator)
        state = state * scales[picks]
        if radius is not None:
            box = torch.rand(count, units, generator=generator, dtype=torch.float64) * 2 - 1
            corner = torch.rand(count, 1, generator=generator, dtype=torch.float64) < 0.25
            state = radius * torch.where(corner, box.sign(), box)
        own = (torch.arange(count) % 2 == 0).unsqueeze(-1)
        state = torch.where(own, initial.double(), state)
        kinds = tuple(
            f"{w} weights, {x} input" for w, x in zip(weight_kinds, input_kinds, strict=True)
        )
        return Draws(*self.size, parameters, state.to(dtype), inputs.to(dtype), {}, kinds)

    def _weights(
        self, scope: str, count: int, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], list[str]]:
        have = next(iter(self.pool.values())).shape[0] if self.pool else 1
        picks = torch.arange(count) % have
        base = {k: v[picks].clone() for k, v in self.pool.items()}
        if scope != "all-weights":
            return base, [scope] * count
        places = (torch.arange(count) // 2) % len(WEIGHT_KINDS)
        # 1 … 100: from ordinary to saturated
        scales = 10 ** (2 * torch.rand(count, generator=generator, dtype=torch.float64))
        for name, value in base.items():
            base[name] = _weights_of_every_kind(value.double(), places, scales, generator).to(
                value.dtype
            )
        return base, [WEIGHT_KINDS[int(i)] for i in places]

    def _inputs(
        self, scope: str, count: int, horizon: int, generator: torch.Generator
    ) -> tuple[Tensor, list[str]]:
        width = self.size[0]
        largest = LARGEST_INPUT[scope]
        index = torch.arange(count)
        # one place on with each round of weights: every kind of them meets every kind of input, from the
        # cell's own state and from another
        pair = index // 2
        places = (pair % len(WEIGHT_KINDS) + pair // len(WEIGHT_KINDS)) % len(INPUT_KINDS)

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator, dtype=torch.float64)

        sizes = largest ** uniform(count) if largest > 1 else torch.ones(count, dtype=torch.float64)
        direction = uniform(count, width) * 2 - 1
        direction = direction / direction.abs().amax(-1, keepdim=True).clamp_min(1e-12)
        direction = torch.where(uniform(count, 1) < 0.5, direction.sign(), direction)
        direction = direction * sizes.unsqueeze(-1)
        steps = torch.arange(horizon).reshape(-1, 1, 1)
        impulse = (uniform(count) * horizon).long().reshape(1, -1, 1)
        every = {
            "constant": direction.expand(horizon, -1, -1),
            "zero": torch.zeros(horizon, count, width, dtype=torch.float64),
            "impulse": (steps == impulse) * direction,
            "alternating": torch.where(steps % 2 == 0, direction, -direction),
            "random": (uniform(horizon, count, width) * 2 - 1) * sizes.reshape(1, -1, 1),
            "sparse": (uniform(horizon, count, 1) < 0.1) * direction,
        }
        inputs = torch.zeros(horizon, count, width, dtype=torch.float64)
        for place, kind in enumerate(INPUT_KINDS):
            chosen = places == place
            inputs[:, chosen] = every[kind][:, chosen]
        kinds = [INPUT_KINDS[int(p)] for p in places]
        large = [
            kind != "zero" and float(size) > 10 for kind, size in zip(kinds, sizes, strict=True)
        ]
        return inputs, [f"large {k}" if big else k for k, big in zip(kinds, large, strict=True)]


def _weights_of_every_kind(
    value: Tensor, places: Tensor, scales: Tensor, generator: torch.Generator
) -> Tensor:
    """One parameter (N, …) of initial draws, replaced row by row as ``places`` says."""
    noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
    coin = torch.rand(value.shape, generator=generator, dtype=torch.float64)
    # one sign per output row: a whole gate is driven to one end
    per_row = value.shape[:2] + (1,) * (value.dim() - 2)
    signs = torch.where(
        torch.rand(per_row, generator=generator, dtype=torch.float64) < 0.5, -1.0, 1.0
    )
    scale = scales.reshape(-1, *(1,) * (value.dim() - 1))
    every = {
        "initial": value,
        "scaled": value * scale,
        "normal": noise * scale / 4,
        "corner": (signs * scale).expand(value.shape),
        "positive": scale.expand(value.shape),
        # matrices off: what a gate reads of the state cannot drive it back
        "biases": torch.zeros_like(noise) if value.dim() > 2 else noise * scale,
        "sparse": torch.where(coin < 0.6, torch.zeros_like(noise), noise * scale.sqrt()),
    }
    result = value.clone()
    for place, kind in enumerate(WEIGHT_KINDS):
        chosen = places == place
        result[chosen] = every[kind][chosen]
    return result


def _parameters(cell: object) -> list[tuple[str, Tensor]]:
    if not isinstance(cell, torch.nn.Module):
        return []
    return [(k, p.detach()) for k, p in cell.named_parameters() if p.requires_grad]

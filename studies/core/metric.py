"""What a task is scored by: a mean over predictions, with a unit, a direction and a name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class Metric:
    """``finish`` of the weighted mean of ``score(outputs, targets)`` over all predictions of a split.

    ``name`` carries the unit (``nll_nats``); ``unit`` is it alone, as UDUNITS or words write it; ``score``
    maps outputs (…, K) and targets to one number per prediction (…).
    """

    name: str
    unit: str
    better: Better
    long_name: str
    score: Callable[[Tensor, Tensor], Tensor]
    finish: Callable[[float], float] = float

    def improves(self, value: float, best: float) -> bool:
        """Whether ``value`` is better than ``best``; NaN never is."""
        return value < best if self.better == "lower" else value > best

    @property
    def worst(self) -> float:
        """What every finite value improves on."""
        return math.inf if self.better == "lower" else -math.inf


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """−log p(target) in nats; ``outputs`` (…, K) logits, ``targets`` (…) integers."""
    chosen = outputs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return torch.logsumexp(outputs, -1) - chosen


def bernoulli_nll(outputs: Tensor, targets: Tensor) -> Tensor:
    """−log p(targets) in nats, summed over the last axis of independent logits (…, K)."""
    return F.binary_cross_entropy_with_logits(outputs, targets, reduction="none").sum(-1)


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """(output − target)², ``outputs`` (…, 1), ``targets`` (…)."""
    return (outputs.squeeze(-1) - targets) ** 2


def correct(outputs: Tensor, targets: Tensor) -> Tensor:
    """100 where the largest of the logits (…, K) is the target's, else 0."""
    return 100.0 * (outputs.argmax(-1) == targets).to(outputs.dtype)


def target_probability(outputs: Tensor, targets: Tensor) -> Tensor:
    """p(target) under the softmax of logits (…, K)."""
    return torch.exp(-cross_entropy(outputs, targets))


def perplexity(nats: float) -> float:
    """Exp of a mean in nats; infinite where that overflows."""
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


MEAN_SQUARED_ERROR = Metric("mean_squared_error", "1", "lower", "mean squared error", squared_error)
NLL_NATS = Metric(
    "nll_nats",
    "nat",
    "lower",
    "negative log-likelihood of a frame, summed over notes",
    bernoulli_nll,
)
PERPLEXITY = Metric(
    "perplexity", "1", "lower", "exp of the mean negative log-likelihood of a token",
    cross_entropy, perplexity,
)  # fmt: skip
BITS_PER_CHARACTER = Metric(
    "bits_per_character", "bit", "lower", "mean negative log-likelihood of a character",
    cross_entropy, lambda nats: nats / math.log(2),
)  # fmt: skip
ACCURACY = Metric("accuracy", "percent", "higher", "share of right decisions", correct)
COPY_PROBABILITY = Metric(
    "probability", "1", "higher", "mean probability of the tokens to be copied", target_probability
)

"""The way from what ignorance scores to a perfect score, on which claims and scores are measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.core.metric import perplexity

LEARNED, SOLVED, SIMILAR = 0.1, 0.9, 0.1  # of the way
_PERFECT = {"accuracy": 100.0, "probability": 1.0, "perplexity": perplexity(0.0)}
# A likelihood's bound is out of reach on real data, and a tenth of the way to it is more than any ablation
# moves: where variants are compared, the way ends at the better of them.
_REACHED = ("accuracy", "probability", "mean_squared_error")


def sign(about: Mapping[str, Any]) -> float:
    """1 where higher is better, −1 where lower is."""
    return 1.0 if about["better"] == "higher" else -1.0


def perfect(about: Mapping[str, Any]) -> float:
    """The bound of the metric, whether or not anything reaches it."""
    return _PERFECT.get(about["metric"], 0.0)


def end(about: Mapping[str, Any], best: float) -> float:
    """Where the way ends for variants that are compared, ``best`` being the better of their means."""
    return perfect(about) if about["metric"] in _REACHED else best


def learned(about: Mapping[str, Any], best: float) -> bool:
    """Whether ``best`` has left ignorance: by a tenth of the way, or at all where a bound is out of reach."""
    ignorance, direction = float(about["ignorance"]), sign(about)
    return direction * (best - ignorance) > LEARNED * direction * (end(about, best) - ignorance)

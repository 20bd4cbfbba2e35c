"""The speeds that were set as goals: each by name, met or missed by a run's results, or not measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from environment import Environment
from result import Result

Results = Mapping[str, Result]


class Outcome(NamedTuple):
    """``word``: "met", "missed" or "not measured"; ``found``: the figure, in words."""

    word: str
    found: str


class Goal(NamedTuple):
    """``figure`` of the results ≥ ``bound``, or ≤ it where ``at_most``.

    ``where``: "cpu", "hopper" or "any", the devices it was set for; ``figure`` raises ``KeyError`` where
    what it needs was not measured, and returns the figure with a word about where it was found.
    """

    name: str
    statement: str
    where: str
    bound: float
    figure: Callable[[Results], tuple[float, str]]
    at_most: bool = False

    def concerns(self, environment: Environment) -> bool:
        """Whether it was set for this device."""
        if self.where == "any":
            return True
        return environment.hopper if self.where == "hopper" else not environment.cuda


def assess(goal: Goal, results: Results) -> Outcome:
    """Whether ``results`` meet it."""
    try:
        value, place = goal.figure(results)
    except KeyError as missing:
        return Outcome("not measured", f"needs {missing.args[0]}")
    met = value <= goal.bound if goal.at_most else value >= goal.bound
    return Outcome("met" if met else "missed", f"{value:.3g}{place}")


def _ratio(name: str) -> Callable[[Results], tuple[float, str]]:
    return lambda results: (results[name].ratio, "×")


def _over(name: str, other: str) -> Callable[[Results], tuple[float, str]]:
    """How many times faster ``name`` is than ``other``, from the ratios of both to the same reference."""
    return lambda results: (results[name].ratio / results[other].ratio, "×")


def _microseconds(name: str) -> Callable[[Results], tuple[float, str]]:
    return lambda results: (results[name].seconds * 1e6, " µs")


def _figure(name: str, figure: str, unit: str) -> Callable[[Results], tuple[float, str]]:
    def value(results: Results) -> tuple[float, str]:
        figures = results[name].figures
        if figure not in figures:
            raise KeyError(f"{figure} of {name}")
        return figures[figure], unit

    return value


def _largest(workload: str, figure: str, unit: str) -> Callable[[Results], tuple[float, str]]:
    """The largest figure of a workload's results, and whose it is."""

    def value(results: Results) -> tuple[float, str]:
        found = {
            one.implementation: one.figures[figure]
            for one in results.values()
            if one.workload == workload and figure in one.figures
        }
        if not found:
            raise KeyError(f"{figure} of {workload}")
        whose = max(found, key=lambda one: (found[one], one))
        return found[whose], f"{unit} ({whose}, the largest of {len(found)})"

    return value


def _slowest(workload: str, backend: str) -> Callable[[Results], tuple[float, str]]:
    """The least ratio of a workload's results by a backend, and whose it is."""

    def value(results: Results) -> tuple[float, str]:
        found = {
            one.implementation: one.ratio
            for one in results.values()
            if (one.workload, one.backend) == (workload, backend)
        }
        if not found:
            raise KeyError(f"results of {workload} by {backend}")
        whose = min(found, key=lambda one: (found[one], one))
        return found[whose], f"× ({whose}, the least of {len(found)})"

    return value


GOALS = (
    Goal(
        "G1", "fused GATO over nn.LSTM(2J) at T 100, B 32, D 64, J 256: ≥ 10×", "cpu", 10,
        _ratio("training/fused"),
    ),
    Goal("G1", "the same at T 400: ≥ 8×", "cpu", 8, _ratio("training-400/fused")),
    Goal(
        "G2", "fused over the naive loop at T 400, B 4, D 4, J 32: ≥ 40×", "cpu", 40,
        _over("cert-small/fused", "cert-small/naive"),
    ),
    Goal("G2", "fused over nn.LSTM(2J) there: ≥ 3×", "cpu", 3, _ratio("cert-small/fused")),
    Goal(
        "G3", "every generated kernel, forward, per (t, b, j): ≤ 4 ns", "cpu", 4,
        _largest("kernels", "forward_ns", " ns"), at_most=True,
    ),
    Goal(
        "G3", "the same backward: ≤ 6 ns", "cpu", 6, _largest("kernels", "backward_ns", " ns"),
        at_most=True,
    ),
    Goal("G4", "copy, fused: ≤ 240 µs", "hopper", 240, _microseconds("copy/fused"), at_most=True),
    Goal("G4", "copy, fused over cuDNN LSTM(2J): ≥ 20×", "hopper", 20, _ratio("copy/fused")),
    Goal("G4, stretch", "the same: ≥ 40×", "hopper", 40, _ratio("copy/fused")),
    Goal("G5", "PTB, fused over cuDNN LSTM(2J), float32: ≥ 8×", "hopper", 8, _ratio("ptb/fused")),
    Goal("G5", "the same with TF32 on both sides: ≥ 15×", "hopper", 15, _ratio("ptb-tf32/fused")),
    Goal(
        "G6", "adding T 750, fused: ≤ 700 µs", "hopper", 700, _microseconds("adding-750/fused"),
        at_most=True,
    ),
    Goal("G6", "the same over cuDNN LSTM(2J): ≥ 20×", "hopper", 20, _ratio("adding-750/fused")),
    Goal(
        "G6", "the same over the LSTM of equal parameters: ≥ 3×", "hopper", 3,
        _over("adding-750/fused", "adding-750/lstm-equal"),
    ),
    Goal(
        "G7", "kernels at 16,384 lanes, of a copy's bandwidth: ≥ 0.4", "hopper", 0.4,
        _figure("kernels/gato-copy", "share_of_copy", " of a copy"),
    ),
    Goal(
        "G7", "kernels at B 256, J 512, of a copy's bandwidth: ≥ 0.7", "hopper", 0.7,
        _figure("kernels/gato-wide", "share_of_copy", " of a copy"),
    ),
    Goal(
        "G8", "copy, fused over the eager loop: ≥ 100×", "hopper", 100,
        _over("copy/fused", "copy/hoisted"),
    ),
    Goal(
        "G8", "copy, fused over that loop in a CUDA graph: ≥ 20×", "hopper", 20,
        _over("copy/fused", "copy/graphed"),
    ),
    Goal("G9", "RRU over nn.LSTM of its width: ≥ 0.5×", "hopper", 0.5, _ratio("dense/rru")),
    Goal("G9", "UR-LSTM over nn.LSTM of its width: ≥ 0.5×", "hopper", 0.5, _ratio("dense/ur-lstm")),
    Goal(
        "G9", "every cell in CUDA graphs over nn.LSTM of its width: ≥ 0.5×", "hopper", 0.5,
        _slowest("dense", "graphed"),
    ),
    Goal(
        "G10", "parameter draws per second and core, any cell, full Jacobian, T 50, state 32: ≥ 2,000",
        "cpu", 2000, _figure("search/jacobians-any-cell", "draws_per_second", " draws/s"),
    ),
    Goal(
        "G10", "the same for a diagonal cell, each unit's block: ≥ 10,000", "cpu", 10_000,
        _figure("search/jacobians-diagonal", "draws_per_second", " draws/s"),
    ),
    Goal(
        "G10", "Jacobians at every gap, T 1000, state 64: ≤ 0.3 s", "cpu", 0.3,
        lambda results: (results["search/jacobians-every-gap"].seconds, " s"), at_most=True,
    ),
    Goal(
        "G11", "first fused call without a cache: ≤ 15 s", "cpu", 15,
        _figure("first-call/fused", "cold_s", " s"), at_most=True,
    ),
    Goal(
        "G11", "first fused call from the cache: ≤ 1 s", "cpu", 1,
        _figure("first-call/fused", "cached_s", " s"), at_most=True,
    ),
    Goal(
        "G12", "error of fused gradients over that of the eager loop, both against float64: ≤ 2", "any",
        2, _figure("training/fused", "error_over_eager", "×"), at_most=True,
    ),
    Goal(
        "replicates", "16 replicates together over one alone, two-layer GATO, both by kernels: ≤ 3×",
        "cpu", 3, _figure("replicates/16", "together_over_one", "×"), at_most=True,
    ),
    Goal(
        "replicates", "the same by the command, on all processors, from start to end: ≤ 3×", "cpu", 3,
        _figure("replicates/16-command", "together_over_one", "×"), at_most=True,
    ),
    Goal(
        "replicates", "16 replicates by kernels over one by the loop over time: ≤ 3×", "cpu", 3,
        _figure("replicates/16-kernels", "together_over_one_by_the_loop", "×"), at_most=True,
    ),
)  # fmt: skip

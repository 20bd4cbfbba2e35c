"""Goals are met or missed by what was measured, and by nothing else."""

from __future__ import annotations

import dataclasses

import pytest
from fake_results import CPU, GPU, result
from goals import GOALS, Goal, assess
from hypothesis import given
from hypothesis import strategies as st

AT_LEAST = Goal("X", "at least ten", "cpu", 10, lambda results: (results["a/b"].ratio, "×"))
AT_MOST = AT_LEAST._replace(at_most=True)


@given(st.floats(0.1, 1e3))
def test_the_bound_decides(value):
    """The bound itself is met from both sides."""
    results = {"a/b": result(ratio=value)}
    assert assess(AT_LEAST, results).word == ("met" if value >= 10 else "missed")
    assert assess(AT_MOST, results).word == ("met" if value <= 10 else "missed")


def test_what_was_not_measured_is_not_met():
    """Nor missed: the outcome names what it needs."""
    assert ("not measured", "needs a/b") == assess(AT_LEAST, {})


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: f"{goal.name}: {goal.statement}")
def test_no_goal_is_met_by_nothing(goal):
    """Each reads results that it can name."""
    word, found = assess(goal, {})
    assert "not measured" == word
    assert found.startswith("needs ")


def test_goals_belong_to_devices():
    """A CPU's run says nothing of a GPU, and another GPU's nothing of a Hopper's goals."""
    other = dataclasses.replace(GPU, device="Some GPU")
    for goal in GOALS:
        assert goal.concerns(CPU) == (goal.where in ("cpu", "any"))
        assert goal.concerns(GPU) == (goal.where in ("hopper", "any"))
        assert goal.concerns(other) == (goal.where == "any")


def kernel(name, forward, backward):
    """A result of one kernel."""
    return result(
        name, workload="kernels", figures={"forward_ns": forward, "backward_ns": backward}
    )


def test_the_slowest_kernel_decides():
    """Every generated kernel is meant, and the outcome names the one that is slowest."""
    forward, backward = (goal for goal in GOALS if goal.name == "G3")
    results = {one.name: one for one in (kernel("gato", 3.5, 5), kernel("lstm-diag", 3, 34))}
    assert ("met", "3.5 ns (gato, the largest of 2)") == assess(forward, results)
    assert ("missed", "34 ns (lstm-diag, the largest of 2)") == assess(backward, results)


def test_the_slowest_graph_decides():
    """Every cell in graphs is meant, and none that another backend ran."""
    (goal,) = (one for one in GOALS if "every cell in CUDA graphs" in one.statement)
    made = [
        result(name, ratio, workload="dense", backend=backend)
        for name, ratio, backend in (
            ("rru", 0.9, "graphed"), ("eurnn", 0.4, "graphed"), ("lstm", 0.1, "library"),
        )
    ]  # fmt: skip
    results = {one.name: one for one in made}
    assert ("missed", "0.4× (eurnn, the least of 2)") == assess(goal, results)
    del results["dense/eurnn"]
    assert "met" == assess(goal, results).word
    del results["dense/rru"]
    assert ("not measured", "needs results of dense by graphed") == assess(goal, results)


def test_a_ratio_of_ratios():
    """Two implementations that alternated with the same reference compare by their ratios to it."""
    (goal,) = (one for one in GOALS if "naive loop" in one.statement)
    results = {
        "cert-small/fused": result(workload="cert-small", ratio=4.0),
        "cert-small/naive": result("naive", workload="cert-small", ratio=0.05),
    }
    assert ("met", "80×") == assess(goal, results)


def test_a_figure_that_is_absent_is_not_measured():
    """A result without the figure meets no goal about it."""
    goal = next(one for one in GOALS if one.name == "replicates")
    results = {"replicates/16": result("16", workload="replicates", figures={})}
    assert ("not measured", "needs together_over_one of replicates/16") == assess(goal, results)

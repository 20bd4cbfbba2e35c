"""GATO without its memory update."""

from __future__ import annotations

from ablations.core.expect import Expect
from ablations.core.plan import Plan
from ablations.core.registry import get_axis

PLAN = Plan(
    name="gato-memory",
    title="GATO's memory update: residual, removed, overwritten",
    cell="gato-2",
    tasks=("adding",),
    axes=(get_axis("gato-memory"),),
    source="GATO section 5.3 and appendix A",
    expect=(
        Expect(
            "with its memory update GATO solves the task",
            "section 5.3, figure 2",
            "solves",
        ),
        Expect(
            "with s set to 0 the error is not better than ignorance",
            "appendix A",
            "at ignorance",
            {"gato-memory": "zero"},
        ),
        Expect(
            "with s set to g the error is not better than ignorance",
            "appendix A",
            "at ignorance",
            {"gato-memory": "overwritten"},
        ),
    ),
)

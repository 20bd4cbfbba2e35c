"""GATO's share of memory."""

from __future__ import annotations

from ablations.core.expect import Expect
from ablations.core.plan import Plan
from ablations.core.registry import get_axis

PLAN = Plan(
    name="gato-fraction",
    title="GATO's share of memory",
    cell="gato-2",
    tasks=("adding", "copying"),
    axes=(get_axis("gato-fraction"),),
    source="GATO appendix A",
    expect=(
        Expect(
            "with 1/2 of the width as memory GATO solves the task",
            "figure 3: both sizes work well",
            "solves",
            tasks=("adding",),
        ),
        Expect(
            "with 1/4 of the width as memory GATO solves the task",
            "figure 3: both sizes work well",
            "solves",
            {"gato-fraction": "1/4"},
            tasks=("adding",),
        ),
        Expect(
            "without memory it fails",
            "figure 3: 0% failed on this task",
            "at ignorance",
            {"gato-fraction": "0"},
            tasks=("adding",),
        ),
        Expect(
            "1/4 works as well as 1/2",
            "figure 4: both sizes work well",
            "similar to",
            {"gato-fraction": "1/4"},
            {},
            tasks=("copying",),
        ),
    ),
)

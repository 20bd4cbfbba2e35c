"""The six rows of RRU's table 2."""

from __future__ import annotations

from ablations.core.expect import Expect, Relation
from ablations.core.plan import Plan
from ablations.core.registry import get_axis
from ablations.core.tuning import Tuning, space_of


def _claim(what: str, relation: Relation, printed: str, axis: str, level: str) -> Expect:
    """The cell as it is against one change; ``printed``: the change's number in table 2."""
    source = f"section 7, table 2: {printed} against 2.92 on Nottingham"
    changed = {f"rru-{axis}": level}
    if relation == "similar to":
        return Expect(what, source, relation, changed, {}, ("nottingham",))
    return Expect(what, source, relation, {}, changed, ("nottingham",))


PLAN = Plan(
    name="rru-parts",
    title="RRU's parts: what each is good for",
    cell="rru",
    tasks=("nottingham", "jsb-chorales"),
    axes=tuple(
        get_axis(name)
        for name in (
            "rru-normalization",
            "rru-rezero",
            "rru-output-relu",
            "rru-scale",
            "rru-scale-initial",
        )
    ),
    source="RRU section 7, table 2",
    # the margins between parts show long before the protocol's full run ends, and six variants are many
    scaled={"laptop": {"model.hidden_size": 64, "training.examples": 6_000}},
    # "hyperparameters optimized for each version": HyperOpt's Bayesian tuning, 100 runs (section 4, table 3)
    tuning={"paper": Tuning(space_of("rru-nottingham", "rru"), trials=100)},
    expect=(
        _claim(
            "it does as well without normalization", "similar to", "2.92", "normalization", "none"
        ),
        _claim("a single ReZero parameter hurts", "better than", "2.97", "rezero", "scalar"),
        _claim("a ReLU over c and o hurts", "better than", "3.07", "output-relu", "yes"),
        _claim("S = 1 hurts", "better than", "3.56", "scale", "one"),
        _claim("S may begin at 0.95", "similar to", "2.96", "scale-initial", "0.95"),
    ),
)

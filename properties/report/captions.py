"""How to read each picture: what is drawn, from what, and what one is to look for."""

from __future__ import annotations

from properties.report.curves import Curves, Gamma, Heat
from properties.report.figures import figure

_DRAWS = "Inputs are uniform in [−1, 1], the state starts where the cell starts it."


def gradient(data: Curves) -> str:
    """For the gradient against the gap."""
    scales = " and with every parameter multiplied as labeled" if len(data.gradient) > 1 else ""
    return (
        f"How much of a gradient on {data.block} survives a gap of T − t steps, at initialization{scales}: "
        "the root mean square over unit cotangents, which is 1 for an identity (dotted). Lines are medians "
        f"over draws, shades their middle 80 %. {_DRAWS} Criterion 1 is flat at 1, though a rotation is flat "
        "there too: it keeps the norm, not the direction. A falling line vanishes, a rising one explodes."
    )


def growth(data: Curves) -> str:
    """For the state against time."""
    replayed = any(t.label == "counterexample" for t in data.growth)
    more = " The thick line with dots replays the counterexample." if replayed else ""
    bound = (
        " A claimed bound is the dash-dotted line."
        if data.bounds
        else " The cell claims no number as bound."
    )
    return (
        "The largest magnitude of what the next update reads, up to each step, in the draws of each scope "
        f"that go highest.{more}{bound} On these axes a straight line of slope 1 is linear growth, a "
        "curve that bends upwards grows geometrically, a level one is bounded."
    )


def gamma(data: Gamma) -> str:
    """For γ and γ′."""
    what = (
        "the emission of one step as a function of the old state" if data.emitted else "the readout"
    )
    which = (
        "It has no parameters: this is the function itself."
        if data.free_of_parameters
        else f"One line for each of {len(data.values)} initializations."
    )
    return (
        f"γ is {what}: its output {data.output} along {data.scalar}, the other scalars at their initial "
        f"value; γ′ is what autograd returns. {which} The tails matter: criterion 3 asks that γ′ does not "
        "die out there, criteria 2 and 4 that neither grows."
    )


def heat(data: Heat) -> str:
    """For the Jacobian."""
    block = (
        "The outline is the identity block: ones on its diagonal and exact zeros beside them."
        if data.block
        else "No scalar of the state forms an identity block."
    )
    scale = (
        f"parameters {figure(data.scale)} times an initialization"
        if data.scale != 1
        else "the parameters"
    )
    return (
        f"Derivative of each scalar of the state by each scalar {data.gap} steps before, for one draw with "
        f"{scale}; shades are logarithmic, white is exactly zero. {block}"
    )

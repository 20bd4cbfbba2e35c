"""What an effective gate claims of the gradient that it passes near saturation.

With w = 1 − f and so on for the other gates, and ε(1 − ε) for the gradient of a sigmoid at 1 − ε:

- sigmoid: exactly 1 times that, everywhere;
- cumax: ∂g_k/∂a_i = p_i([i ≤ k] − g_k), whose norm is largest where one unit on each side of k holds all
  the mass: √2 times, by two pre-activations of which each passes 1;
- refine: with s = 1 − ρ, 1 − g = w² + 2sw(1 − w), so that ∂g/∂a = (1 − w)(ε + w²(1 − 2s)) and
  ∂g/∂a_ρ = (ε − w²)(1 − s). Both are of the order of ε: what is gained is a factor. It is largest at s = 0,
  where w = √ε and the norm is 2ε(1 − √ε), which is 2/(1 + √ε) times the sigmoid's; by symmetry also at ε;
- master, tied: 1 − f̂ = w̃(1 + f̃w). Near 1 at most 1.015 times, at w = √2 − 1; near 0, where f̂ is f̃²
  for a shut f, 2/(1 + √ε) times like the refine gate.

A factor of the primary and one of the auxiliary multiply. The numbers claimed are those of ε = 1e-3 on the
worse side, rounded down to one decimal. Untied masters do no worse: where ĩ is shut, f̂ is f̃.
"""

from __future__ import annotations

from cells.core.claims import Claim
from cells.parts.gates import Gate


def gate_gradient(gate: Gate) -> tuple[Claim, ...]:
    """The claim about ``gate-gradient``.

    None for a gate that is constant, as a cumax of one chunk is.
    """
    ordered = gate.primary == "cumax"
    if ordered and gate.units == gate.chunk:
        return ()
    if gate.auxiliary == "refine":
        because = "2/(1+√ε) times a sigmoid's, where the refine gate is open (or shut)"
        bound = 2.7 if ordered else 1.9
    elif gate.auxiliary == "master":
        because = "near 1 the master gate passes hardly more than a sigmoid"
        bound = 1.4 if ordered else 1.0
    else:
        because = "a plain sigmoid" if not ordered else "a cumulative softmax"
        bound = 1.4 if ordered else 1.0
    if ordered:
        because += "; by two pre-activations of a softmax √2 times as much goes through"
    return (Claim("gate-gradient", because, bound=bound),)


def plain_sigmoid() -> Claim:
    """The claim of a gate that is σ of one pre-activation."""
    return Claim("gate-gradient", "a plain sigmoid", bound=1.0)

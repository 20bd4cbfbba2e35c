r"""JANET: just another network, the LSTM that keeps nothing but its forget gate.

.. math::

    a_t = W_f x_t + U_f h_{t-1} + b_f

    \tilde c_t = \tanh(W_c x_t + U_c h_{t-1} + b_c)

    h_t = \sigma(a_t) \odot h_{t-1} + \sigma(\beta - a_t) \odot \tilde c_t

    y_t = h_t

Symbols:    h -> state.hidden; W_f, U_f, b_f and W_c, U_c, b_c -> affine (stacked in that order); β -> beta
Shapes:     x (\*batch, D), hidden (\*batch, H), readout (\*batch, H), H = hidden_size
Convention: σ(a) keeps. σ(β − a) is the paper's 1 − σ(a − β), written so that it does not lose its small
            values to rounding. The cell state of the LSTM equals h and is not stored twice.
Paper and code: β is a constant, 1 in the paper; other code makes it a trained scalar. Chrono
            initialization of b_f with b_c = 0 is the paper's choice: give ``t_max`` (the authors' code
            samples U(1, t_max) where Tallec & Ollivier print U(1, t_max − 1); this is the latter). Without
            it b_f = 1. The distribution of the weights is the library's U(±1/√H).
Reference:  van der Westhuizen & Lasenby, The unreasonable effectiveness of the forget gate, 2018.
Example:
    >>> from cells.janet import JANET
    >>> cell = JANET(input_size=3, hidden_size=8, t_max=100)
    >>> cell.initial_state(5).hidden.shape
    torch.Size([5, 8])
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple, final

import torch
from torch import Generator, Tensor, nn

from cells.core.claims import Channels, Claim
from cells.core.projection import Projected
from cells.core.registry import register
from cells.parts.affine import Affine
from cells.parts.chrono import check_t_max, chrono_bias
from cells.parts.gate_claims import plain_sigmoid
from cells.parts.gates import Coefficients
from cells.parts.identity_readout import identity_readout
from cells.parts.initializers import library_rnn
from cells.parts.plain_gate import PlainGate
from cells.parts.sizes import positive, within


class JANETState(NamedTuple):
    """``hidden`` h: (\\*batch, H)."""

    hidden: Tensor


@register("janet")
@final
class JANET(Projected[JANETState], nn.Module):
    """The JANET cell; 2H(D + H + n_b) parameters.

    ``beta``: β, how much more is written than is forgotten (0: the two coefficients sum to 1);
    ``t_max``: chrono initialization of the forget bias up to this many steps, or None for b_f = 1;
    ``n_b``: stored biases per affine map (with 0 there is no bias to initialize, so no ``t_max``).
    Raises ``ValueError`` for a knob out of range.
    """

    channels = Channels(recurrent=("hidden",))

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        beta: float = 1.0,
        t_max: float | None = None,
        n_b: Literal[0, 1, 2] = 1,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        positive(input_size=input_size, hidden_size=hidden_size)
        within("beta", beta, -100, 100)  # e^β is the bound on h
        if t_max is not None:
            check_t_max(t_max)
            if n_b == 0:
                raise ValueError(
                    "t_max: chrono initialization needs a stored forget bias; "
                    f"pass n_b=1 or leave t_max out: got t_max={t_max!r} with n_b=0"
                )
        self.input_size, self.hidden_size = input_size, hidden_size
        self.beta, self.t_max = beta, t_max
        self.affine = Affine(input_size, hidden_size, 2, n_b=n_b)
        self.gate = PlainGate(hidden_size, offset=beta)
        self.reset_parameters(generator)
        self.claims, self.denies = _declarations(beta)

    @torch.no_grad()
    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw every parameter anew: weights U(±1/√H), b_f by chrono or 1, b_c and any second bias 0."""
        part = self.affine
        library_rnn((part.weight_ih, part.weight_hh), self.hidden_size, generator)
        for bias in (part.bias_ih, part.bias_hh):
            if bias is not None:
                bias.zero_()
        if part.bias_ih is not None:
            forget = part.bias_ih[: self.hidden_size]
            if self.t_max is None:
                forget.fill_(1.0)
            else:
                forget.copy_(chrono_bias(self.hidden_size, t_max=self.t_max, generator=generator))

    @property
    def gates(self) -> Mapping[str, PlainGate]:
        """The gate by what it carries, as a function of its pre-activations."""
        return {"hidden": self.gate}

    def gate_values(self, x: Tensor, state: JANETState) -> Coefficients:
        """Return what the step from ``state`` keeps of h and writes of c̃: each (\\*batch, H)."""
        return self.gate(self.affine(x, state.hidden)[0])

    def initial_state(self, *batch: int) -> JANETState:
        """Zero."""
        return JANETState(self.affine.weight_ih.new_zeros(*batch, self.hidden_size))

    def project(self, x: Tensor) -> Tensor:
        """W x + b of both maps."""
        return self.affine.input_part(x)

    def advance(self, projected: Tensor, state: JANETState) -> JANETState:
        """One update."""
        part = self.affine
        forget, candidate = part.split(projected + part.state_part(state.hidden))
        keep, write = self.gate(forget)
        return JANETState(keep * state.hidden + write * torch.tanh(candidate))

    def readout(self, state: JANETState) -> Tensor:
        """The hidden state itself."""
        return state.hidden


def _declarations(beta: float) -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
    # σ(β − a) ≤ e^β σ(−a) for β ≥ 0 and ≤ σ(−a) for β ≤ 0, so |h′| ≤ f|h| + (1 − f)e^max(β, 0);
    # the bound is approached as a → ∞ with c̃ = 1, where h settles at e^β
    bound = math.exp(max(beta, 0.0))
    because = "|h_t| ≤ σ(a)|h_(t−1)| + σ(β−a) and σ(β−a) ≤ e^max(β,0) (1 − σ(a))"
    claims = (
        Claim("well-posed", "the step is a composition of torch functions of (θ, h, x)"),
        Claim("bounded-decoder", because, bound=bound),
        Claim("bounded-state", because, bound=bound),
        *identity_readout("h"),
        plain_sigmoid(),
    )
    denies = (
        Claim("identity-block", "h is scaled by σ(a), which reads h and lies strictly below 1"),
    )
    return claims, denies

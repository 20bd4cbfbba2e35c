r"""MGU: the minimal gated unit, a GRU whose single gate both updates and resets.

.. math::

    f_t = \sigma(W_f x_t + U_f h_{t-1} + b_f)

    \tilde h_t = \tanh(W_h x_t + U_h (f_t \odot h_{t-1}) + b_h)

    h_t = (1 - f_t) \odot h_{t-1} + f_t \odot \tilde h_t

    y_t = h_t

Symbols:    h -> state.hidden; W_f, U_f, b_f -> gate; W_h, U_h, b_h -> candidate
Shapes:     x (\*batch, D), hidden (\*batch, H), readout (\*batch, H), H = hidden_size
Convention: f *writes* (1 − f keeps), although it is called the forget gate; f multiplies h before the
            matrix product, and so resets the candidate. 1 − f is computed as σ(−a).
Paper and code: the paper leaves the initialization open; the library's U(±1/√H) is used here for every
            parameter.
Reference:  Zhou, Wu, Zhang & Zhou, Minimal gated unit for recurrent neural networks, 2016, section 3.
Example:
    >>> from cells.mgu import MGU
    >>> cell = MGU(input_size=3, hidden_size=8)
    >>> cell.readout(cell.initial_state(5)).shape
    torch.Size([5, 8])
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, final

import torch
from torch import Generator, Tensor, nn

from cells.core.claims import Channels, Claim
from cells.core.projection import Projected
from cells.core.registry import register
from cells.parts.affine import Affine
from cells.parts.gate_claims import plain_sigmoid
from cells.parts.gates import Coefficients
from cells.parts.identity_readout import identity_readout
from cells.parts.initializers import library_rnn
from cells.parts.plain_gate import PlainGate
from cells.parts.sizes import positive


class MGUState(NamedTuple):
    """``hidden`` h: (\\*batch, H)."""

    hidden: Tensor


class MGUInputs(NamedTuple):
    """``gate`` W_f x + b_f and ``candidate`` W_h x + b_h: (\\*batch, H)."""

    gate: Tensor
    candidate: Tensor


@register("mgu")
@final
class MGU(Projected[MGUState], nn.Module):
    """The minimal gated unit; 2H(D + H + n_b) parameters.

    ``n_b``: stored biases per affine map. Raises ``ValueError`` for a size or knob out of range.
    """

    channels = Channels(recurrent=("hidden",))

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        n_b: Literal[0, 1, 2] = 1,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        positive(input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.gate = Affine(input_size, hidden_size, 1, n_b=n_b)
        self.candidate = Affine(input_size, hidden_size, 1, n_b=n_b)
        self.reset_parameters(generator)
        convex = "h_t lies between h_(t−1) and h̃ ∈ (−1, 1) in every unit, f being in (0, 1)"
        self.claims = (
            Claim("well-posed", "the step is a composition of torch functions of (θ, h, x)"),
            Claim("bounded-decoder", convex, bound=1.0),
            Claim("bounded-state", convex, bound=1.0),
            *identity_readout("h"),
            plain_sigmoid(),
        )
        self.denies = (
            Claim("identity-block", "h is scaled by 1 − f, which reads h and is below 1"),
        )

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw every parameter anew from U(±1/√H)."""
        library_rnn(self.parameters(), self.hidden_size, generator)

    @property
    def gates(self) -> Mapping[str, PlainGate]:
        """The gate by what it carries, as a function of −a: 1 − f keeps."""
        return {"hidden": PlainGate(self.hidden_size)}

    def gate_values(self, x: Tensor, state: MGUState) -> Coefficients:
        """Return 1 − f and f, what the step keeps of h and writes of h̃: each (\\*batch, H)."""
        return self._coefficients(self.gate.input_part(x), state.hidden)

    def _coefficients(self, projected: Tensor, h: Tensor) -> Coefficients:
        return self.gates["hidden"](-(projected + self.gate.state_part(h)))

    def initial_state(self, *batch: int) -> MGUState:
        """Zero."""
        return MGUState(self.gate.weight_ih.new_zeros(*batch, self.hidden_size))

    def project(self, x: Tensor) -> MGUInputs:
        """What both maps read of x."""
        return MGUInputs(self.gate.input_part(x), self.candidate.input_part(x))

    def advance(self, projected: MGUInputs, state: MGUState) -> MGUState:
        """One update."""
        h = state.hidden
        keep, f = self._coefficients(projected.gate, h)
        candidate = projected.candidate + self.candidate.state_part(f * h)
        return MGUState(keep * h + f * torch.tanh(candidate))

    def readout(self, state: MGUState) -> Tensor:
        """The hidden state itself."""
        return state.hidden

r"""Li-GRU: the light GRU of speech recognition: no reset gate, a ReLU candidate, normalized inputs.

.. math::

    z_t = \sigma(N_z(W_z x_t) + U_z h_{t-1} + b_z)

    \tilde h_t = \mathrm{ReLU}(N_h(W_h x_t) + U_h h_{t-1} + b_h)

    h_t = z_t \odot h_{t-1} + (1 - z_t) \odot \tilde h_t

    y_t = h_t

N is the identity, or batch normalization with ``batch_norm=True``.

Symbols:    h -> state.hidden; W_z, U_z, b_z and W_h, U_h, b_h -> affine (stacked in that order); N -> norm
Shapes:     x (\*batch, D), hidden (\*batch, H), readout (\*batch, H), H = hidden_size
Convention: z keeps. 1 − z is computed as σ(−a).
Paper and code: in the paper batch normalization is part of the cell, its shift being the only bias; here it
            is off by default so that the step is pure. Switched on, it has a gain and a shift per
            feature of the input projection (4H parameters) and ``n_b`` defaults to 0. In training mode
            it mixes the examples of the batch and moves its running statistics; in ``eval()`` it is a
            fixed affine map. The authors' code takes the statistics over time and batch at once; a
            step sees the batch of its own time step alone. Weights as in the paper: Glorot-uniform W
            and orthogonal U; biases 0.
Reference:  Ravanelli, Brakel, Omologo & Bengio, Light gated recurrent units for speech recognition, 2018,
            section III.
Example:
    >>> from cells.ligru import LiGRU
    >>> cell = LiGRU(input_size=3, hidden_size=8)
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
from cells.parts.batch_norm import BatchNorm
from cells.parts.gate_claims import plain_sigmoid
from cells.parts.gates import Coefficients
from cells.parts.identity_readout import identity_readout
from cells.parts.initializers import glorot_uniform
from cells.parts.plain_gate import PlainGate
from cells.parts.sizes import positive


class LiGRUState(NamedTuple):
    """``hidden`` h: (\\*batch, H)."""

    hidden: Tensor


@register("li-gru")
@final
class LiGRU(Projected[LiGRUState], nn.Module):
    """The light GRU; 2H(D + H + n_b) parameters, 4H more with ``batch_norm``.

    ``batch_norm``: normalize the input projection over the batch; ``n_b``: stored biases per affine map,
    by default 1, or 0 under ``batch_norm``. Raises ``ValueError`` for a knob out of range, and from
    ``step`` in training mode with ``batch_norm`` for fewer than two examples.
    """

    channels = Channels(recurrent=("hidden",))

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        batch_norm: bool = False,
        n_b: Literal[0, 1, 2] | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        positive(input_size=input_size, hidden_size=hidden_size)
        biases: Literal[0, 1, 2] = n_b if n_b is not None else (0 if batch_norm else 1)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.affine = Affine(input_size, hidden_size, 2, n_b=biases)
        self.gate = PlainGate(hidden_size)
        self.norm = BatchNorm(2 * hidden_size) if batch_norm else None
        self.reset_parameters(generator)
        self.claims, self.denies = _declarations(batch_norm)

    @torch.no_grad()
    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw every weight anew and set the biases to 0 (section III)."""
        part = self.affine
        for weight in part.weight_ih.chunk(2):
            glorot_uniform(weight, generator)
        for weight in part.weight_hh.chunk(2):
            nn.init.orthogonal_(weight, generator=generator)
        for bias in (part.bias_ih, part.bias_hh):
            if bias is not None:
                bias.zero_()

    @property
    def gates(self) -> Mapping[str, PlainGate]:
        """The update gate by what it carries, as a function of its pre-activations."""
        return {"hidden": self.gate}

    def gate_values(self, x: Tensor, state: LiGRUState) -> Coefficients:
        """Return what the step from ``state`` keeps of h and writes of h̃: each (\\*batch, H)."""
        return self.gate(self._maps(self.project(x), state.hidden)[0])

    def initial_state(self, *batch: int) -> LiGRUState:
        """Zero."""
        return LiGRUState(self.affine.weight_ih.new_zeros(*batch, self.hidden_size))

    def project(self, x: Tensor) -> Tensor:
        """W x, with the biases where no normalization comes in between."""
        if self.norm is None:
            return self.affine.input_part(x)
        return nn.functional.linear(x, self.affine.weight_ih)

    def advance(self, projected: Tensor, state: LiGRUState) -> LiGRUState:
        """One update; pure unless batch normalization is on *and* the module is in training mode."""
        update, candidate = self._maps(projected, state.hidden)
        keep, write = self.gate(update)
        return LiGRUState(keep * state.hidden + write * torch.relu(candidate))

    def _maps(self, projected: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        return (self._normalize(projected) + self.affine.state_part(h)).chunk(2, -1)

    def _normalize(self, projected: Tensor) -> Tensor:
        # here and not in ``project``: the statistics are those of one step's batch
        if self.norm is None:
            return projected
        normal: Tensor = self.norm(projected)
        for bias in (self.affine.bias_ih, self.affine.bias_hh):
            normal = normal if bias is None else normal + bias
        return normal

    def readout(self, state: LiGRUState) -> Tensor:
        """The hidden state itself."""
        return state.hidden


def _declarations(batch_norm: bool) -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
    pure = "the step is a composition of torch functions of (θ, h, x)"
    if batch_norm:
        pure = "in eval mode the running statistics are constants; training mode mixes the batch"
    claims = (Claim("well-posed", pure), *identity_readout("h"), plain_sigmoid())
    drifts = "an orthogonal U passes h on: at H = 1, U = 1 each step adds (1−z)(Wx+b)"
    explodes = (
        "ReLU saturates on no positive tail: where U has a gain above 1, h is multiplied by it"
    )
    denies = (
        Claim("identity-block", "h is scaled by z, which reads h and is below 1"),
        Claim("bounded-decoder", drifts, "at-init"),
        Claim("bounded-state", drifts, "at-init", growth="linear"),
        Claim("bounded-decoder", explodes, "all-weights"),
        Claim("bounded-state", explodes, "all-weights", growth="geometric"),
    )
    return claims, denies

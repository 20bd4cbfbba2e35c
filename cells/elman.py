r"""Elman network: the plain tanh recurrence.

.. math::  h_t = \tanh(W x_t + U h_{t-1} + b)

Symbols:    h -> state.hidden, W -> weight_ih, U -> weight_hh, b -> bias_ih + bias_hh
Shapes:     x (\*batch, D), hidden (\*batch, H), readout (\*batch, H)
Convention: parameters are named as in ``torch.nn.RNNCell``, whose state dict loads unchanged.
Paper and code: the nonlinearity is tanh alone: with a ReLU the state is no longer bounded.
Reference:  Elman, "Finding structure in time", Cognitive Science 14 (1990).
Example:
    >>> from cells.elman import Elman
    >>> cell = Elman(input_size=3, hidden_size=8)
    >>> cell.initial_state(5).hidden.shape
    torch.Size([5, 8])
"""

from __future__ import annotations

from typing import Literal, NamedTuple, final

import torch
from torch import Generator, Tensor

from cells.core.claims import Channels, Claim
from cells.core.library import Library, paired
from cells.core.projection import Projected
from cells.core.registry import register
from cells.parts.affine import Affine
from cells.parts.identity_readout import identity_readout
from cells.parts.initializers import library_rnn
from cells.parts.sizes import positive


class ElmanState(NamedTuple):
    """``hidden`` h: (\\*batch, H)."""

    hidden: Tensor


@register("elman")
@final
class Elman(Projected[ElmanState], Affine):
    """The tanh recurrence.

    ``n_b``: stored biases, 2 as in torch, 1 or 0; ``generator``: source of the initial draw, every
    parameter U(±1/√H). Raises ``ValueError`` for a size below 1 or another ``n_b``.
    """

    channels = Channels(recurrent=("hidden",))
    claims = (
        Claim("well-posed", "the step is a composition of torch functions of (θ, h, x)"),
        Claim("bounded-decoder", "|tanh| ≤ 1", bound=1.0),
        *identity_readout("h"),
        Claim("bounded-state", "h is a tanh", bound=1.0),
    )
    denies = (
        Claim("identity-block", "h_t is bounded in h_(t−1), so no slope is 1 on the whole line"),
    )

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        n_b: Literal[0, 1, 2] = 2,
        generator: Generator | None = None,
    ) -> None:
        positive(input_size=input_size, hidden_size=hidden_size)
        super().__init__(input_size, hidden_size, 1, n_b=n_b)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw every parameter anew from U(±1/√H), as ``torch.nn.RNNCell`` does."""
        library_rnn(self.parameters(), self.hidden_size, generator)

    def initial_state(self, *batch: int) -> ElmanState:
        """Zero."""
        return ElmanState(self.weight_ih.new_zeros(*batch, self.hidden_size))

    def project(self, x: Tensor) -> Tensor:
        """W x + b."""
        return self.input_part(x)

    def advance(self, projected: Tensor, state: ElmanState) -> ElmanState:
        """One update."""
        return ElmanState(torch.tanh(projected + self.state_part(state.hidden)))

    def library(self) -> Library:
        """``torch.nn.RNN``, always."""
        biases = paired(self.bias_ih, self.bias_hh)
        return Library("rnn_tanh", self.weight_ih, self.weight_hh, *biases)

    def readout(self, state: ElmanState) -> Tensor:
        """The hidden state itself."""
        return state.hidden

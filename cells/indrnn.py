r"""IndRNN: an independently recurrent network, whose units never mix inside the cell.

.. math::

    h_t = \phi(W x_t + u \odot h_{t-1} + b), \qquad \phi \in \{\tanh, \mathrm{ReLU}\}

    y_t = h_t

Symbols:    h -> state.hidden; W -> affine.weight_ih, u -> affine.weight_hh, b -> affine.bias_ih (+ bias_hh)
Shapes:     x (\*batch, D), hidden (\*batch, H), readout (\*batch, H), H = hidden_size
Convention: u is one number per unit; stacked layers do the mixing.
Paper and code: the paper's φ is ReLU, the default here, with \|u\| kept below 2^(1/T) by the trainer; the
            cell itself constrains nothing. u is drawn with the library's U(±1/√H), like the rest.
Reference:  Li, Li, Cook, Zhu & Gao, Independently recurrent neural network, 2018, sections 3 and 4.
Example:
    >>> from cells.indrnn import IndRNN
    >>> cell = IndRNN(input_size=3, hidden_size=8, nonlinearity="tanh")
    >>> sum(p.numel() for p in cell.parameters())
    40
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, final

import torch
from torch import Generator, Tensor, nn

from cells.core.claims import Channels, Claim
from cells.core.projection import Projected
from cells.core.registry import register
from cells.fused.lanes import Lanes
from cells.fused.step import Step
from cells.parts.affine import Affine
from cells.parts.identity_readout import identity_readout
from cells.parts.initializers import library_rnn
from cells.parts.sizes import one_of, positive


class IndRNNState(NamedTuple):
    """``hidden`` h: (\\*batch, H)."""

    hidden: Tensor


@register("indrnn")
@final
class IndRNN(Projected[IndRNNState], nn.Module):
    """The IndRNN cell; H(D + 1 + n_b) parameters.

    ``nonlinearity``: φ, "relu" or "tanh"; ``n_b``: stored biases. Raises ``ValueError`` for a knob out of
    range.
    """

    channels = Channels(recurrent=("hidden",))

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        nonlinearity: Literal["relu", "tanh"] = "relu",
        n_b: Literal[0, 1, 2] = 1,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        positive(input_size=input_size, hidden_size=hidden_size)
        one_of("nonlinearity", nonlinearity, ("relu", "tanh"))
        self.input_size, self.hidden_size = input_size, hidden_size
        self.nonlinearity = nonlinearity
        self.affine = Affine(input_size, hidden_size, 1, n_b=n_b, diagonal=True)
        self.reset_parameters(generator)
        self.claims, self.denies = _declarations(nonlinearity)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw every parameter anew from U(±1/√H)."""
        library_rnn(self.parameters(), self.hidden_size, generator)

    def initial_state(self, *batch: int) -> IndRNNState:
        """Zero."""
        return IndRNNState(self.affine.weight_ih.new_zeros(*batch, self.hidden_size))

    def project(self, x: Tensor) -> Tensor:
        """W x + b."""
        return self.affine.input_part(x)

    def advance(self, projected: Tensor, state: IndRNNState) -> IndRNNState:
        """One update."""
        a = projected + self.affine.state_part(state.hidden)
        return IndRNNState(_activated(a, self.nonlinearity))

    def lanes(self) -> Lanes:
        """Every variant: no unit reads another."""
        return Lanes(
            _STEPS[self.nonlinearity],
            ("hidden",),
            self.affine.of_inputs,
            self.affine.weight_hh.unsqueeze(0),
        )

    def readout(self, state: IndRNNState) -> Tensor:
        """The hidden state itself."""
        return state.hidden


def _activated(a: Tensor, nonlinearity: str) -> Tensor:
    return torch.relu(a) if nonlinearity == "relu" else torch.tanh(a)


def _step(nonlinearity: str) -> Step:
    def unit(
        states: Sequence[Tensor], inputs: Sequence[Tensor], weights: Sequence[Tensor], _: object
    ) -> tuple[Tensor]:
        return (_activated(inputs[0] + weights[0] * states[0], nonlinearity),)

    return Step(f"indrnn_{nonlinearity}", unit, states=1, inputs=1, weights=1)


_STEPS = {nonlinearity: _step(nonlinearity) for nonlinearity in ("relu", "tanh")}


def _declarations(nonlinearity: str) -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
    claims = [
        Claim("well-posed", "the step is a composition of torch functions of (θ, h, x)"),
        *identity_readout("h"),
    ]
    denies = [
        Claim("identity-block", "∂h_t/∂h_(t−1) = φ′u, which is 1 for no unit over all parameters"),
    ]
    if nonlinearity == "tanh":
        because = "|tanh| < 1 (section 3)"
        claims += [
            Claim("bounded-decoder", because, bound=1.0),
            Claim("bounded-state", because, bound=1.0),
        ]
    else:
        contracts = "|u| < 1 for every draw, so |h_t| ≤ |u||h_(t−1)| + |Wx + b|"
        grows = "where u > 1 a driven unit multiplies by u every step (section 3.1)"
        claims += [
            Claim("bounded-decoder", contracts, "at-init"),
            Claim("bounded-state", contracts, "at-init"),
        ]
        denies += [
            Claim("bounded-decoder", grows, "all-weights"),
            Claim("bounded-state", grows, "all-weights", growth="geometric"),
        ]
    return tuple(claims), tuple(denies)

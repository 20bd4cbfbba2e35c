r"""g-LSTM: a Gaussian-gated LSTM, each of whose units updates only around its own moment.

.. math::

    k_t = \exp\left(-(\tau_t - \mu)^2 / \sigma_k^2\right), \qquad \tau_t = t = 1, 2, \dots

    (\tilde h_t, \tilde c_t) = \mathrm{LSTM}(x_t, h_{t-1}, c_{t-1}):\quad
    \tilde c_t = f \odot c_{t-1} + i \odot g, \quad \tilde h_t = o \odot \tanh(\tilde c_t)

    c_t = k_t \odot \tilde c_t + (1 - k_t) \odot c_{t-1}, \qquad
    h_t = k_t \odot \tilde h_t + (1 - k_t) \odot h_{t-1}, \qquad y_t = h_t

Symbols:    h -> state.hidden, c -> state.cell, the number of steps taken -> state.time; i, f, g, o -> affine
            (stacked in that order); μ -> center, log σ_k -> log_width
Shapes:     x (\*batch, D), hidden and cell (\*batch, H), time (\*batch, 1) of int64, readout (\*batch, H),
            H = hidden_size
Convention: there is no ½ in the exponent. 1 − k is computed as −expm1(·). A step counts time first, so
            the first input has τ = 1; time is an integer, which nothing differentiates.
Paper and code: only the abstract was at hand and no code of the authors: the equations are recalled, and
            results are to be marked so. Unconfirmed: τ as a count and not a time stamp, where it starts,
            σ_k stored as its logarithm, μ ~ U(0, t_max) and σ_k = width · t_max at the start, the form of
            the budget term (``budget``, the mean of k; add η times it to a loss), and what is
            skipped: in ``eval()`` a unit with k < ``threshold`` is frozen, so its LSTM need not be run.
            Weights and biases: the library's U(±1/√H).
Reference:  Thornton, Anumula & Liu, Gaussian-gated LSTM: improved convergence by reducing state
            updates, 2019.
Example:
    >>> from cells.glstm import GLSTM
    >>> cell = GLSTM(input_size=3, hidden_size=8, t_max=50)
    >>> cell.initial_state(5).time.shape
    torch.Size([5, 1])
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
from cells.parts.identity_readout import identity_readout
from cells.parts.initializers import library_rnn
from cells.parts.sigmoid_gate import SigmoidGate
from cells.parts.sizes import positive, within

NARROWEST = -40.0
"""The least log σ_k in use: at a narrower width (τ − μ)/σ_k leaves float32 and its gradient is NaN."""


class GLSTMState(NamedTuple):
    """``hidden`` h and ``cell`` c: (\\*batch, H); ``time``, the steps taken: (\\*batch, 1), int64."""

    hidden: Tensor
    cell: Tensor
    time: Tensor


class TimeGate:
    """k = exp(−u²), one distance u for each of ``units`` units.

    At k = 1 − ε its slope is about 2√ε, 2/√ε times a sigmoid's; at k = ε it is 2ε√ln(1/ε).
    """

    def __init__(self, units: int) -> None:
        self.blocks: Mapping[str, int] = {"distance": units}

    def __call__(self, distance: Tensor) -> Tensor:
        """``distance`` u = (τ − μ)/σ_k: (\\*batch, units), as is the gate."""
        return torch.exp(-(distance * distance))


@register("g-lstm")
@final
class GLSTM(Projected[GLSTMState], nn.Module):
    """The Gaussian-gated LSTM; 4H(D + H + n_b) + 2H parameters.

    ``t_max``: the length, in steps, over which the centers are spread; ``width``: σ_k at the start as a share
    of ``t_max``; ``threshold``: in ``eval()``, gates below it count as shut (0: none); ``n_b``: stored biases
    per affine map. Raises ``ValueError`` for a knob out of range.
    """

    channels = Channels(recurrent=("hidden", "cell"))

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        t_max: float = 100.0,
        width: float = 0.25,
        threshold: float = 0.0,
        n_b: Literal[0, 1, 2] = 1,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        positive(input_size=input_size, hidden_size=hidden_size)
        for name, value in (("t_max", t_max), ("width", width)):
            if not 0 < value < math.inf:
                raise ValueError(
                    f"{name}: expected a positive finite number, got {value!r}; "
                    "it is a duration or a share of one, so choose it above 0"
                )
        within("threshold", threshold, 0, 1)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.t_max, self.width, self.threshold = t_max, width, threshold
        self.affine = Affine(input_size, hidden_size, 4, n_b=n_b)
        self.center = nn.Parameter(torch.empty(hidden_size))
        self.log_width = nn.Parameter(torch.empty(hidden_size))
        self.reset_parameters(generator)
        self.claims, self.denies = _declarations()

    @torch.no_grad()
    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw every parameter anew."""
        library_rnn(self.affine.parameters(), self.hidden_size, generator)
        self.center.uniform_(0, self.t_max, generator=generator)
        self.log_width.fill_(math.log(self.width * self.t_max))

    def initial_state(self, *batch: int) -> GLSTMState:
        """Zero, and no step taken."""
        zeros = self.affine.weight_ih.new_zeros(*batch, self.hidden_size)
        time = torch.zeros(*batch, 1, dtype=torch.int64, device=zeros.device)
        return GLSTMState(zeros, zeros.clone(), time)

    def _exponent(self, times: Tensor) -> Tensor:
        """Log k: minus the squared distance to the center in widths, (\\*batch, H)."""
        distance = times.to(self.center.dtype) - self.center
        scaled = distance * torch.exp(-self.log_width.clamp(min=NARROWEST))
        return -(scaled * scaled)

    def _opening(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """The gate k in use and 1 − k, with the threshold: each (\\*batch, H)."""
        exponent = self._exponent(times)
        k, shut = torch.exp(exponent), -torch.expm1(exponent)
        if self.threshold and not self.training:
            frozen = k < self.threshold
            k = torch.where(frozen, torch.zeros_like(k), k)
            shut = torch.where(frozen, torch.ones_like(shut), shut)
        return k, shut

    @property
    def gates(self) -> Mapping[str, SigmoidGate | TimeGate]:
        """The gates i, f, o and k, as functions of their pre-activations.

        That of the time gate is the distance of τ from the center, in widths: time and parameters move it,
        no input does. Below ``threshold`` the function goes on, though the step in ``eval()`` does not.
        """
        units = self.hidden_size
        plain = {name: SigmoidGate(units) for name in ("input", "forget", "output")}
        return {**plain, "time": TimeGate(units)}

    def gate_values(self, x: Tensor, state: GLSTMState) -> Mapping[str, Tensor]:
        """What the gates are in the step from ``state``, at time ``state.time + 1``: each (\\*batch, H)."""
        write, forget, _, output = self.affine(x, state.hidden)
        named = {"input": write, "forget": forget, "output": output}
        values = {name: torch.sigmoid(value) for name, value in named.items()}
        return {**values, "time": self._opening(state.time + 1)[0]}

    def time_gate(self, times: Tensor) -> Tensor:
        """The gate k at ``times`` (\\*batch, 1), counted from 1: (\\*batch, H), each in [0, 1]."""
        return torch.exp(self._exponent(times))

    def budget(self, times: Tensor) -> Tensor:
        """The mean of k over ``times`` (any shape) and units: the share of updates paid for, a scalar."""
        return self.time_gate(times.reshape(-1, 1)).mean()

    def project(self, x: Tensor) -> Tensor:
        """W x + b of all four maps."""
        return self.affine.input_part(x)

    def advance(self, projected: Tensor, state: GLSTMState) -> GLSTMState:
        """One update, at time ``state.time + 1``."""
        h, c, time = state
        time = time + 1
        k, shut = self._opening(time)
        maps = self.affine.split(projected + self.affine.state_part(h))
        write, forget, candidate, output = maps
        c_lstm = torch.sigmoid(forget) * c + torch.sigmoid(write) * torch.tanh(candidate)
        h_lstm = torch.sigmoid(output) * torch.tanh(c_lstm)
        return GLSTMState(k * h_lstm + shut * h, k * c_lstm + shut * c, time)

    def readout(self, state: GLSTMState) -> Tensor:
        """The hidden state h."""
        return state.hidden


def _declarations() -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
    fixed = "for each θ and bounded x the gates read bounded h, so f ≤ f̄ < 1 and |c| ≤ 1/(1−f̄), k cancels"
    # the old h is kept where the time gate is shut, so the bound holds from |h_0| ≤ 1 only
    convex = "h_t lies between h_(t−1) and o ⊙ tanh(c̃) ∈ (−1, 1), so |h_t| ≤ max(|h_0|, 1)"
    claims = (
        Claim("well-posed", "the step is a composition of torch functions of (θ, h, c, time, x)"),
        Claim("bounded-decoder", convex, "at-init", bound=1.0),
        Claim("bounded-decoder", convex, "all-weights"),
        *identity_readout("h"),
        Claim("bounded-state", fixed, "at-init", radius=1.0),
        Claim(
            "gate-gradient",
            "three plain sigmoids; the time gate passes more, 2/√ε times theirs near open and 2√ln(1/ε) "
            "times near shut, but to its center and width alone",
            bound=1.0,
        ),
    )
    denies = (
        Claim(
            "identity-block",
            "c is scaled by 1 − k(1 − f), below 1 while the time gate is open; only where k underflows "
            "is it 1, and then h and c are shut for reading and writing too",
        ),
        Claim(
            "bounded-state",
            f"{fixed}; over all θ the time gate stays open and f̄ → 1, and the envelope of |c_t| is t",
            "all-weights",
            growth="linear",
        ),
    )
    return claims, denies

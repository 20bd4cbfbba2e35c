r"""Mogrifier LSTM: x and h modulate one another for a few rounds before an LSTM reads them.

With :math:`x^0 = x_t` and :math:`h^0 = h_{t-1}`, for :math:`i = 1 \dots R`, always on the newest versions:

.. math::

    x \leftarrow 2\sigma(Q_i h + q_i) \odot x \quad (i\ \mathrm{odd}), \qquad
    h \leftarrow 2\sigma(P_i x + p_i) \odot h \quad (i\ \mathrm{even})

    i = \min(\sigma(L_i), 1 - f), \quad f = \sigma(L_f), \quad g = \tanh(L_g), \quad o = \sigma(L_o)
    \quad \mathrm{on}\ (x, h)

    c_t = f \odot c_{t-1} + i \odot g, \qquad h_t = o \odot \tanh(c_t), \qquad y_t = h_t

Symbols:    h -> state.hidden, c -> state.cell; Q_i, q_i, P_i, p_i -> rounds[i − 1] (weight, or the factors
            left · right of a low rank); L_i, L_f, L_g, L_o -> affine (stacked in that order; without L_i
            where ``tie``)
Shapes:     x (\*batch, D), hidden and cell (\*batch, H), readout (\*batch, H), H = hidden_size
Convention: f keeps. c is not modulated. 1 − f is computed as σ(−a). R = 0 is the plain (capped) LSTM.
Paper and code: the printed LSTM has i = σ(L_i); the authors' code caps it at 1 − f by default, and that cap
            decides whether the state is bounded. ``tie`` sets i = 1 − f. Their configurations start the
            forget bias at 1, another implementation at 0: ``forget_bias``. Weights: truncated normal
            at ±2 standard deviations, variance 1/fan_in (per gate and per source for the LSTM), and
            (fan_in · ρ)^(−1/2) for each factor of a low rank ρ; biases 0.
Reference:  Melis, Kočiský & Blunsom, Mogrifier LSTM, 2020, section 2.
Example:
    >>> from cells.mogrifier import MogrifierLSTM
    >>> cell = MogrifierLSTM(input_size=3, hidden_size=8, rounds=4, rank=2)
    >>> cell.initial_state(5).cell.shape
    torch.Size([5, 8])
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from cells.core.claims import Channels, Claim
from cells.core.registry import register
from cells.parts.affine import Affine
from cells.parts.gates import Coefficients
from cells.parts.identity_readout import identity_readout
from cells.parts.plain_gate import PlainGate
from cells.parts.sigmoid_gate import SigmoidGate
from cells.parts.sizes import positive


class MogrifierState(NamedTuple):
    """``hidden`` h and ``cell`` c: (\\*batch, H)."""

    hidden: Tensor
    cell: Tensor


class Modulation(nn.Module):
    """2σ(M v + m) with M of full rank, or the product of two factors of rank ρ."""

    def __init__(self, read_size: int, modulated_size: int, rank: int) -> None:
        super().__init__()
        self.rank = rank
        if rank:
            self.left = nn.Parameter(torch.empty(modulated_size, rank))
            self.right = nn.Parameter(torch.empty(rank, read_size))
        else:
            self.weight = nn.Parameter(torch.empty(modulated_size, read_size))
        self.bias = nn.Parameter(torch.empty(modulated_size))

    @torch.no_grad()
    def reset_parameters(self, generator: Generator | None) -> None:
        """Truncated normal weights, zero bias: a modulation by 1 where its input is 0."""
        self.bias.zero_()
        for weight in (self.left, self.right) if self.rank else (self.weight,):
            fan_in = weight.shape[1]
            std = (fan_in * self.rank) ** -0.25 if self.rank else fan_in**-0.5
            _truncated_normal(weight, std, generator)

    def forward(self, v: Tensor) -> Tensor:
        """``v`` (\\*batch, read_size) to the factors (\\*batch, modulated_size), each in (0, 2)."""
        if self.rank:
            return 2 * torch.sigmoid(F.linear(F.linear(v, self.right), self.left, self.bias))
        return 2 * torch.sigmoid(F.linear(v, self.weight, self.bias))


class CappedGate:
    """min(σ(a_i), 1 − σ(a_f)): what is written, of ``units`` units, and never more than is forgotten."""

    def __init__(self, units: int) -> None:
        self.blocks: Mapping[str, int] = {"input": units, "forget": units}

    def __call__(self, input: Tensor, forget: Tensor) -> Tensor:  # noqa: A002 - the name of the block
        """``input`` a_i and ``forget`` a_f: (\\*batch, units), as is the gate."""
        return torch.minimum(torch.sigmoid(input), torch.sigmoid(-forget))


def _truncated_normal(weight: Tensor, std: float, generator: Generator | None) -> None:
    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std, generator=generator)


@register("mogrifier-lstm")
@final
class MogrifierLSTM(nn.Module):
    """The Mogrifier LSTM; 4H(D + H + n_b) parameters (3 where ``tie``) and those of the rounds.

    A round has ρ(D + H) weights, or DH at full rank, and D (odd) or H (even) biases. ``rounds``: R;
    ``rank``: ρ, 0 for full matrices; ``cap_input``: i = min(i, 1 − f); ``tie``: i = 1 − f;
    ``forget_bias``: where L_f's bias starts; ``n_b``: stored biases per affine map of the LSTM. Raises
    ``ValueError`` for a knob out of range, a rank above the smaller width, or ``forget_bias`` without
    a bias.
    """

    channels = Channels(recurrent=("hidden", "cell"))

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        rounds: int = 5,
        rank: int = 0,
        cap_input: bool = True,
        tie: bool = False,
        forget_bias: float | None = None,
        n_b: Literal[0, 1, 2] = 1,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        positive(input_size=input_size, hidden_size=hidden_size)
        width = min(input_size, hidden_size)
        if not isinstance(rounds, int) or rounds < 0:
            raise ValueError(
                f"rounds: expected an integer of at least 0 (a plain LSTM), got {rounds!r}"
            )
        if not isinstance(rank, int) or not 0 <= rank <= width:
            raise ValueError(
                f"rank: expected 0 (full matrices) to {width}, the smaller of input_size and "
                f"hidden_size; lower it or widen them: got {rank!r}"
            )
        if forget_bias is not None and n_b == 0:
            raise ValueError(
                f"forget_bias: needs a stored bias; pass n_b=1 or leave it out: got {forget_bias!r} "
                "with n_b=0"
            )
        self.input_size, self.hidden_size = input_size, hidden_size
        self.cap_input, self.tie = cap_input, tie
        self.forget_bias = 1.0 if forget_bias is None else forget_bias
        self.rounds = nn.ModuleList(
            Modulation(hidden_size, input_size, rank)
            if i % 2 == 1
            else Modulation(input_size, hidden_size, rank)
            for i in range(1, rounds + 1)
        )
        self.affine = Affine(input_size, hidden_size, 3 if tie else 4, n_b=n_b)
        self.reset_parameters(generator)
        self.claims, self.denies = _declarations(cap_input or tie)

    @torch.no_grad()
    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw every parameter anew."""
        part = self.affine
        for weight in (part.weight_ih, part.weight_hh):
            _truncated_normal(weight, weight.shape[1] ** -0.5, generator)
        for bias in (part.bias_ih, part.bias_hh):
            if bias is not None:
                bias.zero_()
        if part.bias_ih is not None:
            forget = 0 if self.tie else 1
            part.bias_ih.chunk(part.blocks)[forget].fill_(self.forget_bias)
        for modulation in self.rounds:
            modulation.reset_parameters(generator)  # type: ignore[operator]

    @property
    def gates(self) -> Mapping[str, PlainGate | CappedGate | SigmoidGate]:
        """The LSTM's gates f, i and o, as functions of their pre-activations; tied, f gives i as well.

        The factors 2σ of the rounds are left out: a gate is read between shut at 0 and open at 1, and these
        lie in (0, 2). At 1 ± ε they are half open, and pass 1/(2ε) times what a sigmoid does at 1 − ε.
        """
        units = self.hidden_size
        if self.tie:
            return {"forget": PlainGate(units), "output": SigmoidGate(units)}
        entry = CappedGate(units) if self.cap_input else SigmoidGate(units)
        return {"forget": SigmoidGate(units), "input": entry, "output": SigmoidGate(units)}

    def gate_values(self, x: Tensor, state: MogrifierState) -> Mapping[str, Tensor | Coefficients]:
        """The gates of the step from ``state``: each (\\*batch, H); tied, "forget" is f, then 1 − f."""
        maps = self.affine(*self.modulate(x, state.hidden))
        gating, output = self._coefficients(maps), torch.sigmoid(maps[-1])
        if self.tie:
            return {"forget": gating, "output": output}
        return {"forget": gating.keep, "input": gating.write, "output": output}

    def initial_state(self, *batch: int) -> MogrifierState:
        """Zero."""
        zeros = self.affine.weight_ih.new_zeros(*batch, self.hidden_size)
        return MogrifierState(zeros, zeros.clone())

    def modulate(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """The R rounds: x (\\*batch, D) and h (\\*batch, H) as the LSTM reads them."""
        for i, modulation in enumerate(self.rounds, start=1):
            if i % 2 == 1:
                x = modulation(h) * x
            else:
                h = modulation(x) * h
        return x, h

    def step(self, x: Tensor, state: MogrifierState) -> MogrifierState:
        """One update; c enters unmodulated."""
        maps = self.affine(*self.modulate(x, state.hidden))
        keep, write = self._coefficients(maps)
        cell = keep * state.cell + write * torch.tanh(maps[-2])
        return MogrifierState(torch.sigmoid(maps[-1]) * torch.tanh(cell), cell)

    def _coefficients(self, maps: tuple[Tensor, ...]) -> Coefficients:
        forget = maps[-3]
        if self.tie:
            write = torch.sigmoid(-forget)
        elif self.cap_input:
            write = CappedGate(self.hidden_size)(maps[0], forget)
        else:
            write = torch.sigmoid(maps[0])
        return Coefficients(torch.sigmoid(forget), write)

    def readout(self, state: MogrifierState) -> Tensor:
        """The hidden state h."""
        return state.hidden


def _declarations(capped: bool) -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
    claims = [
        Claim("well-posed", "the step is a composition of torch functions of (θ, h, c, x)"),
        Claim("bounded-decoder", "h = o ⊙ tanh(c) with both factors in (−1, 1)", bound=1.0),
        *identity_readout("h"),
        Claim(
            "gate-gradient",
            "each gate is a plain sigmoid, or where capped the smaller of two, which is one of them",
            bound=1.0,
        ),
    ]
    denies = [Claim("identity-block", "c is scaled by f, which reads h and is below 1")]
    if capped:
        convex = "|c_t| ≤ f|c_(t−1)| + i with f + i ≤ 1, and |h_t| ≤ |tanh(c_t)|"
        claims.append(Claim("bounded-state", convex, bound=1.0))
    else:
        fixed = "for each θ, f ≤ f̄ < 1 since the gates read bounded h and x: |c| ≤ 1/(1−f̄)"
        envelope = f"{fixed}; over all θ, f̄ → 1 and the envelope of |c_t| is t"
        claims.append(Claim("bounded-state", fixed, "at-init"))
        denies.append(Claim("bounded-state", envelope, "all-weights", growth="linear"))
    return tuple(claims), tuple(denies)

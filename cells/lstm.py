r"""LSTM: long short-term memory, with the gates and initializations that later papers vary.

.. math::

    i = \sigma(L_i) \quad f = \sigma(L_f + \varphi) \quad \hat c = \tanh(L_c) \quad o = \sigma(L_o)

    c_t = f \odot c_{t-1} + i \odot \hat c \qquad h_t = o \odot \tanh(c_t)

Each :math:`L` is an affine map of :math:`(x_t, h_{t-1})`; with ``diagonal`` its recurrent weight is a
vector. With ``tied`` there is no :math:`L_i` and :math:`i = 1 - f`. An effective gate g of
:mod:`cells.parts.gates` takes the place of f (and of i): ``primary`` and ``auxiliary`` span the grid of
Gu et al. The names are their letters: ``ur-lstm`` is the tied core with U(niform initialization) and
R(efine), ``on-lstm`` is O(rdered) with a M(aster) gate on the untied core.

Symbols:    h -> state.hidden, c -> state.cell; φ -> forget_offset; β -> gate.beta; the rows of weight_ih,
            weight_hh, bias_ih, bias_hh are L_i, L_f, L_c, L_o (without L_i where tied), then those of the
            refine gate, or of the master forget gate and, where untied, the master input gate
Shapes:     x (\*batch, D), hidden and cell (\*batch, H), readout (\*batch, H); rows of a cumax or a master
            gate H/C with C = chunk, of all others H
Convention: g keeps the past. The untied core without auxiliary has the blocks and parameter names of
            ``torch.nn.LSTMCell``, whose state dict loads unchanged.
Paper and code: φ is a constant inside the gate, as in the RRU study, not an initial bias. Published
            diagonal counts store one or two biases per map: ``n_b``. That the grid's core is tied, and that
            its M puts the primary on the master gate and a plain σ below, is inferred (from the paper's
            equation 11, and from OM being ordered neurons). The refine gate starts at minus the forget
            bias as in the paper's pseudocode; other code starts it at zero. Ordered neurons initialize
            nothing specially, and neither does O here.
Reference:  Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9 (1997); Gu et al.,
            "Improving the gating mechanism of recurrent neural networks", ICML 2020; Shen et al.,
            "Ordered neurons", ICLR 2019; Tallec and Ollivier, "Can recurrent neural networks warp time?",
            ICLR 2018; Semeniuta et al., "Recurrent dropout without memory loss", COLING 2016; diagonal
            recurrent weights: GATO, section 5.
Example:
    >>> from cells.lstm import LSTM
    >>> cell = LSTM(input_size=3, hidden_size=8, tied=True, primary="ugi", auxiliary="refine")
    >>> cell.initial_state(5).cell.shape
    torch.Size([5, 8])
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, final

import torch
from torch import Generator, Tensor

from cells.core.claims import Channels, Claim
from cells.core.library import Library, paired
from cells.core.projection import Projected
from cells.core.registry import register
from cells.fused.lanes import Lanes
from cells.fused.step import Step
from cells.parts.affine import Affine
from cells.parts.gate_claims import gate_gradient
from cells.parts.gates import GRID, Auxiliary, Coefficients, Gate, Primary, RefineBias, logistic
from cells.parts.identity_readout import identity_readout
from cells.parts.initializers import library_rnn
from cells.parts.recurrent_dropout import MaskScope, RecurrentDropout
from cells.parts.sizes import positive


class LSTMState(NamedTuple):
    """``hidden`` h and ``cell`` c: (\\*batch, H)."""

    hidden: Tensor
    cell: Tensor


class MaskedLSTMState(NamedTuple):
    """An LSTM's state with the boolean dropout ``mask`` of its sequence: each (\\*batch, H)."""

    hidden: Tensor
    cell: Tensor
    mask: Tensor


@register("lstm")
@register("lstm-diag", diagonal=True)
@register("on-lstm", primary="cumax", auxiliary="master")
@final
class LSTM(Projected[LSTMState | MaskedLSTMState], Affine):
    """The LSTM cell.

    ``n_b``: stored biases per affine map, 2 as in torch, 1 or 0; ``diagonal``: recurrent weights are
    vectors; ``forget_offset``: φ; ``tied``: write with one minus what keeps; ``primary``, ``auxiliary``,
    ``refine_bias``, ``chunk``, ``t_max``, ``forget_bias``: see :class:`cells.parts.gates.Gate`; ``dropout``,
    ``mask_scope``: see :class:`cells.parts.recurrent_dropout.RecurrentDropout`; ``generator``: source of the
    initial draw. Parameters start as U(±1/√H), but for the biases that the gate prescribes; under
    primary="chrono" all other biases are zero. Raises ``ValueError`` for a knob out of range.
    """

    channels = Channels(recurrent=("hidden", "cell"))

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        n_b: Literal[0, 1, 2] = 2,
        diagonal: bool = False,
        forget_offset: float = 0.0,
        tied: bool = False,
        primary: Primary = "standard",
        auxiliary: Auxiliary = "none",
        refine_bias: RefineBias = "minus_forget",
        chunk: int = 1,
        t_max: float = 100.0,
        forget_bias: float | None = None,
        dropout: float = 0.0,
        mask_scope: MaskScope = "step",
        generator: Generator | None = None,
    ) -> None:
        positive(input_size=input_size, hidden_size=hidden_size)
        if not math.isfinite(forget_offset):
            raise ValueError(f"forget_offset: expected a finite number, got {forget_offset!r}")
        if forget_offset and primary == "cumax" and auxiliary != "master":
            raise ValueError(
                "forget_offset: a softmax ignores a constant, so primary='cumax' takes none; "
                f"use 0: got {forget_offset!r}"
            )
        gate = Gate(
            hidden_size,
            primary=primary,
            auxiliary=auxiliary,
            tied=tied,
            refine_bias=refine_bias,
            chunk=chunk,
            t_max=t_max,
            forget_bias=forget_bias,
        )
        first = () if tied else ("input",)
        rest = tuple(name for name in gate.blocks if name.startswith("extra"))
        names = (*first, "forget", "candidate", "output", *rest)
        rows = [gate.blocks.get(name, hidden_size) for name in names]
        super().__init__(input_size, hidden_size, rows, n_b=n_b, diagonal=diagonal)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.forget_offset = forget_offset
        self.names = names
        self.gate = gate
        self.dropout = RecurrentDropout(dropout, mask_scope)
        self.reset_parameters(generator)
        self.claims, self.denies = _declarations(self)

    @property
    def gates(self) -> Mapping[str, Gate]:
        """The effective gates by what they carry, as functions of their pre-activations."""
        return {"cell": self.gate}

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw every parameter anew; see the class."""
        stored = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        library_rnn(stored, self.hidden_size, generator)
        biases = {name: self.biases(k) for k, name in enumerate(self.names)}
        if self.gate.primary == "chrono":
            for bias in (b for pair in biases.values() for b in pair):
                torch.nn.init.zeros_(bias)
        self.gate.reset_parameters(biases, generator)

    def initial_state(self, *batch: int) -> LSTMState | MaskedLSTMState:
        """Zero in both fields; in training with ``mask_scope="sequence"`` also a fresh mask."""
        zero = self.weight_ih.new_zeros(*batch, self.hidden_size)
        if self.dropout.carries_mask:
            return MaskedLSTMState(zero, zero.clone(), self.dropout.draw(zero))
        return LSTMState(zero, zero.clone())

    def gate_values(self, x: Tensor, state: LSTMState | MaskedLSTMState) -> Coefficients:
        """Return what the step from ``state`` keeps of c and writes of ĉ: each (\\*batch, H)."""
        return self._coefficients(dict(zip(self.names, self(x, state.hidden), strict=True)))

    def _coefficients(self, a: Mapping[str, Tensor]) -> Coefficients:
        kept: Coefficients = self.gate(
            a["forget"] + self.forget_offset, a.get("extra"), a.get("input"), a.get("extra_input")
        )
        return kept

    def project(self, x: Tensor) -> Tensor:
        """W x + b of every map."""
        return self.input_part(x)

    def advance(
        self, projected: Tensor, state: LSTMState | MaskedLSTMState
    ) -> LSTMState | MaskedLSTMState:
        """One update."""
        maps = self.split(projected + self.state_part(state.hidden))
        a = dict(zip(self.names, maps, strict=True))
        keep, write = self._coefficients(a)
        mask = state.mask if isinstance(state, MaskedLSTMState) else None
        candidate = self.dropout(torch.tanh(a["candidate"]), mask)
        cell = keep * state.cell + write * candidate
        hidden = torch.sigmoid(a["output"]) * torch.tanh(cell)
        return state._replace(hidden=hidden, cell=cell)

    def lanes(self) -> Lanes | str:
        """Where the recurrent weights are vectors and the forget gate is one plain sigmoid."""
        if not self.diagonal:
            return "diagonal=False: its recurrent weights are matrices, which mix units"
        if self.gate.mixes:
            return self.gate.mixes
        if self.dropout.probability:
            return f"dropout={self.dropout.probability}: the kernels do not drop units of the candidate"
        weights = self.weight_hh.unflatten(0, (len(self.names), -1))
        offset = (self.forget_offset,)
        return Lanes(_STEPS[self.gate.tied], ("hidden", "cell"), self.of_inputs, weights, offset)

    def library(self) -> Library | str:
        """``torch.nn.LSTM`` with φ added to the forget bias, or the knob that makes it another cell."""
        gate = self.gate
        if self.diagonal:
            return "diagonal=True: its recurrent weights are full matrices"
        if gate.tied or gate.primary == "cumax" or gate.auxiliary != "none":
            return (
                f"tied={gate.tied}, primary={gate.primary!r}, auxiliary={gate.auxiliary!r}: it has "
                "one plain sigmoid for each of its gates"
            )
        if self.dropout.probability:
            return f"dropout={self.dropout.probability}: it does not drop units of the candidate"
        bias_ih, bias_hh = paired(self.bias_ih, self.bias_hh)
        if self.forget_offset:
            zeros = self.weight_hh.new_zeros(4, self.hidden_size)
            zeros[1] = self.forget_offset
            offset = zeros.flatten()
            none = torch.zeros_like(offset)
            bias_ih, bias_hh = (none if b is None else b for b in (bias_ih, bias_hh))
            bias_hh = bias_hh + offset
        return Library("lstm", self.weight_ih, self.weight_hh, bias_ih, bias_hh)

    def readout(self, state: LSTMState | MaskedLSTMState) -> Tensor:
        """h: what the decoder and the next step read."""
        return state.hidden


for _letters, _knobs in GRID.items():
    register(f"{_letters}-lstm" if _letters else "lstm-tied", tied=True, **_knobs)(LSTM)


def _step(*, tied: bool) -> Step:
    def unit(
        states: Sequence[Tensor],
        inputs: Sequence[Tensor],
        weights: Sequence[Tensor],
        constants: Sequence[Tensor],
    ) -> tuple[Tensor, Tensor]:
        h, c = states
        *entry, forget, candidate, output = (
            p + u * h for p, u in zip(inputs, weights, strict=True)
        )
        keep, write = logistic(forget + constants[0])
        cell = keep * c + (write if tied else torch.sigmoid(entry[0])) * torch.tanh(candidate)
        return torch.sigmoid(output) * torch.tanh(cell), cell

    maps = 3 if tied else 4
    name = "lstm_tied" if tied else "lstm"
    return Step(name, unit, states=2, inputs=maps, weights=maps, constants=1)


_STEPS = {tied: _step(tied=tied) for tied in (False, True)}


def _declarations(cell: LSTM) -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
    claims = [
        Claim("well-posed", "torch functions of (θ, h, c, x); dropout is inert in eval mode"),
        Claim("bounded-decoder", "h = o tanh(c), both factors at most 1", bound=1.0),
        *identity_readout("h"),
        *gate_gradient(cell.gate),
    ]
    denies = []
    gate = cell.gate
    if gate.tied:
        claims.append(
            Claim(
                "bounded-state",
                "c_t is a convex mean of c_(t−1) and a tanh (over 1 − dropout), |h_t| ≤ 1",
                bound=cell.dropout.gain,
            )
        )
    elif gate.ends_open:
        because = (
            "the last chunk of a cumax keeps exactly 1 and its own input gate writes: c sums up"
        )
        denies.append(Claim("bounded-state", because, growth="linear"))
    else:
        claims.append(
            Claim(
                "bounded-state",
                "gates read bounded inputs and |h| ≤ 1: keep ≤ k < 1 and |c| ≤ max(|c_0|, gain/(1−k))",
                "at-init",
            )
        )
        denies.append(
            Claim(
                "bounded-state",
                "|c_t| ≤ |c_0| + t is attained as forget biases grow, although each fixed θ is bounded",
                "all-weights",
                growth="linear",
            )
        )
    if gate.ends_dead:
        because = "cumax ends at 1: the last chunk of c is carried unchanged and never written"
        claims.append(Claim("identity-block", because))
        denies.append(Claim("writable-memory", because))
    else:
        denies.append(
            Claim("identity-block", "c_(t−1) is scaled by keep < 1 or mixed through h (GATO 3)")
        )
    return tuple(claims), tuple(denies)

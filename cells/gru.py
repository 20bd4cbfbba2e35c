r"""GRU: the gated recurrent unit, with the gates and initializations that later papers vary.

.. math::

    r = \sigma(L_r) \qquad z = \sigma(L_z)

    n = \tanh(W_n x_t + b_n + r \odot (U_n h_{t-1} + b'_n)) \quad\text{(after)}

    n = \tanh(W_n x_t + U_n (r \odot h_{t-1}) + b_n) \quad\text{(before)}

    h_t = z \odot h_{t-1} + (1 - z) \odot n

Each :math:`L` is an affine map of :math:`(x_t, h_{t-1})`. An effective gate of :mod:`cells.parts.gates` takes
the place of z; the reset gate stays plain. The names are the letters of Gu et al.: ``ur-gru`` has
U(niform initialization) and R(efine).

Symbols:    h -> state.hidden; β -> gate.beta; the rows of weight_ih, weight_hh, bias_ih, bias_hh are
            L_r, L_z, those of the refine or master gate where there is one, L_n; b_n -> the last block of
            bias_ih, b'_n -> the last block of bias_hh
Shapes:     x (\*batch, D), hidden (\*batch, H), readout (\*batch, H); rows of a cumax or a master gate H/C
            with C = chunk, of all others H
Convention: z keeps the past (many papers let z write): a chrono bias has a plus sign here. Without
            auxiliary the blocks and parameter names are those of ``torch.nn.GRUCell``, whose state dict
            loads unchanged.
Paper and code: reset="before" is the original and GATO's appendix F; "after" is torch's. In "after" b'_n
            stands inside the reset product, so the two biases are not redundant: n_b=1 leaves b'_n out
            and is a smaller family than n_b=2. With reset="before" they are summed.
Reference:  Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014; Gu et al.,
            "Improving the gating mechanism of recurrent neural networks", ICML 2020; Tallec and Ollivier,
            "Can recurrent neural networks warp time?", ICLR 2018; Semeniuta et al., "Recurrent dropout
            without memory loss", COLING 2016; diagonal recurrent weights: GATO, section 5.
Example:
    >>> from cells.gru import GRU
    >>> cell = GRU(input_size=3, hidden_size=8, primary="chrono", t_max=500)
    >>> cell.initial_state(5).hidden.shape
    torch.Size([5, 8])
"""

from __future__ import annotations

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
from cells.parts.input_map import InputMap, input_map
from cells.parts.recurrent_dropout import MaskScope, RecurrentDropout
from cells.parts.sizes import one_of, positive


class GRUState(NamedTuple):
    """``hidden`` h: (\\*batch, H)."""

    hidden: Tensor


class MaskedGRUState(NamedTuple):
    """A GRU's state with the boolean dropout ``mask`` of its sequence: each (\\*batch, H)."""

    hidden: Tensor
    mask: Tensor


class GRUInputs(NamedTuple):
    """``maps`` W x + b of every map: (\\*batch, rows); ``weights``: U cut in two where h is reset first."""

    maps: Tensor
    weights: GRUWeights | None


class GRUWeights(NamedTuple):
    """``gating``, U of the reset and the update gate; ``candidate``, U_n."""

    gating: Tensor
    candidate: Tensor


@register("gru")
@register("gru-diag", diagonal=True)
@final
class GRU(Projected[GRUState | MaskedGRUState], Affine):
    """The GRU cell.

    ``reset``: "after" the recurrent product, as torch, or "before"; ``n_b``: stored biases per affine
    map, 2 as in torch, 1 or 0; ``diagonal``: recurrent weights are vectors; ``primary``, ``auxiliary``,
    ``refine_bias``, ``chunk``, ``t_max``, ``forget_bias`` (of z): see :class:`cells.parts.gates.Gate`;
    ``dropout``, ``mask_scope``: see :class:`cells.parts.recurrent_dropout.RecurrentDropout`; ``generator``:
    source of the initial draw. Parameters start as U(±1/√H), but for the biases that the gate prescribes;
    under primary="chrono" all other biases are zero. Raises ``ValueError`` for a knob out of range.
    """

    channels = Channels(recurrent=("hidden",))

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        reset: Literal["after", "before"] = "after",
        n_b: Literal[0, 1, 2] = 2,
        diagonal: bool = False,
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
        one_of("reset", reset, ("after", "before"))
        gate = Gate(
            hidden_size,
            primary=primary,
            auxiliary=auxiliary,
            refine_bias=refine_bias,
            chunk=chunk,
            t_max=t_max,
            forget_bias=forget_bias,
        )
        names = ("reset", *gate.blocks, "candidate")
        rows = [gate.blocks.get(name, hidden_size) for name in names]
        super().__init__(input_size, hidden_size, rows, n_b=n_b, diagonal=diagonal)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.reset = reset
        self.names = names
        self.gate = gate
        self.dropout = RecurrentDropout(dropout, mask_scope)
        self.reset_parameters(generator)
        self.claims, self.denies = _declarations(self)

    @property
    def gates(self) -> Mapping[str, Gate]:
        """The effective gates by what they carry, as functions of their pre-activations."""
        return {"hidden": self.gate}

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw every parameter anew; see the class."""
        stored = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        library_rnn(stored, self.hidden_size, generator)
        biases = {name: self.biases(k) for k, name in enumerate(self.names)}
        if self.gate.primary == "chrono":
            for bias in (b for pair in biases.values() for b in pair):
                torch.nn.init.zeros_(bias)
        self.gate.reset_parameters(biases, generator)

    def initial_state(self, *batch: int) -> GRUState | MaskedGRUState:
        """Zero; in training with ``mask_scope="sequence"`` also a fresh mask."""
        zero = self.weight_ih.new_zeros(*batch, self.hidden_size)
        if self.dropout.carries_mask:
            return MaskedGRUState(zero, self.dropout.draw(zero))
        return GRUState(zero)

    def gate_values(self, x: Tensor, state: GRUState | MaskedGRUState) -> Coefficients:
        """Return what the step from ``state`` keeps of h and writes of n: each (\\*batch, H)."""
        return self._coefficients(self.forward(x, state.hidden)[1:-1])

    def _coefficients(self, a: tuple[Tensor, ...]) -> Coefficients:
        kept: Coefficients = self.gate(*a)
        return kept

    def project(self, x: Tensor) -> GRUInputs:
        """W x and the biases that no reset gate multiplies."""
        if self.reset == "after":
            return GRUInputs(input_map(x, self.weight_ih, self.bias_ih), None)
        weights = GRUWeights(self.state_weight(0, -1), self.state_weight(-1))
        return GRUInputs(self.input_part(x), weights)

    def advance(
        self, projected: GRUInputs, state: GRUState | MaskedGRUState
    ) -> GRUState | MaskedGRUState:
        """One update."""
        h = state.hidden
        *rest, n = self.split(projected.maps)
        if projected.weights is not None:
            products = self.split(self.state_map(projected.weights.gating, h), 0, -1)
            r, *gating = (w + u for w, u in zip(rest, products, strict=True))
            reset = torch.sigmoid(r) * h
            candidate = torch.tanh(n + self.state_map(projected.weights.candidate, reset))
        else:
            product = self.state_part(h)
            if self.bias_hh is not None:
                product = product + self.bias_hh
            *sums, n_state = self.split(product)
            r, *gating = (w + u for w, u in zip(rest, sums, strict=True))
            candidate = torch.tanh(n + torch.sigmoid(r) * n_state)
        keep, write = self._coefficients(tuple(gating))
        mask = state.mask if isinstance(state, MaskedGRUState) else None
        return state._replace(hidden=keep * h + write * self.dropout(candidate, mask))

    def lanes(self) -> Lanes | str:
        """Where the recurrent weights are vectors and the update gate is one plain sigmoid."""
        if not self.diagonal:
            return "diagonal=False: its recurrent weights are matrices, which mix units"
        if self.gate.mixes:
            return self.gate.mixes
        if self.dropout.probability:
            return f"dropout={self.dropout.probability}: the kernels do not drop units of the candidate"
        weights = self.weight_hh.unflatten(0, (3, -1))
        if self.reset == "after":  # b'_n stands inside the reset product
            none = torch.zeros_like(weights[0])
            inner = none if self.bias_hh is None else self.biases(2)[1]
            weights = torch.cat((weights, inner.unsqueeze(0)))
        return Lanes(_STEPS[self.reset], ("hidden",), self._outer(), weights)

    def _outer(self) -> InputMap:
        """W x and every bias but b'_n."""
        if self.reset == "before" or self.bias_hh is None or self.bias_ih is None:
            return self.of_inputs
        gating, candidate = self.bias_hh.split((2 * self.hidden_size, self.hidden_size))
        outer = torch.cat((gating, torch.zeros_like(candidate)))
        return InputMap(self.weight_ih, self.bias_ih + outer)

    def library(self) -> Library | str:
        """``torch.nn.GRU``, or the knob that makes it another cell."""
        gate = self.gate
        if self.reset != "after":
            return f"reset={self.reset!r}: it resets after the recurrent product"
        if self.diagonal:
            return "diagonal=True: its recurrent weights are full matrices"
        if gate.primary == "cumax" or gate.auxiliary != "none":
            return (
                f"primary={gate.primary!r}, auxiliary={gate.auxiliary!r}: its update gate is one "
                "plain sigmoid"
            )
        if self.dropout.probability:
            return f"dropout={self.dropout.probability}: it does not drop units of the candidate"
        biases = paired(self.bias_ih, self.bias_hh)
        return Library("gru", self.weight_ih, self.weight_hh, *biases)

    def readout(self, state: GRUState | MaskedGRUState) -> Tensor:
        """The hidden state itself."""
        return state.hidden


for _letters, _knobs in GRID.items():
    if _letters:
        register(f"{_letters}-gru", **_knobs)(GRU)


def _step(reset: str) -> Step:
    def unit(
        states: Sequence[Tensor], inputs: Sequence[Tensor], weights: Sequence[Tensor], _: object
    ) -> tuple[Tensor]:
        (h,), (u_r, u_z, u_n, *inner) = states, weights
        r, z = torch.sigmoid(inputs[0] + u_r * h), inputs[1] + u_z * h
        n = r * (u_n * h + inner[0]) if reset == "after" else u_n * (r * h)
        keep, write = logistic(z)
        return (keep * h + write * torch.tanh(inputs[2] + n),)

    name = f"gru_reset_{reset}"
    return Step(name, unit, states=1, inputs=3, weights=4 if reset == "after" else 3)


_STEPS = {reset: _step(reset) for reset in ("after", "before")}


def _declarations(cell: GRU) -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
    because = "h_t is a convex mean of h_(t−1) and a tanh (over 1 − dropout)"
    claims = [
        Claim("well-posed", "torch functions of (θ, h, x); dropout is inert in eval mode"),
        Claim("bounded-decoder", because, bound=cell.dropout.gain),
        *identity_readout("h"),
        Claim("bounded-state", because, bound=cell.dropout.gain),
        *gate_gradient(cell.gate),
    ]
    if cell.gate.ends_dead:
        because = "cumax ends at 1: the last chunk of h is carried unchanged and never written"
        claims.append(Claim("identity-block", because))
        return tuple(claims), (Claim("writable-memory", because),)
    return tuple(claims), (
        Claim("identity-block", "h_(t−1) is scaled by keep < 1, and n is bounded (GATO 3)"),
    )

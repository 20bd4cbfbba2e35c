r"""RRU: residual recurrent unit.

.. math::

    j^1 = \mathrm{ReLU}(N(W^x x_t + W^h h_{t-1} + B^j)) \qquad
    j^k = \mathrm{ReLU}(W^k j^{k-1} + B^k), \; k = 2, \dots, K

    d = \mathrm{dropout}(j^K) \qquad c = W^c d + B^c \qquad o_t = W^o d + B^o

    h_t = \sigma(\kappa S) \odot h_{t-1} + Z \odot c \qquad
    N(u) = u / \sqrt{\mathrm{mean}(u^2) + 10^{-6}}

Symbols:    h -> state.hidden, o -> state.emission; W^x, W^h, B^j -> weight_ih, weight_hh, bias_ih; W^k,
            B^k -> middle[k - 2]; W^c over W^o, B^c over B^o -> weight_out, bias_out (stacked in that
            order); S -> residual, Z -> rezero; κ -> kappa; g = round(q (m + n)) -> middle_size
Shapes:     x (\*batch, m), hidden (\*batch, n), emission and readout (\*batch, p)
Convention: the step writes the emission and never reads it. N subtracts no mean and has no gain, and acts
            on the first layer only. Python's ``round`` is half-to-even. σ(κS) reads parameters alone, so it
            is not exposed as a gate.
Paper and code: the paper says L2 normalization and draws σ from (0, 1); its code divides by the root
            mean square, draws from (0.01, 0.99) and multiplies the stored S by κ = 10, so that an
            optimizer of the Adam kind moves σ's argument ten times as fast. We follow the code. Kernels
            are Glorot-uniform as the code stores them: [W^x, W^h] is one, [W^c; W^o] another.
            output_size 64 is the paper's choice outside language models (128 there). Its dropout was tuned
            per task (0.66-0.79 on music and words, code default 0.5): the default here is 0, so that
            a new cell is a deterministic function also in training mode.
Reference:  Zakovskis, Draguns, Gaile, Ozolins, Freivalds: Gates Are Not What You Need in RNNs, 2021,
            sections 3, 7, appendix A.
Example:
    >>> from cells.rru import RRU
    >>> cell = RRU(input_size=3, hidden_size=16)
    >>> cell.initial_state(5).hidden[0, :3]
    tensor([1., 0., 0.])
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from cells.core.claims import Channels, Claim, Growth
from cells.core.deferral import Deferred
from cells.core.registry import register
from cells.parts.initializers import glorot_uniform
from cells.parts.input_map import input_map
from cells.parts.sizes import one_of, positive, within


class RRUState(NamedTuple):
    r"""``hidden`` h: (\*batch, n); ``emission`` o: (\*batch, p), zero before the first step."""

    hidden: Tensor
    emission: Tensor


class RRUConstants(NamedTuple):
    """What no input changes: ``kept`` σ(κS), or None for S = 1; W^c, B^c, W^o and B^o."""

    kept: Tensor | None
    candidate_weight: Tensor
    candidate_bias: Tensor
    emission_weight: Tensor
    emission_bias: Tensor


class RRUInputs(NamedTuple):
    r"""``first`` W^x x + B^j: (\*batch, g); ``constants``: for every step."""

    first: Tensor
    constants: RRUConstants


class MiddleLayer(nn.Module):
    """ReLU(W^k j + B^k), one of the layers after the first."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size, size))
        self.bias = nn.Parameter(torch.empty(size))

    def forward(self, j: Tensor) -> Tensor:
        r"""``j`` (\*batch, g) to the same shape."""
        return F.relu(F.linear(j, self.weight, self.bias))


@register("rru")
@final
class RRU(Deferred[RRUState], nn.Module):
    """The residual recurrent unit.

    ``output_size``: p; ``q``: the middle layers have round(q (m + n)) units; ``relu_layers``: K;
    ``dropout``: rate in training mode, a fresh mask at each step, shared by c and o; ``kappa``: κ;
    ``h0``: start at "first_feature" (√n/4, 0, …, 0) or "zero". Ablations (section 7): ``norm`` "none";
    ``z_shape`` "scalar", one Z for all units; ``relu_out``, a ReLU over c and o; ``s_mode`` "one",
    h_t = h_{t−1} + Z ⊙ c without S; ``s_init``, a constant σ(κS) in (0, 1) for the "uniform" draw.
    Raises ``ValueError`` for a knob out of range.
    """

    channels = Channels(recurrent=("hidden",), emission=("emission",))
    deferred = "emission"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        output_size: int = 64,
        q: float = 2.0,
        relu_layers: int = 1,
        norm: Literal["rms", "none"] = "rms",
        z_shape: Literal["vector", "scalar"] = "vector",
        relu_out: bool = False,
        s_mode: Literal["sigmoid", "one"] = "sigmoid",
        s_init: float | Literal["uniform"] = "uniform",
        kappa: float = 10.0,
        dropout: float = 0.0,
        h0: Literal["first_feature", "zero"] = "first_feature",
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        positive(
            input_size=input_size,
            hidden_size=hidden_size,
            output_size=output_size,
            relu_layers=relu_layers,
        )
        one_of("norm", norm, ("rms", "none"))
        one_of("z_shape", z_shape, ("vector", "scalar"))
        one_of("s_mode", s_mode, ("sigmoid", "one"))
        one_of("h0", h0, ("first_feature", "zero"))
        _check_numbers(q=q, kappa=kappa)
        if s_init != "uniform" and not 0 < s_init < 1:
            raise ValueError(
                f"s_init: expected 'uniform' or a number between 0 and 1, got {s_init!r}; "
                "the ends would be infinite S: for h kept whole pass s_mode='one'"
            )
        within("dropout", dropout, 0, 0.999)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.output_size = output_size
        self.middle_size = round(q * (input_size + hidden_size))
        if self.middle_size < 1:
            raise ValueError(
                "q: expected at least one middle unit, round(q × (input_size + hidden_size)) ≥ 1; "
                f"raise q: got {q!r}"
            )
        self.norm, self.relu_out, self.kappa, self.h0 = norm, relu_out, kappa, h0
        self.dropout, self.s_mode = dropout, s_mode
        g = self.middle_size
        self.weight_ih = nn.Parameter(torch.empty(g, input_size))
        self.weight_hh = nn.Parameter(torch.empty(g, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(g))
        self.middle = nn.ModuleList(MiddleLayer(g) for _ in range(relu_layers - 1))
        self.weight_out = nn.Parameter(torch.empty(hidden_size + output_size, g))
        self.bias_out = nn.Parameter(torch.empty(hidden_size + output_size))
        self.rezero = nn.Parameter(torch.empty(hidden_size if z_shape == "vector" else 1))
        self.residual = nn.Parameter(torch.empty(hidden_size)) if s_mode == "sigmoid" else None
        self.reset_parameters(s_init, generator)
        self.claims, self.denies = _declarations(self)

    @torch.no_grad()
    def reset_parameters(
        self,
        s_init: float | Literal["uniform"] = "uniform",
        generator: Generator | None = None,
    ) -> None:
        """Draw every parameter anew (section 3): biases and Z zero, kernels Glorot-uniform."""
        for name, parameter in self.named_parameters():
            if name.endswith("weight"):
                glorot_uniform(parameter, generator)
            else:
                parameter.zero_()
        first = torch.cat((self.weight_ih, self.weight_hh), 1)
        glorot_uniform(first, generator)
        self.weight_ih.copy_(first[:, : self.input_size])
        self.weight_hh.copy_(first[:, self.input_size :])
        glorot_uniform(self.weight_out, generator)
        if self.residual is not None:
            kept = self.residual
            if s_init == "uniform":
                kept.uniform_(0.01, 0.99, generator=generator)
            else:
                kept.fill_(s_init)
            kept.copy_(kept.logit() / self.kappa)

    def initial_state(self, *batch: int) -> RRUState:
        """(√n/4, 0, …, 0), which keeps N away from its pole at 0 while the input is zero (section 3)."""
        hidden = self.weight_hh.new_zeros(*batch, self.hidden_size)
        if self.h0 == "first_feature":
            hidden[..., 0] = math.sqrt(self.hidden_size) / 4
        return RRUState(hidden, self.weight_hh.new_zeros(*batch, self.output_size))

    @property
    def entry_size(self) -> int:
        """One emission."""
        return self.output_size

    def project(self, x: Tensor) -> RRUInputs:
        """W^x x + B^j, σ(κS), and the last layer cut into what h and what o reads."""
        sizes = (self.hidden_size, self.output_size)
        weights, biases = self.weight_out.split(sizes), self.bias_out.split(sizes)
        kept = None if self.residual is None else torch.sigmoid(self.kappa * self.residual)
        constants = RRUConstants(kept, weights[0], biases[0], weights[1], biases[1])
        return RRUInputs(input_map(x, self.weight_ih, self.bias_ih), constants)

    def recur(self, projected: RRUInputs, state: RRUState) -> tuple[RRUState, Tensor]:
        """Advance h; the emission reads d. ``state.emission`` is not read."""
        h, fixed = state.hidden, projected.constants
        u = projected.first + F.linear(h, self.weight_hh)
        if self.norm == "rms":
            u = u * torch.rsqrt(u.square().mean(-1, keepdim=True) + 1e-6)
        j = F.relu(u)
        for layer in self.middle:
            j = layer(j)
        d = F.dropout(j, self.dropout, training=self.training) if self.dropout else j
        candidate = self._last(d, fixed.candidate_weight, fixed.candidate_bias)
        kept = h if fixed.kept is None else fixed.kept * h
        return state._replace(hidden=kept + self.rezero * candidate), d

    def entry(self, projected: RRUInputs, read: Tensor) -> Tensor:
        """The emission o, from d."""
        fixed = projected.constants
        return self._last(read, fixed.emission_weight, fixed.emission_bias)

    def accumulate(self, held: Tensor, entry: Tensor) -> Tensor:  # noqa: ARG002 - it is replaced
        """The emission takes the place of the one before."""
        return entry

    def _last(self, d: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        out = F.linear(d, weight, bias)
        return F.relu(out) if self.relu_out else out

    def readout(self, state: RRUState) -> Tensor:
        """The emission o_t."""
        return state.emission


def _check_numbers(**numbers: float) -> None:
    for name, value in numbers.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(
                f"{name}: expected a positive finite number, got {value!r}; "
                "leave it out for the default, or choose it above 0"
            )


def _declarations(cell: RRU) -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
    normalized, scaled = cell.norm == "rms", cell.residual is not None
    start = max(1.0, math.sqrt(cell.hidden_size) / 4)
    claims = [
        Claim(
            "well-posed", "the step is a composition of torch functions of (θ, h, x) in eval mode"
        ),
        Claim(
            "bounded-state",
            "Z starts at 0, so h_t = σ(κS)^t h_0 (section 3)",
            "at-init",
            bound=start,
            radius=start,
        ),
        Claim(
            "bounded-decoder-gradient",
            "h ↦ o is Lipschitz: N has slope at most 10³, ReLU at most 1",
        ),
    ]
    denies = []
    if normalized:
        claims.append(
            Claim("bounded-decoder", "‖N(u)‖ ≤ √g, and o is a finite network of N(u) (section 3)")
        )
        denies.append(
            Claim(
                "non-saturating", "N(u) depends on the direction of u alone: ∂o/∂h falls as 1/‖h‖"
            )
        )
    else:
        claims.append(Claim("bounded-decoder", "o is continuous and h_t stays bounded", "at-init"))
        denies += [
            Claim("bounded-decoder", "o grows with h, and h without limit", "all-weights"),
            Claim(
                "non-saturating",
                "o ignores a tail of h_i whose weights into the first layer all have one sign",
            ),
        ]
    denies.append(_growth(normalized=normalized, scaled=scaled))
    if scaled:
        denies.append(
            Claim("identity-block", "one step has slope σ(κS) < 1 at infinity, two have σ(κS)²")
        )
    else:
        dead = "S = 1 and Z = 0: h_t = h_(t−1)"
        claims.append(Claim("identity-block", dead, "at-init"))
        denies += [
            Claim("writable-memory", f"{dead}, which no input moves", "at-init"),
            Claim("identity-block", "h_t = h_(t−1) + Z c(h_(t−1)) and c reads h", "all-weights"),
        ]
    return tuple(claims), tuple(denies)


def _growth(*, normalized: bool, scaled: bool) -> Claim:
    growth: Growth = "linear" if normalized else "geometric"
    if not normalized:
        because = "c grows with h where nothing normalizes it"
    elif scaled:
        because = (
            "each θ is bounded, |h_i| ≤ max(|h_0i|, |Z_i| C_i / (1 − σ(κS_i))) with |c_i| ≤ C_i; but "
            "over all θ that bound has no limit: h counts up where σ(κS) rounds to 1"
        )
    else:
        because = "S = 1: every step can add Z c of one sign (section 7)"
    return Claim("bounded-state", because, "all-weights", growth=growth)

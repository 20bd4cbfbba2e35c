r"""RHN: recurrent highway network, its bounded coupling BRHN, and the stacked form of Zilly et al.

.. math::

    r = \sigma(L_r) \qquad z = \sigma(L_z) \qquad \tilde h = \tanh(L_h) \qquad
    s^{\ell} = r \odot s^{\ell-1} + z \odot \tilde h

with :math:`s^0 = h_{t-1}`, :math:`h_t = s^{depth}`, :math:`L_k = U_k^{\ell} s^{\ell-1} + b_k^{\ell}`, plus
:math:`W_k x_t` where :math:`\ell = 1`. With ``couple`` the transform gate is :math:`z = 1 - r`.

Symbols:    h -> state.hidden; W, U¹, b¹ of r, z, h̃ -> first (stacked in that order; r, h̃ where
            coupled); U^ℓ, b^ℓ for ℓ > 1 -> deeper[ℓ - 2]; depth -> depth
Shapes:     x (\*batch, D), hidden (\*batch, H), readout (\*batch, H)
Convention: r carries the past and z writes; the stored gate of the coupled cell is the carry gate
            r, and 1 − r is computed as σ(−L_r). The candidate is not reset. x enters at ℓ = 1 only.
Paper and code: ``depth=1, couple=False`` is the RHN of GATO appendix G, ``depth=1, couple=True``
            its BRHN (registered as "brhn"). Zilly et al. write transform t and carry c, and store
            t where they couple c = 1 − t: the same function with the sign of one affine map
            turned. Their released settings couple, with depth 10, transform_bias −2 or −4 and
            init_scale 0.04; the uncoupled cell that GATO compares with is the case they avoid.
Reference:  Zilly, Srivastava, Koutník, Schmidhuber: Recurrent Highway Networks, ICML 2017; GATO:
            Gates Are Not the Only Option, submission to ICLR 2020, appendix G.
Example:
    >>> from cells.rhn import RHN
    >>> cell = RHN(input_size=3, hidden_size=8, depth=2, couple=True)
    >>> cell.initial_state(5).hidden.shape
    torch.Size([5, 8])
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from cells.core.claims import Channels, Claim
from cells.core.projection import Projected
from cells.core.registry import register
from cells.fused.lanes import Lanes
from cells.fused.step import Step
from cells.parts.affine import Affine
from cells.parts.gate_claims import plain_sigmoid
from cells.parts.gates import Coefficients
from cells.parts.identity_readout import identity_readout
from cells.parts.initializers import uniform
from cells.parts.plain_gate import PlainGate
from cells.parts.sigmoid_gate import SigmoidGate
from cells.parts.sizes import positive


class RHNState(NamedTuple):
    r"""``hidden`` h: (\*batch, H)."""

    hidden: Tensor


class StateAffine(nn.Module):
    """The maps of a layer ℓ > 1, which sees the state alone: ``blocks`` times U s + b, stacked."""

    def __init__(self, hidden_size: int, blocks: int, n_b: Literal[0, 1, 2]) -> None:
        super().__init__()
        width = blocks * hidden_size
        self.blocks = blocks
        self.weight_hh = nn.Parameter(torch.empty(width, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(width)) if n_b >= 1 else None
        self.bias_hh = nn.Parameter(torch.empty(width)) if n_b == 2 else None

    def forward(self, s: Tensor) -> tuple[Tensor, ...]:
        r"""``s`` (\*batch, H) to ``blocks`` tensors of that shape."""
        bias: Tensor | None = self.bias_ih
        if bias is not None and self.bias_hh is not None:
            bias = bias + self.bias_hh
        return F.linear(s, self.weight_hh, bias).chunk(self.blocks, -1)


@register("rhn")
@register("brhn", couple=True)
@register("brhn-diag", couple=True, diagonal=True)
@final
class RHN(Projected[RHNState], nn.Module):
    """The recurrent highway network.

    ``depth``: highway layers per step; ``couple``: the transform gate is one minus the carry gate,
    which bounds the state; ``diagonal``: recurrent weights are vectors, so that units do not mix (a
    single layer); ``n_b``: stored biases per affine map (the published counts have 2);
    ``init_scale``: every parameter U(±init_scale); ``transform_bias``: start the transform gates'
    biases at this number instead (the coupled cell stores the carry gate, so its bias starts at
    the negative). Raises ``ValueError`` for a size below 1, another ``n_b``, an ``init_scale`` that
    is not positive, a ``transform_bias`` without biases, or ``diagonal`` with more than one layer. Source:
    GATO appendices C.2, G; Zilly et al.
    """

    channels = Channels(recurrent=("hidden",))

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        depth: int = 1,
        couple: bool = False,
        diagonal: bool = False,
        n_b: Literal[0, 1, 2] = 2,
        init_scale: float = 0.1,
        transform_bias: float | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        positive(input_size=input_size, hidden_size=hidden_size, depth=depth)
        if diagonal and depth > 1:
            raise ValueError(
                f"diagonal: expected depth=1, got {depth}; the further layers have matrices, so use "
                "depth=1 or diagonal=False"
            )
        if not (math.isfinite(init_scale) and init_scale > 0):
            raise ValueError(
                f"init_scale: expected a positive finite number, got {init_scale!r}; "
                "every parameter is drawn within ±init_scale: the default is 0.1"
            )
        if transform_bias is not None and n_b == 0:
            raise ValueError(
                "transform_bias needs a stored bias; give n_b=1 or 2, or leave it out: "
                f"got {transform_bias!r} with n_b=0"
            )
        if transform_bias is not None and not math.isfinite(transform_bias):
            raise ValueError(f"transform_bias: expected a finite number, got {transform_bias!r}")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.depth, self.couple, self.diagonal = depth, couple, diagonal
        blocks = 2 if couple else 3
        self.first = Affine(input_size, hidden_size, blocks, n_b=n_b, diagonal=diagonal)
        self.deeper = nn.ModuleList(StateAffine(hidden_size, blocks, n_b) for _ in range(depth - 1))
        self.reset_parameters(init_scale, transform_bias, generator)
        self.claims, self.denies = _declarations(self, init_scale)

    @torch.no_grad()
    def reset_parameters(
        self,
        init_scale: float = 0.1,
        transform_bias: float | None = None,
        generator: Generator | None = None,
    ) -> None:
        """Draw every parameter anew (GATO appendix C.2)."""
        uniform(self.parameters(), init_scale, generator)
        if transform_bias is None:
            return
        gate = (
            slice(0, self.hidden_size)
            if self.couple
            else slice(self.hidden_size, -self.hidden_size)
        )
        for layer in (self.first, *self.deeper):
            layer.bias_ih[gate] = -transform_bias if self.couple else transform_bias
            if layer.bias_hh is not None:
                layer.bias_hh[gate] = (
                    0  # the two biases are summed: the value belongs in one of them
                )

    @property
    def gates(self) -> Mapping[str, PlainGate | SigmoidGate]:
        """The gates of every layer ℓ, as functions of their pre-activations.

        "carry ℓ", and where they are not coupled "transform ℓ"; coupled, the carry gate gives both.
        """
        layers = range(1, self.depth + 1)
        if self.couple:
            return {f"carry {layer}": PlainGate(self.hidden_size) for layer in layers}
        return {
            f"{name} {layer}": SigmoidGate(self.hidden_size)
            for layer in layers
            for name in ("carry", "transform")
        }

    def gate_values(self, x: Tensor, state: RHNState) -> Mapping[str, Tensor | Coefficients]:
        r"""What every gate is in the step from ``state``: each (\*batch, H), coupled r and then 1 − r."""
        s, maps = state.hidden, self.first(x, state.hidden)
        values: dict[str, Tensor | Coefficients] = {}
        for number in range(1, self.depth + 1):
            if number > 1:
                maps = self.deeper[number - 2](s)
            gating = self._gating(maps)
            if self.couple:
                values[f"carry {number}"] = gating
            else:
                values[f"carry {number}"], values[f"transform {number}"] = gating
            s = self._mix(maps, s)
        return values

    def initial_state(self, *batch: int) -> RHNState:
        """Zero (unstated in the papers)."""
        return RHNState(self.first.weight_ih.new_zeros(*batch, self.hidden_size))

    def project(self, x: Tensor) -> Tensor:
        """W x + b of the first layer."""
        return self.first.input_part(x)

    def advance(self, projected: Tensor, state: RHNState) -> RHNState:
        """One update through all ``depth`` layers."""
        maps = self.first.split(projected + self.first.state_part(state.hidden))
        h = self._mix(maps, state.hidden)
        for layer in self.deeper:
            h = self._mix(layer(h), h)
        return RHNState(h)

    def _gating(self, maps: tuple[Tensor, ...]) -> Coefficients:
        return _gating(maps, couple=self.couple)

    def _mix(self, maps: tuple[Tensor, ...], s: Tensor) -> Tensor:
        return _mixed(maps, s, couple=self.couple)

    def lanes(self) -> Lanes | str:
        """Where the recurrent weights are vectors."""
        if not self.diagonal:
            return "diagonal=False: its recurrent weights are matrices, which mix units"
        weights = self.first.weight_hh.unflatten(0, (self.first.blocks, -1))
        return Lanes(_STEPS[self.couple], ("hidden",), self.first.of_inputs, weights)

    def readout(self, state: RHNState) -> Tensor:
        """The hidden state itself."""
        return state.hidden


def _gating(maps: Sequence[Tensor], *, couple: bool) -> Coefficients:
    # σ(−a) where coupled, since 1 − σ(a) loses the small transforms to rounding
    carry, transform = (maps[0], -maps[0]) if couple else maps[:2]
    return Coefficients(torch.sigmoid(carry), torch.sigmoid(transform))


def _mixed(maps: Sequence[Tensor], s: Tensor, *, couple: bool) -> Tensor:
    carry, transform = _gating(maps, couple=couple)
    return carry * s + transform * torch.tanh(maps[-1])


def _step(*, couple: bool) -> Step:
    def unit(
        states: Sequence[Tensor], inputs: Sequence[Tensor], weights: Sequence[Tensor], _: object
    ) -> tuple[Tensor]:
        (h,) = states
        maps = [p + u * h for p, u in zip(inputs, weights, strict=True)]
        return (_mixed(maps, h, couple=couple),)

    maps = 2 if couple else 3
    return Step("brhn" if couple else "rhn", unit, states=1, inputs=maps, weights=maps)


_STEPS = {couple: _step(couple=couple) for couple in (False, True)}


def _declarations(cell: RHN, init_scale: float) -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
    claims = [
        Claim("well-posed", "the step is a composition of torch functions of (θ, h, x)"),
        *identity_readout("h"),
        plain_sigmoid(),
    ]
    denies = [
        Claim(
            "identity-block",
            "h_i is multiplied by a gate below 1 whose slope in h_i cannot stay 1 over two steps",
        )
    ]
    keys = ("bounded-state", "bounded-decoder")  # the same statement twice: the readout is h
    if cell.couple:
        convex = "h_t is a convex combination of h_(t−1) and tanh (GATO appendix G)"
        claims += [Claim(key, convex, bound=1.0) for key in keys]
        return tuple(claims), tuple(denies)
    runaway = (
        "the carry gate reads h itself: where U_r h > 0, 1 − r falls faster than 1/h and every step "
        "adds about z h̃ ≈ 1 (GATO section 3, appendix G)"
    )
    denies += [
        Claim("bounded-state", runaway, "all-weights", growth="linear"),
        Claim("bounded-decoder", runaway, "all-weights"),
    ]
    # What the drawn weights do is a matter of width. A gate's argument has standard deviation
    # ``spread`` for |x|, |h| ≈ 1: measured, constant inputs chosen against the weights leave |h| below
    # 3 up to 0.63, and from about 1.1 on h runs away by itself, with no input at all. Between the
    # two it depends on the draw, and the cell says nothing.
    spread = init_scale * math.sqrt((cell.input_size + cell.hidden_size) / 3)
    if spread <= 0.63 and init_scale * cell.input_size <= 2:
        tame = "at small width the gates stay near 1/2, so each step forgets about half of h"
        claims += [Claim(key, tame, "at-init") for key in keys]
    elif spread >= 1.1:
        wide = f"at this width the drawn weights already suffice: {runaway}"
        denies += [
            Claim("bounded-state", wide, "at-init", growth="linear"),
            Claim("bounded-decoder", wide, "at-init"),
        ]
    return tuple(claims), tuple(denies)
